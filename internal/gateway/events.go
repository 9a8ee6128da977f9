package gateway

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// action is a request that has been read: what is to be done when the turn of its room comes.
type action struct {
	room    chat.RoomID // whose turn
	durable bool        // done also when the socket has left: it had asked for it
	run     func(ctx context.Context, c *conn, r *reply)
}

// maxRefused is how many seconds' worth of events a socket may have refused, beyond those that were taken meanwhile, before it is closed.
// So who sends up to twice his limit is slowed down for ever, and who sends a hundred times of it is closed soon.
const maxRefused = 20

// onEvent takes one event of a socket. It runs on the socket's reading goroutine, so it only reads the request and hands it on.
func (g *Gateway) onEvent(e *socketio.Event) {
	c, ok := e.Socket.Data().(*conn)
	if !ok {
		return
	}
	g.counts.events.Add(1)
	size := 0
	for _, raw := range e.Args {
		size += len(raw)
	}
	c.pace(size)
	r := &reply{c: c, ev: e, due: time.Now().Add(g.cfg.Deadline)}
	if err := c.spend(); err != nil {
		r.fail(err)
		return
	}
	f := parseFields(e.Args, g.cfg.Limits.JSONDepth)
	a, known := g.read(e.Name, f, c.who.User.ID)
	switch {
	case !known:
		r.fail(chat.Errorf(chat.CodeInvalid, "there is no event of this name"))
		return
	case f.err != nil:
		r.fail(f.err)
		return
	}
	e.Arguments = socketio.Arguments{} // what was read is kept, the rest is not
	job := job{run: func() { c.perform(a, r) }, size: size, due: r.due, late: func() { r.fail(chat.ErrOverloaded) }}
	if !c.rooms.do(a.room, job, g.cfg.Limits.Pending, g.cfg.Limits.PendingBytes) {
		r.fail(chat.ErrOverloaded)
	}
}

// perform does a request whose turn has come.
func (c *conn) perform(a action, r *reply) {
	defer c.guard(r.ev.Name)
	defer func() {
		if p := recover(); p != nil {
			r.fail(chat.Errorf(chat.CodeInternal, "something went wrong on the server"))
			panic(p)
		}
	}()
	ctx, cancel := context.WithDeadline(context.Background(), r.due)
	defer cancel()
	if !a.durable {
		ctx, cancel = c.whileThere(ctx)
		defer cancel()
	}
	if ctx.Err() != nil { // it waited for its turn too long, or nobody waits for the answer any more
		r.fail(chat.ErrOverloaded)
		return
	}
	a.run(ctx, c, r)
}

// spend takes an event from the socket's and the user's budget.
func (c *conn) spend() error {
	c.mu.Lock()
	mine := c.mine
	c.mu.Unlock()
	l, now := c.g.cfg.Limits, time.Now()
	wait := delay(c.events, now)
	flag, limit := "--events-per-socket", l.EventsPerSocket
	if wait == 0 && mine != nil {
		wait = delay(mine.events, now)
		flag, limit = "--events-per-user", l.EventsPerUser
	}
	if wait == 0 {
		if c.over.Load() > 0 {
			c.over.Add(-1)
		}
		return nil
	}
	if float64(c.over.Add(1)) > maxRefused*l.EventsPerSocket {
		c.sock.CloseTransport(engineio.Reason("rate limited"))
	}
	e := chat.Errorf(chat.CodeRateLimited, "at most %v events a second (%s)", limit, flag)
	e.RetryAfter = max(wait, time.Millisecond)
	return e
}

// delay takes a token; when there is none it says when there will be.
func delay(l *rate.Limiter, now time.Time) time.Duration {
	if l.AllowN(now, 1) {
		return 0
	}
	r := l.ReserveN(now, 1)
	d := r.DelayFrom(now)
	if d > 0 {
		r.CancelAt(now)
	}
	return d
}

// read turns an event into an action; known is false for one that is not in the protocol.
func (g *Gateway) read(name string, f *fields, u chat.UserID) (a action, known bool) {
	page := g.cfg.Service.PageSize()
	switch name {
	case "room:create":
		return readCreate(f, u), true
	case "room:list":
		return readList(f, page), true
	case "room:join":
		return readJoin(f, page), true
	case "room:open":
		return readOpen(f, page), true
	case "room:leave":
		return readLeave(f), true
	case "room:members":
		return readMembers(f, page), true
	case "room:invite":
		return readInvite(f), true
	case "room:update":
		return readUpdate(f), true
	case "message:send":
		return readSend(f), true
	case "message:list":
		return readMessages(f, page), true
	case "typing":
		return readTyping(f), true
	}
	return action{}, false
}
