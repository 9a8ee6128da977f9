package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
)

// chat is a small server that the companies take for the product. It says a message in each of its rooms every few milliseconds.
type chat struct {
	forget  int64 // a seq that a resume leaves out
	sayGap  bool  // but tells of
	keepAll bool  // it never closes who does not read
	again   bool  // a resume ends with a second copy of its last message
	hole    bool  // history has a gap

	mu      sync.Mutex
	at      int64
	history map[string][]record
	members map[string][]*socketio.Socket
	slow    int
}

var rooms = []string{"r0", "r1", "r2", "r3", "r4"}

func (c *chat) start(t *testing.T) (addr string) {
	t.Helper()
	c.history, c.members = map[string][]record{}, map[string][]*socketio.Socket{}
	srv := socketio.New(socketio.Options{})
	root := srv.Of("/")
	root.OnConnection(c.greet)
	root.On("room:list", func(e *socketio.Event) {
		var all []map[string]any
		for _, r := range rooms {
			all = append(all, map[string]any{"id": r})
		}
		_ = e.Ack(map[string]any{"ok": true, "data": map[string]any{"rooms": all}})
	})
	for _, name := range []string{"room:join", "room:open"} {
		root.On(name, c.join)
	}
	root.On("message:list", c.list)
	root.On("message:send", func(e *socketio.Event) {
		_ = e.Ack(map[string]any{"ok": false, "error": map[string]any{"code": "rate_limited", "message": "slowly"}})
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		fmt.Fprintf(w, "%s %d\n", SlowClients, c.slow)
	})
	web := httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(context.Background())
	talked := make(chan struct{})
	go func() { defer close(talked); c.talk(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-talked
		within, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		_ = srv.Close(within)
		web.CloseClientConnections()
		web.Close()
	})
	return web.Listener.Addr().String()
}

// talk says a message in every room, and takes note of who has not read for long.
func (c *chat) talk(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		for _, room := range rooms {
			c.at++
			rec := record{Seq: c.at, ID: fmt.Sprint("m", c.at), RoomID: room}
			c.history[room] = append(c.history[room], rec)
			for _, s := range c.members[room] {
				_ = s.Emit("message:new", said(rec))
			}
		}
		c.mu.Unlock()
	}
}

func said(r record) map[string]any {
	return map[string]any{"seq": r.Seq, "id": r.ID, "roomId": r.RoomID}
}

func (c *chat) greet(s *socketio.Socket) {
	var auth struct{ Since map[string]int64 }
	_ = json.Unmarshal(s.Auth(), &auth)
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = s.Emit("session", map[string]any{"token": "t"})
	var last map[string]any
	for room, since := range auth.Since {
		left := 0
		for _, rec := range c.history[room] {
			if rec.Seq <= since {
				continue
			}
			if left++; c.forget > 0 && left == 2 {
				if c.sayGap {
					_ = s.Emit("gap", map[string]any{"roomId": room, "from": rec.Seq - 1, "to": rec.Seq})
				}
				continue
			}
			last = said(rec)
			_ = s.Emit("message:new", last)
		}
		c.members[room] = append(c.members[room], s)
	}
	if c.again && last != nil {
		_ = s.Emit("message:new", last)
	}
}

func (c *chat) join(e *socketio.Event) {
	var p struct{ RoomID string }
	_ = json.Unmarshal(e.Args[0], &p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[p.RoomID] = append(c.members[p.RoomID], e.Socket)
	_ = e.Ack(map[string]any{"ok": true, "data": map[string]any{"asOf": c.at}})
}

func (c *chat) list(e *socketio.Event) {
	var p struct {
		RoomID string
		After  int64
	}
	_ = json.Unmarshal(e.Args[0], &p)
	c.mu.Lock()
	defer c.mu.Unlock()
	page := []map[string]any{}
	more := false
	for _, rec := range c.history[p.RoomID] {
		if rec.Seq > p.After {
			if more = len(page) == 100; more {
				break
			}
			page = append(page, said(rec))
		}
	}
	data := map[string]any{"messages": page, "hasMore": more}
	if c.hole {
		data["gap"] = map[string]any{"from": 1, "to": 2, "reason": "unavailable"}
	}
	_ = e.Ack(map[string]any{"ok": true, "data": data})
}

// visit lets a company loose for a moment.
func visit(t *testing.T, name string, c *chat, scale float64) Report {
	t.Helper()
	addr := c.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	stop, end := context.WithCancel(ctx)
	ready := func() {
		go func() {
			<-time.After(500 * time.Millisecond)
			if !c.keepAll {
				c.mu.Lock()
				c.slow += 1000
				c.mu.Unlock()
			}
			end()
		}()
	}
	r, err := Run(ctx, name, Options{Addr: addr, Rooms: len(rooms), Scale: scale, Seed: 1, Patience: 2 * time.Second}, ready, stop)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// Every company does what it is said to do, against a server that bears it, and ends when it is told to.
func TestCompanies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"stalled":    {"whole after the resume", "messages in all", "closed as slow"},
		"slow":       {"headers opened", "bodies opened", "frames opened"},
		"flood":      {"silent opened", "handshakes opened", "came and went"},
		"everything": {"subscriptions", "messages read"},
		"greedy":     {"sends tried", "sends rate_limited", "long texts rate_limited", "pages asked for"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := visit(t, name, &chat{}, 0.02)
			for _, w := range want {
				if r.Counts[w] == 0 {
					t.Errorf("no %q in %v", w, r)
				}
			}
			if len(r.Problems) > 0 || r.Clients == 0 {
				t.Errorf("%v: %v", r, r.Problems)
			}
		})
	}
}

// A server that loses what the stalled had not read, without a word, is told so; one that tells of it is not.
func TestAResumeWithAHoleIsSeen(t *testing.T) {
	t.Parallel()
	r := visit(t, "stalled", &chat{forget: 1}, 0.004)
	if !strings.Contains(strings.Join(r.Problems, " "), "did not come, and no gap was told") {
		t.Errorf("%v: %v", r, r.Problems)
	}
	r = visit(t, "stalled", &chat{forget: 1, sayGap: true}, 0.004)
	if len(r.Problems) > 0 || r.Counts["gaps told"] == 0 {
		t.Errorf("%v: %v", r, r.Problems)
	}
}

// So is one that repeats the end of a resume, and one whose history has a gap is not believed to have all.
func TestARepeatAndAHoleInHistoryAreSeen(t *testing.T) {
	t.Parallel()
	r := visit(t, "stalled", &chat{again: true}, 0.004)
	if !strings.Contains(strings.Join(r.Problems, " "), "came after") {
		t.Errorf("%v: %v", r, r.Problems)
	}
	h := history{addr: (&chat{hole: true}).start(t), rooms: map[string][]record{}}
	defer h.close()
	if all, err := h.of(t.Context(), "r0"); err == nil || !strings.Contains(err.Error(), "a gap") {
		t.Errorf("%d messages, %v", len(all), err)
	}
}

// So is one that keeps who does not read.
func TestWhoIsNotClosedIsSeen(t *testing.T) {
	t.Parallel()
	if r := visit(t, "stalled", &chat{keepAll: true}, 0.004); !strings.Contains(strings.Join(r.Problems, " "), "0 of 2 that did not read were closed") {
		t.Errorf("%v: %v", r, r.Problems)
	}
}
