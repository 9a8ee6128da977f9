package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// encoder makes frames that carry what they are of.
type encoder struct{}

func (encoder) Record(r chat.Record) chat.Frame {
	return chat.Frame{Room: r.Room, Seq: r.Seq, Size: len(r.Body), Wire: r}
}
func (encoder) Gap(g chat.Gap) chat.Frame {
	return chat.Frame{Room: g.Room, Seq: g.To, Size: 1, Wire: g}
}
func (encoder) Whisper(room chat.RoomID, w chat.Whisper) chat.Frame {
	return chat.Frame{Room: room, Size: 1, Wire: w}
}

// Conn is one socket: in order, and reliable until it is cut; then what was under way is lost. It stands in for the gateway: one
// request or resume of a room at a time, one subscription per room.
type Conn struct {
	dice
	client *Client
	life   *life
	ctx    context.Context
	end    context.CancelFunc
	dead   bool
	born   time.Duration
	last   time.Duration                   // arrival of the last frame
	queues map[chat.RoomID][]chan struct{} // who has the turn of a room, and who waits for it
	subs   map[chat.RoomID]*hearing
}

func newConn(c *Client, l *life) *Conn {
	conn := &Conn{dice: c.child(), client: c, life: l, born: c.w.now(), queues: map[chat.RoomID][]chan struct{}{}, subs: map[chat.RoomID]*hearing{}}
	conn.ctx, conn.end = context.WithCancel(l.ctx)
	return conn
}

// take waits for the turn of a room; give passes it on. take is called with mu held, so that turns are taken in order, and gives what
// to wait for.
func (c *Conn) take(room chat.RoomID) (wait chan struct{}) {
	wait = make(chan struct{})
	if c.client.w.broken("join-over-resume") {
		close(wait)
		return wait
	}
	c.queues[room] = append(c.queues[room], wait)
	if len(c.queues[room]) == 1 {
		close(wait)
	}
	return wait
}

func (c *Conn) give(room chat.RoomID) {
	c.client.w.mu.Lock()
	defer c.client.w.mu.Unlock()
	if len(c.queues[room]) == 0 {
		return
	}
	q := c.queues[room][1:]
	c.queues[room] = q
	if len(q) > 0 {
		close(q[0])
	}
}

// alive says whether frames still go through. The caller holds mu, as for the next three.
func (c *Conn) alive() bool { return !c.dead && c.life.ctx.Err() == nil }

func (c *Conn) send(f func()) {
	w := c.client.w
	c.last = max(c.last+1, w.now()+c.between(ms, 5*ms))
	w.after(c.last-w.now(), func() {
		if c.alive() && c.client.conn == c {
			f()
		}
	})
}

// cutLocked closes the socket from the server's side.
func (c *Conn) cutLocked() {
	if c.alive() && c.client.conn == c {
		c.client.disconnect()
	}
	c.bury()
}

// bury is the moment in which the server notices that the socket is gone.
func (c *Conn) bury() {
	if c.dead {
		return
	}
	c.dead = true
	c.end()
	subs := c.subs
	c.subs = map[chat.RoomID]*hearing{}
	c.client.w.spawn(func() {
		for _, room := range c.client.w.rooms {
			if h := subs[room]; h != nil {
				c.life.hub.Detach(room, h)
			}
		}
	})
}

// hearing is a socket's subscription to a room; it implements chat.Listener. While it holds, frames wait for the answer to a join.
type hearing struct {
	c       *Conn
	joined  chat.Seq
	holding bool
	held    []chat.Frame
	ended   bool
}

func (h *hearing) Deliver(f chat.Frame) {
	w := h.c.client.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.holding {
		h.held = append(h.held, f)
		return
	}
	h.pass(f)
}

func (h *hearing) pass(f chat.Frame) {
	c := h.c
	if !c.alive() {
		return
	}
	c.client.w.count["events sent"]++
	switch v := f.Wire.(type) {
	case chat.Record:
		c.send(func() { c.client.receive(v) })
	case chat.Gap:
		c.send(func() { c.client.gap(v) })
	}
}

// release lets through what was held. The caller holds mu.
func (h *hearing) release() {
	h.holding = false
	for _, f := range h.held {
		h.pass(f)
	}
	h.held = nil
}

func (h *hearing) Ready(ctx context.Context) error {
	return sleep(ctx, h.c.life.draw(0, 2*ms))
}

func (h *hearing) Ended(room chat.RoomID, why chat.Code) {
	w := h.c.client.w
	w.mu.Lock()
	defer w.mu.Unlock()
	h.ended = true
	if h.c.subs[room] == h {
		delete(h.c.subs, room)
	}
	if why != chat.CodeNotFound {
		if h.c.alive() {
			w.count["sockets cut by the server"]++
		}
		h.c.cutLocked()
	}
}

