package gateway

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/workers"
	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Credentials is what a client shows in its CONNECT: a token; or the pid of an earlier connection; or a name that a guest would like.
type Credentials struct{ Token, Name, PID string }

// Identity is who a client turned out to be.
type Identity struct {
	User    chat.User
	Token   string    // for a guest: the token to keep; else empty
	PID     string    // an opaque signed name of the user, which the Authenticator takes back as a credential; may be empty
	Expires time.Time // past this and Leeway the socket is closed; zero: never
	Fresh   bool      // the user has just been made: he can be in no room, and none is looked for
}

// Authenticator tells who a client is, or refuses it with a *chat.Error.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credentials) (Identity, error)
}

// Status is what people are told of the engines.
type Status struct {
	Log      string `json:"log"`   // ok or down
	Bus      string `json:"bus"`   // ok or down
	Store    string `json:"store"` // ok, behind or down
	Draining bool   `json:"draining,omitempty"`
}

// Config is what a Gateway needs. Service, Rooms, Bus and Auth must be there.
type Config struct {
	Service  *chat.Service
	Rooms    chat.Rooms
	Bus      chat.Bus
	Auth     Authenticator
	Limits   Limits
	Times    chat.Times    // zero: chat.DefaultTimes
	LogName  string        // the `log` of session
	Status   func() Status // as of now; must not block. nil: all is well
	Logger   *slog.Logger
	Deadline time.Duration // a request is answered within this time of its arrival; 9 s
}

// Limits bound what one client may cost. A zero field means its default. Each with a flag names it in its refusal.
type Limits struct {
	EventsPerSocket float64 // a second, bursts of five times as much: 100 (--events-per-socket)
	EventsPerUser   float64 // of all his sockets on this node: 200 (--events-per-user)
	RoomsPerSocket  int     // open at a time: 1,000 (--rooms-per-socket)
	JSONDepth       int     // nesting of a request: 32 (--json-depth)
	QueueBytes      int     // of a socket's output queue, as the transport has it: 1 MiB (--queue-bytes)
	Pending         int     // requests of one socket that wait for an earlier one: 512
	PendingBytes    int     // their size: 1 MiB
	PageBytes       int     // of the messages of one answer, which is then shorter than its limit: 256 KiB
	Resumes         int     // rooms of one socket that are resumed at a time: 16
}

func (l Limits) withDefaults() Limits {
	if l.EventsPerSocket <= 0 {
		l.EventsPerSocket = 100
	}
	if l.EventsPerUser <= 0 {
		l.EventsPerUser = 200
	}
	for _, d := range []struct {
		n   *int
		def int
	}{{&l.RoomsPerSocket, 1000}, {&l.JSONDepth, 32}, {&l.QueueBytes, 1 << 20}, {&l.Pending, 512}, {&l.PendingBytes, 1 << 20},
		{&l.PageBytes, 256 << 10}, {&l.Resumes, 16}} {
		if *d.n <= 0 {
			*d.n = d.def
		}
	}
	l.PageBytes = min(l.PageBytes, l.QueueBytes/4)
	return l
}

// Leeway is for how long a socket is kept past its token's exp; the Authenticator forgives as much (cases.md 10).
const Leeway = 30 * time.Second

// maxSince is how many rooms a CONNECT may resume, and how many session lists.
const maxSince = 500

// Gateway serves chat to the sockets of one namespace.
type Gateway struct {
	cfg     Config
	log     *slog.Logger
	users   users
	expiry  expiry
	counts  counters
	workers *workers.Pool // of requests

	draining atomic.Bool
	mu       sync.Mutex
	conns    map[*conn]struct{} // authenticated; bounded by the sockets the node admits
}

// New makes a gateway. Bind gives it clients; Run closes those whose token has expired.
func New(cfg Config) *Gateway {
	cfg.Limits = cfg.Limits.withDefaults()
	if cfg.Times == (chat.Times{}) {
		cfg.Times = chat.DefaultTimes()
	}
	if cfg.Status == nil {
		cfg.Status = func() Status { return Status{Log: "ok", Bus: "ok", Store: "ok"} }
	}
	if cfg.Deadline <= 0 {
		cfg.Deadline = 9 * time.Second
	}
	g := &Gateway{cfg: cfg, log: cfg.Logger, conns: map[*conn]struct{}{}, workers: workers.New()}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	g.users.init(g)
	return g
}

// Bind makes the gateway serve the clients of a namespace. Call it before they come.
func (g *Gateway) Bind(ns *socketio.Namespace) {
	ns.Use(g.admit)
	ns.OnConnection(func(s *socketio.Socket) {
		if c, ok := s.Data().(*conn); ok {
			c.open()
		}
	})
	ns.OnAny(g.onEvent)
}

// Run closes sockets whose token has expired, until ctx ends; then it returns nil.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.workers.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var told []parting
	for {
		select {
		case now := <-tick.C:
			for len(told) > 0 && now.After(told[0].due) {
				told[0].c.sock.CloseTransport(engineio.ForcedServerClose)
				told = told[1:]
			}
			for _, c := range g.expiry.due(now.Add(-Leeway)) {
				c.expire()
				told = append(told, parting{c, now.Add(partWithin)})
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// parting is a socket that was told to go. Its client hangs up by itself; one that does not is cut off. (Cut off at once, an official
// client would see the end of the connection first, take it for an accident and come back.)
type parting struct {
	c   *conn
	due time.Time
}

const partWithin = 5 * time.Second

// all lists the connections there are now.
func (g *Gateway) all() []*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		out = append(out, c)
	}
	return out
}

func (g *Gateway) add(c *conn) {
	g.mu.Lock()
	g.conns[c] = struct{}{}
	g.mu.Unlock()
	g.expiry.add(c)
}

func (g *Gateway) remove(c *conn) {
	g.expiry.remove(c)
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}

// status is what a client is told right now.
func (g *Gateway) status() Status {
	s := g.cfg.Status()
	s.Draining = s.Draining || g.draining.Load()
	return s
}

// SetStatus tells all sockets how the engines are.
func (g *Gateway) SetStatus(s Status) {
	s.Draining = s.Draining || g.draining.Load()
	f := eventFrame("status", s)
	for _, c := range g.all() {
		c.push(f)
	}
}

// Drain tells all sockets that the node goes away, then closes them, spread evenly over the window, so that they do not come back all
// at once elsewhere. Their clients take it for an accident and reconnect. It returns when all are told to go, or with ctx's error.
func (g *Gateway) Drain(ctx context.Context, window time.Duration) error {
	g.draining.Store(true)
	g.SetStatus(g.cfg.Status())
	begin, left := time.Now(), g.all()
	total := len(left)
	tick := time.NewTicker(max(window/100, time.Millisecond))
	defer tick.Stop()
	for len(left) > 0 {
		select {
		case now := <-tick.C:
			due := total
			if passed := now.Sub(begin); passed < window {
				due = int(int64(total) * int64(passed) / int64(window))
			}
			for total-len(left) < due {
				left[0].sock.CloseTransport(engineio.ShuttingDown)
				left = left[1:]
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, c := range g.all() { // those that came meanwhile
		c.sock.CloseTransport(engineio.ShuttingDown)
	}
	return nil
}
