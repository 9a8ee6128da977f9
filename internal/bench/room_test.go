package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bench"
	"github.com/hubbub-chat/hubbub/socketio"
)

// chat is a small server that speaks the four event names, and may be harmed in what it does: every n-th thing, 0 never.
type chat struct {
	lose, repeat, swap, refuse, hang int
	mute, stray, drop                int // it delivers without an answer; to another room, too; it ends the connection
	late                             time.Duration
	wrongAck                         bool

	mu    sync.Mutex
	rooms map[string][]*socketio.Socket
	sends int
	held  map[string]string // by room: a text that waits for the next one
}

func (c *chat) start(t *testing.T) (url string) {
	t.Helper()
	c.rooms, c.held = map[string][]*socketio.Socket{}, map[string]string{}
	srv := socketio.New(socketio.Options{})
	root := srv.Of("/")
	root.OnConnection(func(*socketio.Socket) {})
	root.On("room:create", func(e *socketio.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		id := fmt.Sprint("room", len(c.rooms))
		c.rooms[id] = nil
		ok(e, map[string]any{"room": map[string]any{"id": id}})
	})
	root.On("room:join", func(e *socketio.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		room := said(e).RoomID
		c.rooms[room] = append(c.rooms[room], e.Socket)
		ok(e, map[string]any{})
	})
	root.On("message:send", c.take)
	web := httptest.NewServer(srv)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = srv.Close(ctx)
		web.Close()
	})
	return web.URL
}

type request struct{ RoomID, ClientID, Text string }

func said(e *socketio.Event) (r request) {
	_ = json.Unmarshal(e.Args[0], &r)
	return r
}

func ok(e *socketio.Event, data any) { _ = e.Ack(map[string]any{"ok": true, "data": data}) }

func every(n, i int) bool { return n > 0 && i%n == n-1 }

// take delivers a message to its room, and answers.
func (c *chat) take(e *socketio.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := said(e)
	i := c.sends
	c.sends++
	switch {
	case every(c.refuse, i):
		_ = e.Ack(map[string]any{"ok": false, "error": map[string]any{"code": "rate_limited", "message": "slowly"}})
		return
	case every(c.hang, i):
		return
	case every(c.mute, i):
	case every(c.drop, i):
		e.Socket.Disconnect(true)
		return
	case c.wrongAck:
		_ = e.Ack("fine")
	default:
		ok(e, map[string]any{})
	}
	times := 1
	switch {
	case every(c.lose, i):
		return
	case every(c.repeat, i):
		times = 2
	case every(c.swap, i) && c.held[r.RoomID] == "":
		c.held[r.RoomID] = r.Text
		return
	}
	for range times {
		c.deliver(r.RoomID, r.Text)
	}
	if c.late > 0 {
		time.AfterFunc(c.late, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.deliver(r.RoomID, r.Text)
		})
	}
	for room := range c.rooms {
		if room != r.RoomID && every(c.stray, i) {
			c.deliver(room, r.Text)
		}
	}
	if held := c.held[r.RoomID]; held != "" {
		c.deliver(r.RoomID, held)
		c.held[r.RoomID] = ""
	}
}

func (c *chat) deliver(room, text string) {
	for _, s := range c.rooms[room] {
		_ = s.Emit("message:new", map[string]any{"id": "x", "roomId": room, "text": text, "user": map[string]any{"name": "somebody"}})
	}
}