// attach subscribes the socket after a place. mu is not held; the room's turn is.
func (c *Conn) attach(room chat.RoomID, after chat.Seq, hold bool) (*hearing, chat.Attached, error) {
	w := c.client.w
	w.mu.Lock()
	old := c.subs[room]
	delete(c.subs, room)
	w.mu.Unlock()
	if old != nil {
		c.life.hub.Detach(room, old)
	}
	h := &hearing{c: c, holding: hold}
	at, err := c.life.hub.Attach(c.ctx, room, c.client.user(), after, h)
	if err != nil {
		return nil, at, err
	}
	w.mu.Lock()
	h.joined = at.View.Member(c.client.user().ID).Joined
	dead := c.dead
	if !dead && !h.ended {
		c.subs[room] = h
	}
	w.mu.Unlock()
	if dead {
		c.life.hub.Detach(room, h)
		return nil, at, context.Canceled
	}
	return h, at, nil
}

// resume sends what came after a place, then live. A room that cannot be resumed is opened anew, after the same place, until it can.
// wait is the room's turn.
func (c *Conn) resume(room chat.RoomID, since chat.Seq, wait chan struct{}) {
	w := c.client.w
	<-wait
	defer c.give(room)
	for c.ctx.Err() == nil {
		_, at, err := c.attach(room, since, false)
		w.mu.Lock()
		switch {
		case err == nil:
			w.count["explicit gaps"] += at.Gaps
			w.mu.Unlock()
			return
		case errors.Is(err, chat.ErrNotFound):
			w.count["resumes that found no membership"]++
			w.tracef("client %d resumes %s since %d on node %d and is no member; the store, at %d, has him as %+v", c.client.id, room, since, c.life.node.id,
				w.store.mark.Seq, w.store.members[room][c.client.user().ID])
			c.send(func() { c.client.left(room, since) })
			w.mu.Unlock()
			return
		}
		w.count["resumes that had to wait"]++
		w.mu.Unlock()
		_ = sleep(c.ctx, 300*ms)
	}
}

// join is a request to join; the answer goes out before anything live.
func (c *Conn) join(op *Op, after chat.Seq, wait chan struct{}) {
	w := c.client.w
	<-wait
	defer c.give(op.Room)
	ctx, cancel := context.WithTimeout(c.life.ctx, 9*time.Second)
	defer cancel()
	st, err := c.life.service.JoinAfter(ctx, c.client.user(), op.Room, op.ClientID, after)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		c.answer(op, 0, err)
		return
	}
	w.mu.Lock()
	sub := c.subs[op.Room]
	w.mu.Unlock()
	at := chat.Attached{AsOf: st.AsOf, View: st.View}
	member := true
	var h *hearing
	if sub == nil || sub.joined != st.Member.Joined {
		if h, at, err = c.attach(op.Room, chat.AttachHead, true); err != nil {
			if !errors.Is(err, chat.ErrNotFound) {
				return // no answer: he asks again
			}
			member = false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	asOf := at.AsOf
	c.send(func() { c.client.joined(op, asOf, member) })
	if h != nil {
		h.release()
	}
}

// request is a message or a leave.
func (c *Conn) request(op *Op, wait chan struct{}) {
	w := c.client.w
	<-wait
	defer c.give(op.Room)
	ctx, cancel := context.WithTimeout(c.life.ctx, 9*time.Second)
	defer cancel()
	if op.Kind == chat.KindLeave {
		err := c.life.service.Leave(ctx, c.client.user(), op.Room, op.ClientID)
		w.mu.Lock()
		defer w.mu.Unlock()
		c.answer(op, 0, err)
		return
	}
	in := chat.SendRequest{Room: op.Room, ClientID: op.ClientID, Text: "x"}
	c.life.service.Send(ctx, c.client.user(), in, func(s chat.Sent, err error) {
		w.spawn(func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			c.answer(op, s.Seq, err)
		})
	})
}

// passing are the codes after which a client asks again.
var passing = []chat.Code{chat.CodeUnknown, chat.CodeUnavailable, chat.CodeOverloaded, chat.CodeRateLimited, chat.CodeInternal}

// answer sends the ack; one that is not final leaves the client to ask again. The caller holds mu.
func (c *Conn) answer(op *Op, seq chat.Seq, err error) {
	if !c.alive() {
		return
	}
	if err != nil && (errors.Is(err, context.Canceled) || slices.Contains(passing, chat.AsError(err).Code)) {
		return
	}
	c.send(func() { c.client.answered(op, seq, err) })
}
