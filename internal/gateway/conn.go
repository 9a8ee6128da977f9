package gateway

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// conn is one authenticated socket.
type conn struct {
	g        *Gateway
	sock     *socketio.Socket
	who      Identity
	since    []resume // what its CONNECT wants resumed
	early    bool     // the resumes run before the CONNECT answer
	rooms    executor
	events   *rate.Limiter
	over     atomic.Int64 // events refused, less those taken since
	holding  atomic.Int64 // bytes that all its subscriptions hold
	reading  pacer        // of the goroutine that handles its events
	weighing pacer        // of it, too: by bytes
	place    int          // in the heap of expiry; -1: not there

	ctx    context.Context // ends with the socket
	cancel context.CancelFunc

	mu      sync.Mutex // never held while another package waits for something
	mine    *person    // his other sockets; nil before and after
	greet   *session   // what the first event says; nil once it is out
	ready   bool       // session is out: frames go straight to the socket
	held    []chat.Frame
	bytes   int           // held
	opened  chan struct{} // closed when ready, or gone
	full    chan struct{} // closed when so much is held that a replay waits; of no use once ready
	isFull  bool
	gone    bool
	subs    map[chat.RoomID]*subscription
	pending int           // rooms that are being opened
	granted int           // bytes that long answers and replays were let go on with and have not sent yet; see grant
	freed   chan struct{} // closed when some of it is given back; made by who waits for that
	pages   chan struct{} // one for each page in memory; made for the first
	feeding pacer         // of pages
}

func newConn(g *Gateway, sock *socketio.Socket, who Identity) *conn {
	c := &conn{g: g, sock: sock, who: who, place: -1, rooms: executor{workers: g.workers}, opened: make(chan struct{}), full: make(chan struct{}),
		events: rate.NewLimiter(rate.Limit(g.cfg.Limits.EventsPerSocket), burst(g.cfg.Limits.EventsPerSocket))}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// push sends a frame, or holds it while the session is not out. It never blocks: a socket that does not keep up is closed.
func (c *conn) push(f chat.Frame) {
	w, ok := f.Wire.(*wire)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
	case !c.ready:
		if c.bytes+f.Size > c.g.holdMost() {
			c.sock.CloseTransport(engineio.SlowClient)
			return
		}
		c.held = append(c.held, f)
		c.bytes += f.Size
		if !c.isFull && c.bytes >= c.g.holdEnough() {
			c.isFull = true
			close(c.full)
		}
	case w.droppable && c.sock.Queued() > c.g.holdEnough():
	default:
		c.send(w)
	}
}

// send hands a frame to the transport. An error means that the socket is gone or about to be, which its own path tells.
func (c *conn) send(w *wire) {
	if c.sock.SendFrame(w.frame) == nil {
		c.g.counts.frames.Add(1)
	}
}

// holdEnough is how much of a replay, bytes, may wait before it pauses; holdMost is where a socket has had its chance.
func (g *Gateway) holdEnough() int { return g.cfg.Limits.QueueBytes / 4 }
func (g *Gateway) holdMost() int   { return g.cfg.Limits.QueueBytes / 4 * 3 }

// open is the moment after the CONNECT answer: session first, then what came for the socket meanwhile, then live.
func (c *conn) open() {
	c.mu.Lock()
	if c.gone || c.ready {
		c.mu.Unlock()
		return
	}
	if c.greet != nil {
		c.greet.Status = c.g.status()
		c.greet.ServerTime = nowMillis()
		if w, ok := eventFrame("session", c.greet).Wire.(*wire); ok {
			c.send(w)
		}
	}
	for _, f := range c.held {
		if w, ok := f.Wire.(*wire); ok {
			c.send(w)
		}
	}
	close(c.opened)
	// An idle socket holds as little as can be.
	c.ready, c.held, c.bytes, c.greet, c.opened, c.full = true, nil, 0, nil, nil, nil
	c.who.Token, c.who.PID = "", ""
	c.mu.Unlock()
	c.sock.Forget()
	if !c.early {
		go c.resumeAll()
	}
}

// close undoes everything: it runs once, when the socket has left or did not come to be.
func (c *conn) close() {
	c.cancel()
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return
	}
	c.gone = true
	if !c.ready {
		close(c.opened)
	}
	subs, mine := c.subs, c.mine
	c.subs, c.mine, c.held = nil, nil, nil
	c.mu.Unlock()
	c.g.remove(c)
	for room, s := range subs {
		c.g.cfg.Rooms.Detach(room, s)
	}
	if mine != nil {
		c.g.users.leave(mine, c)
	}
}

// expire closes a socket whose token has run out. Its client is told why and does not come back by itself.
func (c *conn) expire() {
	c.push(eventFrame("session:expired", errorBody{Code: chat.CodeUnauthorized, Message: "the token has expired"}))
	c.sock.Disconnect(false)
}

// subscribed says how the socket stands to a room.
func (c *conn) subscribed(room chat.RoomID) *subscription {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subs[room]
}

// reserve takes one of the places that a socket has for open rooms; done gives it back.
func (c *conn) reserve(room chat.RoomID) (done func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.g.cfg.Limits.RoomsPerSocket
	if c.subs[room] == nil && len(c.subs)+c.pending >= most {
		return nil, chat.Errorf(chat.CodeRateLimited, "at most %d rooms open on a socket (--rooms-per-socket)", most)
	}
	c.pending++
	return func() {
		c.mu.Lock()
		c.pending--
		c.mu.Unlock()
	}, nil
}

// guard keeps a panic to this one connection.
func (c *conn) guard(what string) {
	if p := recover(); p != nil {
		c.g.counts.panics.Add(1)
		c.g.log.Error("a handler panicked; its connection is closed", "in", what, "panic", p, "stack", string(debug.Stack()))
		c.sock.CloseTransport(engineio.ForcedServerClose)
	}
}

// whileThere gives a context that ends with ctx and with the socket.
func (c *conn) whileThere(ctx context.Context) (context.Context, context.CancelFunc) {
	both, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return both, func() {
		stop()
		cancel()
	}
}

func burst(perSecond float64) int { return max(int(5*perSecond), 1) }
