package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Client is one user with one socket at a time, which moves between nodes. All its methods want mu held.
type Client struct {
	dice
	w       *World
	id      int
	conn    *Conn
	streams map[chat.RoomID]*Stream  // of the rooms it believes it is in
	seen    map[chat.RoomID]chat.Seq // the last seq of any stream of a room; a join is answered at or after it
	pending []*Op                    // requests without an answer
}

// Stream is what a client keeps per room that it is in: the last seq it received. It begins at the asOf of the join's answer, and is
// advanced by received events and gaps only.
type Stream struct{ since chat.Seq }

// Op is a request; its retries keep the ClientID.
type Op struct {
	Room     chat.RoomID
	Kind     chat.Kind
	ClientID string
	id       chat.MessageID
	done     bool
}

func newClient(w *World, id int) *Client {
	c := &Client{dice: w.child(), w: w, id: id, streams: map[chat.RoomID]*Stream{}, seen: map[chat.RoomID]chat.Seq{}}
	w.after(c.between(0, 500*ms), c.connect)
	for i, room := range w.rooms {
		if i == 0 || c.chance(0.6) {
			w.after(c.between(0, time.Second), func() { c.do(room, chat.KindJoin) })
		}
	}
	return c
}

func (c *Client) user() chat.User {
	return chat.User{ID: chat.UserID(fmt.Sprint("u", c.id)), Name: fmt.Sprint("User ", c.id)}
}

// newOp makes a request of a user, with a UUIDv7 that is the same in every run of a seed.
func (w *World) newOp(u chat.UserID, room chat.RoomID, kind chat.Kind) *Op {
	w.ids++
	t := fmt.Sprintf("%012x", time.Now().UnixMilli())
	id := fmt.Sprintf("%s-%s-7000-8000-%012x", t[:8], t[8:], w.ids)
	return &Op{Room: room, Kind: kind, ClientID: id, id: chat.MakeMessageID(room, u, id)}
}

// disconnect loses the socket; the server may believe in it for a while.
func (c *Client) disconnect() {
	if old := c.conn; old != nil {
		c.conn = nil
		c.w.after(c.between(0, 3*time.Second), old.bury)
		c.w.after(c.between(50*ms, time.Second), c.connect)
	}
}

// connect goes to any node and names the last seq received in each room.
func (c *Client) connect() {
	w := c.w
	n := w.upNode()
	if n == nil {
		w.after(200*ms, c.connect)
		return
	}
	conn := newConn(c, n.life)
	c.conn = conn
	w.tracef("client %d connects to node %d", c.id, n.id)
	for _, room := range w.rooms {
		s := c.streams[room]
		if s == nil {
			continue
		}
		since := s.since
		turn := conn.take(room)
		w.spawn(func() {
			_ = sleep(conn.ctx, conn.life.draw(ms, 2*ms))
			conn.resume(room, since, turn)
		})
		if c.chance(0.2) && !c.joining(room) { // a page that joins its rooms whenever it connects
			c.do(room, chat.KindJoin)
		}
	}
	for _, op := range c.pending {
		c.try(op)
	}
}

// do makes a request and repeats it until it is answered, and sometimes long after: a laptop that slept, a hostile client.
func (c *Client) do(room chat.RoomID, kind chat.Kind) {
	w := c.w
	op := w.newOp(c.user().ID, room, kind)
	w.tracef("client %d: request %s kind %d %s", c.id, op.id, kind, room)
	c.pending = append(c.pending, op)
	var try func()
	try = func() {
		if !op.done {
			c.try(op)
			w.after(c.between(time.Second, 2500*ms), try)
		}
	}
	try()
	for range 3 {
		if d := c.between(window/2, 2*window); c.chance(w.lateRetry) && w.now()+d < quietAt {
			w.after(d, func() { c.try(op) })
		}
	}
}

func (c *Client) try(op *Op) {
	conn, w := c.conn, c.w
	if conn == nil {
		return
	}
	w.after(c.between(ms, 5*ms), func() {
		if !conn.alive() {
			return
		}
		turn, after := conn.take(op.Room), c.seen[op.Room]
		w.spawn(func() {
			if op.Kind == chat.KindJoin {
				conn.join(op, after, turn)
			} else {
				conn.request(op, turn)
			}
		})
	})
}

func (c *Client) joining(room chat.RoomID) bool {
	return slices.ContainsFunc(c.pending, func(op *Op) bool { return op.Room == room && op.Kind == chat.KindJoin })
}

func (c *Client) finish(op *Op) {
	op.done = true
	c.pending = slices.DeleteFunc(c.pending, func(p *Op) bool { return p == op })
}

// answered is the ack of a message or a leave, or the refusal of a request. An old change of membership is asked anew, with a new id.
func (c *Client) answered(op *Op, seq chat.Seq, err error) {
	s, first := c.streams[op.Room], !op.done
	c.finish(op)
	if err != nil {
		c.w.tracef("client %d: request %s refused: %v", c.id, op.id, err)
		c.w.count["refused "+string(chat.AsError(err).Code)]++
		c.w.check.untold[op.id] = true
		if chat.AsError(err).Code == chat.CodeConflict && first && (op.Kind == chat.KindJoin) == (s == nil) {
			c.do(op.Room, op.Kind)
		}
		return
	}
	if op.Kind == chat.KindMessage {
		c.w.check.acked(op)
	}
	if s != nil && c.w.broken("since-by-ack") {
		s.since = max(s.since, seq)
	}
}

// joined is the answer to a join, whichever attempt it answers. Its page of messages reaches through asOf.
func (c *Client) joined(op *Op, asOf chat.Seq, member bool) {
	c.w.tracef("client %d: join %s of %s answered as of %d: %v", c.id, op.id, op.Room, asOf, member)
	c.finish(op)
	if member && c.streams[op.Room] == nil {
		c.streams[op.Room] = &Stream{asOf}
		c.w.check.begin(c, op.Room, asOf)
	}
}

func (c *Client) receive(r chat.Record) {
	c.w.tracef("client %d gets %s %d %s kind %d of %s", c.id, r.Room, r.Seq, r.ID, r.Kind, r.Subject)
	s := c.streams[r.Room]
	c.w.check.received(c, r, s != nil)
	c.seen[r.Room] = max(c.seen[r.Room], r.Seq)
	if s != nil {
		s.since = max(s.since, r.Seq)
		if r.Kind == chat.KindLeave && r.Subject == c.user().ID {
			c.left(r.Room, r.Seq)
		}
	}
}

// left ends a stream: by the leave itself, or because a resume found no membership.
func (c *Client) left(room chat.RoomID, since chat.Seq) {
	if c.streams[room] != nil {
		delete(c.streams, room)
		c.w.check.end(c, room, since)
	}
}

func (c *Client) gap(g chat.Gap) {
	if s := c.streams[g.Room]; s != nil {
		c.w.tracef("client %d gets a gap of %s (%d, %d] %s", c.id, g.Room, g.From, g.To, g.Reason)
		s.since = max(s.since, g.To)
		c.w.check.gap(c, g)
	}
}