// The bench says of each server what it is.
func TestServersAreSeenForWhatTheyAre(t *testing.T) {
	t.Parallel()
	rate := bench.Load{Sockets: 6, Rooms: 2, Rate: 200, Size: 60}
	flight := bench.Load{Sockets: 6, Rooms: 2, InFlight: 4, Size: 60}
	none := func(r *bench.Result) bool { return r.Wrong() == nil && r.Refused == 0 && r.GivenUp == 0 }
	for name, c := range map[string]struct {
		server *chat
		load   bench.Load
		seen   func(r *bench.Result) bool
	}{
		"a good one":                {&chat{}, rate, none},
		"a good one, in flight":     {&chat{}, flight, none},
		"one that loses":            {&chat{lose: 20}, rate, func(r *bench.Result) bool { return r.Lost > 0 && r.Duplicated+r.OutOfOrder == 0 && r.Wrong() != nil }},
		"one that loses, in flight": {&chat{lose: 20}, flight, func(r *bench.Result) bool { return r.Lost > 0 && r.GivenUp > 0 && r.Wrong() != nil }},
		"one that repeats":          {&chat{repeat: 20}, rate, func(r *bench.Result) bool { return r.Duplicated > 0 && r.Lost+r.OutOfOrder == 0 && r.Wrong() != nil }},
		"one that swaps":            {&chat{swap: 8}, bench.Load{Sockets: 1, Rooms: 1, Rate: 200}, func(r *bench.Result) bool { return r.OutOfOrder > 0 && r.Duplicated == 0 && r.Wrong() != nil }},
		"one that refuses": {&chat{refuse: 10}, rate, func(r *bench.Result) bool {
			return r.Refused > 0 && r.Wrong() == nil && strings.Contains(r.RefusedWhy, "slowly")
		}},
		"one that refuses in flight": {&chat{refuse: 10}, flight, func(r *bench.Result) bool { return r.Refused > 0 && r.Wrong() == nil }},
		"one that answers nonsense":  {&chat{wrongAck: true}, rate, func(r *bench.Result) bool { return r.Acked == 0 && strings.Contains(r.RefusedWhy, "fine") }},
		"one that delivers and does not answer": {&chat{mute: 10}, rate, func(r *bench.Result) bool {
			return r.Unanswered > 0 && r.Lost+r.Duplicated == 0 && strings.Contains(fmt.Sprint(r.Wrong()), "sends never answered")
		}},
		"one that tells another room": {&chat{stray: 10}, rate, func(r *bench.Result) bool {
			return r.Strayed > 0 && r.Lost+r.Duplicated == 0 && strings.Contains(fmt.Sprint(r.Wrong()), "to another room")
		}},
		"one that repeats when all is over": {&chat{late: 900 * time.Millisecond}, bench.Load{Sockets: 2, Rooms: 1, Rate: 5}, func(r *bench.Result) bool {
			return r.Duplicated > 0 && r.Lost == 0 && r.Wrong() != nil
		}},
		"one that closes":          {&chat{drop: 30}, flight, func(r *bench.Result) bool { return r.Closed > 0 && r.Refused < 50 }},
		"one that does not answer": {&chat{hang: 10}, flight, func(r *bench.Result) bool { return r.GivenUp > 0 && r.Acked < r.Sent }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.load.Duration, c.load.Patience = 600*time.Millisecond, 2*time.Second
			if c.load.InFlight > 0 && (c.server.lose > 0 || c.server.hang > 0) { // what is waited for in vain
				c.load.Patience = 300 * time.Millisecond
			}
			target := bench.Target{URLs: []string{c.server.start(t)}, Connecting: 4}
			r, err := bench.Room(t.Context(), target, c.load)
			if err != nil {
				t.Fatal(err)
			}
			if !c.seen(r) || r.Sent == 0 || name != "one that answers nonsense" && r.Acked == 0 {
				t.Errorf("%v: %+v", r.Wrong(), r)
			}
			if name == "a good one" && (r.Delivered != 3*r.Sent || r.Delivery.P50 <= 0 || r.Ack.P50 <= 0 || r.DeliveriesPerSecond <= 0 || r.Closed > 0) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestIdleSockets(t *testing.T) {
	t.Parallel()
	r, err := bench.Idle(t.Context(), bench.Target{URLs: []string{(&chat{}).start(t)}, Connecting: 8}, 20, time.Second)
	if err != nil || r.Sockets != 20 || r.Closed != 0 || r.HoldSeconds < 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A bench that can not begin says so in one sentence.
func TestBenchesThatCanNotBegin(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	page := httptest.NewServer(nil) // an HTTP server that is no Socket.IO
	defer page.Close()
	good := bench.Load{Sockets: 2, Rooms: 1, Rate: 1, Duration: time.Second}
	for name, c := range map[string]struct {
		url  string
		harm func(l *bench.Load)
		says string
	}{
		"no server":          {gone.URL, func(*bench.Load) {}, "connection refused"},
		"another server":     {page.URL, func(*bench.Load) {}, "404"},
		"no address":         {"localhost", func(*bench.Load) {}, "is not an address"},
		"another scheme":     {"ftp://localhost", func(*bench.Load) {}, "neither http nor https"},
		"neither":            {gone.URL, func(l *bench.Load) { l.Rate = 0 }, "either --in-flight or --rate"},
		"both":               {gone.URL, func(l *bench.Load) { l.InFlight = 1 }, "either --in-flight or --rate"},
		"nobody":             {gone.URL, func(l *bench.Load) { l.Sockets = 0 }, "at least one socket"},
		"empty rooms":        {gone.URL, func(l *bench.Load) { l.Rooms = 3 }, "no more rooms than sockets"},
		"too much in flight": {gone.URL, func(l *bench.Load) { l.Rate, l.InFlight = 0, 3 }, "at most the number of sockets"},
		"too large":          {gone.URL, func(l *bench.Load) { l.Size = 1 << 20 }, "--size"},
		"no time":            {gone.URL, func(l *bench.Load) { l.Duration = 0 }, "--duration"},
		"too many":           {gone.URL, func(l *bench.Load) { l.Sockets = 1 << 30 }, "do not fit"},
	} {
		load := good
		c.harm(&load)
		if _, err := bench.Room(t.Context(), bench.Target{URLs: []string{c.url}}, load); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: it says %v, wanted %q", name, err, c.says)
		}
	}
	if _, err := bench.Room(t.Context(), bench.Target{}, good); err == nil || !strings.Contains(err.Error(), "--url is needed") {
		t.Errorf("no address at all: %v", err)
	}
	if _, err := bench.Idle(t.Context(), bench.Target{URLs: []string{gone.URL}}, 0, time.Second); err == nil || !strings.Contains(err.Error(), "the sockets must be above 0") {
		t.Errorf("no idle sockets: %v", err)
	}
	if _, err := bench.Idle(t.Context(), bench.Target{URLs: []string{gone.URL}}, 1<<30, time.Second); err == nil || !strings.Contains(err.Error(), "do not fit") {
		t.Errorf("too many idle sockets: %v", err)
	}
}

// A server that refuses a guest, a room or a join is quoted.
func TestRefusalsAtTheStartAreQuoted(t *testing.T) {
	t.Parallel()
	for what, harm := range map[string]func(root *socketio.Namespace){
		"no guests": func(root *socketio.Namespace) {
			root.Use(func(context.Context, *socketio.Connecting) error { return &socketio.ConnectError{Message: "no guests"} })
		},
		"room:create is refused: overloaded: too many rooms": func(root *socketio.Namespace) {
			root.On("room:create", func(e *socketio.Event) {
				_ = e.Ack(map[string]any{"ok": false, "error": map[string]any{"code": "overloaded", "message": "too many rooms"}})
			})
		},
		"without a room's id": func(root *socketio.Namespace) {
			root.On("room:create", func(e *socketio.Event) { ok(e, map[string]any{}) })
		},
		"an answer that is none": func(root *socketio.Namespace) {
			root.On("room:create", func(e *socketio.Event) { _ = e.Ack("a room") })
		},
		"the connection ended": func(root *socketio.Namespace) {
			root.On("room:create", func(e *socketio.Event) { e.Socket.Disconnect(true) })
		},
	} {
		srv := socketio.New(socketio.Options{})
		root := srv.Of("/")
		root.OnConnection(func(*socketio.Socket) {})
		harm(root)
		web := httptest.NewServer(srv)
		_, err := bench.Room(t.Context(), bench.Target{URLs: []string{web.URL}}, bench.Load{Sockets: 1, Rooms: 1, Rate: 1, Duration: time.Second})
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("it says %v, wanted %q", err, what)
		}
		_ = srv.Close(t.Context())
		web.Close()
	}
}
