package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/socketio"
)

// server echoes: an event is answered with {ok: true, data: its payload}, and comes back as an event of the same name.
func server(t *testing.T, gate func(http.Handler) http.Handler) (addr string, sockets func() int) {
	t.Helper()
	s := socketio.New(socketio.Options{})
	var mu sync.Mutex
	n := 0
	s.Of("/").OnConnection(func(sock *socketio.Socket) {
		mu.Lock()
		n++
		mu.Unlock()
		sock.OnDisconnect(func(string) { mu.Lock(); n--; mu.Unlock() })
		sock.OnAny(func(e *socketio.Event) {
			if e.Name == "refuse" {
				_ = e.Ack(json.RawMessage(`{"ok":false,"error":{"code":"forbidden","message":"no"}}`))
				return
			}
			_ = sock.Emit(e.Name, e.Args[0])
			_ = e.Ack(json.RawMessage(fmt.Sprintf(`{"ok":true,"data":%s}`, e.Args[0])))
		})
	})
	var h http.Handler = s
	if gate != nil {
		h = gate(h)
	}
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	return web.Listener.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// exchange sends n events at once; each is acked, and comes back in the order in which it was sent.
func exchange(t *testing.T, c *client.Client, got <-chan string, from, n int) {
	t.Helper()
	acks := make(chan string, n)
	for i := range n {
		c.Emit("echo", from+i, func(raw json.RawMessage, err error) { acks <- fmt.Sprint(string(raw), err) })
	}
	deadline := time.After(20 * time.Second)
	for i := range n {
		for _, x := range []struct {
			in   <-chan string
			want string
		}{{acks, fmt.Sprintf(`{"ok":true,"data":%d}<nil>`, from+i)}, {got, fmt.Sprint("echo ", from+i)}} {
			select {
			case text := <-x.in:
				if text != x.want {
					t.Fatalf("got %s, want %s", text, x.want)
				}
			case <-deadline:
				t.Fatalf("%s did not come", x.want)
			}
		}
	}
}

func TestEveryTransportCarriesEventsAndAcksInOrder(t *testing.T) {
	for _, by := range []client.Transport{client.WebSocket, client.Polling, client.Upgrade} {
		t.Run(by.String(), func(t *testing.T) {
			addr, sockets := server(t, nil)
			got := make(chan string, 1000)
			c, err := client.DialBy(t.Context(), by, addr, map[string]any{"name": "ann"}, func(name string, data json.RawMessage) { got <- name + " " + string(data) })
			if err != nil {
				t.Fatal(err)
			}
			exchange(t, c, got, 0, 200) // with Upgrade: over the move
			eventually(t, "the upgrade is not decided", func() bool { _, settled := c.Upgraded(); return settled })
			if yes, _ := c.Upgraded(); yes != (by == client.Upgrade) {
				t.Errorf("upgraded: %v", yes)
			}
			exchange(t, c, got, 200, 50)
			if _, err := c.Call(t.Context(), "refuse", 1); err == nil || err.Error() != "forbidden: no" {
				t.Errorf("a refusal is %v", err)
			}
			c.Leave()
			<-c.Done()
			eventually(t, "the server does not know that the client has left", func() bool { return sockets() == 0 })
			if _, err := c.Call(t.Context(), "echo", 1); !errors.Is(err, client.ErrClosed) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A proxy that refuses websockets leaves the client polling, and nothing is lost.
func TestARefusedUpgradeGoesOnPolling(t *testing.T) {
	addr, _ := server(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "transport=websocket") {
				http.Error(w, "no websockets here", http.StatusBadRequest)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	got := make(chan string, 1000)
	c, err := client.DialBy(t.Context(), client.Upgrade, addr, map[string]any{}, func(name string, data json.RawMessage) { got <- name + " " + string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	eventually(t, "the upgrade is not decided", func() bool { _, settled := c.Upgraded(); return settled })
	if yes, _ := c.Upgraded(); yes {
		t.Error("it says that it was upgraded")
	}
	exchange(t, c, got, 0, 50)
}

// When the server goes, what waits for an answer is told.
func TestTheServersEndFailsWhatWaits(t *testing.T) {
	for _, by := range []client.Transport{client.WebSocket, client.Polling} {
		t.Run(by.String(), func(t *testing.T) {
			s := socketio.New(socketio.Options{})
			s.Of("/").OnConnection(func(sock *socketio.Socket) {
				sock.OnAny(func(*socketio.Event) { go sock.CloseTransport("forced close") }) // instead of an answer
			})
			web := httptest.NewServer(s)
			defer web.Close()
			c, err := client.DialBy(t.Context(), by, web.Listener.Addr().String(), map[string]any{}, func(string, json.RawMessage) {})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Call(t.Context(), "anything", 1); !errors.Is(err, client.ErrClosed) {
				t.Errorf("the answer is %v", err)
			}
			<-c.Done()
		})
	}
}

func TestNobodyThere(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for _, by := range []client.Transport{client.WebSocket, client.Polling, client.Upgrade} {
		if _, err := client.DialBy(t.Context(), by, web.Listener.Addr().String(), map[string]any{}, nil); err == nil {
			t.Errorf("%v connects to a server that has no sockets", by)
		}
	}
}
