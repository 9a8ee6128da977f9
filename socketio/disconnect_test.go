package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// Every way of ending a socket gives its reason, and leaves nothing in the namespace.
func TestReasons(t *testing.T) {
	f := serve(t, socketio.Options{Engine: engineio.Options{PingInterval: time.Second, PingTimeout: time.Second}})
	for _, c := range []struct {
		reason string
		end    func(*rawclient.Socket, *socketio.Socket)
	}{
		{"client namespace disconnect", func(c *rawclient.Socket, _ *socketio.Socket) { c.Send("41") }},
		{"transport close", func(c *rawclient.Socket, _ *socketio.Socket) { c.Send("1") }},
		{"parse error", func(c *rawclient.Socket, _ *socketio.Socket) { c.Send("4x") }},
		{"ping timeout", func(*rawclient.Socket, *socketio.Socket) {}},
		{"server namespace disconnect", func(_ *rawclient.Socket, s *socketio.Socket) { s.Disconnect(false) }},
		{"server namespace disconnect", func(_ *rawclient.Socket, s *socketio.Socket) { s.Disconnect(true) }},
		{"forced close", func(_ *rawclient.Socket, s *socketio.Socket) { s.CloseTransport(engineio.ForcedClose) }},
	} {
		client, s := f.joined(t)
		reasons := make(chan string, 2)
		s.OnDisconnect(func(reason string) { reasons <- reason })
		c.end(client, s)
		if got := get(t, reasons); got != c.reason {
			t.Errorf("got %q, want %q", got, c.reason)
		}
		if err := s.Emit("late"); !errors.Is(err, socketio.ErrNotConnected) {
			t.Errorf("%s: emit: %v", c.reason, err)
		}
		if f.root.Socket(s.ID()) != nil || s.Rooms() != nil {
			t.Errorf("%s: still there", c.reason)
		}
		s.Disconnect(true) // has nothing left to do
		client.WantClosed()
		if len(reasons) != 0 {
			t.Errorf("%s: told twice", c.reason)
		}
	}
}

// What the client sends before it hears of its disconnection is ignored; it may join again on the same connection.
func TestServerDisconnects(t *testing.T) {
	f := serve(t, socketio.Options{})
	f.Of("/other").On("ping", func(e *socketio.Event) { _ = e.Ack() })
	f.root.OnAny(func(e *socketio.Event) { t.Errorf("%s was handled", e.Name) })
	c, s := f.joined(t)
	c.Send("40/other")
	c.Next()
	s.Disconnect(false)
	c.Send(`42["on its way"]`)
	c.Send(`451-["on its way"]`)
	c.SendBinary([]byte{1})
	c.Send(`431[]`)
	c.Send(`41`)
	c.Send(`42/other,1["ping"]`)
	c.Want(`41`, `43/other,1[]`)
	c.Send(`40`)
	if id := sid(c.Next()); id == "" || id == s.ID() {
		t.Errorf("joined again as %q", id)
	}
	c.Send(`41`)
	c.Send(`42["too late"]`) // this time the client knows
	c.WantClosed()
}

// Events that came before the end are handled before OnDisconnect.
func TestEventsBeforeTheEnd(t *testing.T) {
	f := serve(t, socketio.Options{})
	seen := make(chan string, 100)
	proceed := make(chan struct{})
	f.root.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(string) { seen <- "gone" })
		<-proceed
	})
	f.root.On("n", func(e *socketio.Event) { seen <- string(e.Args[0]) })
	c := f.join(t)
	for i := range 50 {
		c.Send(fmt.Sprintf(`42["n",%d]`, i))
	}
	c.Send("1")
	c.WantClosed()
	close(proceed)
	for i := range 50 {
		if got := get(t, seen); got != fmt.Sprint(i) {
			t.Fatalf("event %d came as %s", i, got)
		}
	}
	if got := get(t, seen); got != "gone" {
		t.Errorf("got %s", got)
	}
}

func TestSocketTellsWhoItIs(t *testing.T) {
	f := serve(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	f.Of("custom").OnConnection(func(s *socketio.Socket) { sockets <- s })
	c := rawclient.Dial(t, f.base, "EIO=4&transport=websocket&user=ann")
	c.Next()
	c.Send(`40/custom,{"token":"x"}`)
	id := sid(c.Next())
	s := get(t, sockets)
	s.SetData(7)
	if s.ID() != id || s.Namespace() != "/custom" || string(s.Auth()) != `{"token":"x"}` || s.Transport() != "websocket" ||
		s.Request().Query.Get("user") != "ann" || s.Data() != 7 || s.Recovered() || f.Connections() != 1 {
		t.Errorf("socket %q %q %s %s %v", s.ID(), s.Namespace(), s.Auth(), s.Transport(), s.Request())
	}
	if err := s.Ready(t.Context(), 0); err != nil || s.Queued() != 0 {
		t.Errorf("ready: %v, %d bytes", err, s.Queued())
	}
	if f.Of("/custom").Name() != "/custom" || f.Of("/custom") != f.Of("custom") {
		t.Error("a namespace was made twice")
	}
}

// goroutines are the stacks that mention what.
func goroutines(what string) []string {
	buf := make([]byte, 8<<20)
	var found []string
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, what) {
			found = append(found, stack)
		}
	}
	return found
}

const ours = "github.com/hubbub-chat/hubbub/socketio."

func TestIdleSocketsOwnNoGoroutine(t *testing.T) {
	f := serve(t, socketio.Options{})
	f.root.Use(func(context.Context, *socketio.Connecting) error { return nil })
	f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	for range 30 {
		c := f.join(t)
		c.Send(`421["ping"]`)
		c.Want(`431[]`)
	}
	eventually(t, "no goroutine at work for a session", func() bool { return len(goroutines(ours+"(*session)")) == 0 })
}

// Close lets go of everything: clients on both transports, one whose middleware works, one that never joined.
func TestClose(t *testing.T) {
	srv := socketio.New(socketio.Options{})
	server := httptest.NewServer(srv)
	base := server.URL + "/socket.io/"
	reasons, entered := make(chan string, 2), make(chan struct{})
	srv.Of("/").OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { reasons <- reason }) })
	srv.Of("/slow").Use(func(ctx context.Context, _ *socketio.Connecting) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	joined, slow, idle := rawclient.Join(t, base, "40"), rawclient.Open(t, base), rawclient.Open(t, base)
	slow.Send("40/slow")
	get(t, entered)
	polling := rawclient.OpenPoll(t, base)
	polling.Post("40")
	polling.Packets(1)
	polled := make(chan string, 1)
	go func() { _, body := polling.Get(); polled <- body }()
	ctx, cancel := context.WithTimeout(t.Context(), rawclient.Patience)
	defer cancel()
	if err := srv.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	for range 2 {
		if reason := get(t, reasons); reason != "server shutting down" {
			t.Errorf("reason %q", reason)
		}
	}
	if body := get(t, polled); strings.Contains(body, "44") || strings.Contains(body, "41") {
		t.Errorf("polling got %s", body)
	}
	for _, c := range []*rawclient.Socket{joined, slow, idle} {
		for data, _, err := c.Read(); err == nil; data, _, err = c.Read() {
			if s := string(data); strings.HasPrefix(s, "41") || strings.HasPrefix(s, "44") {
				t.Errorf("got %s: the client will not come back by itself", s)
			}
		}
	}
	if c, err := rawclient.TryDial(t, base, "EIO=4&transport=websocket"); err == nil {
		c.WantClosed()
	}
	server.Close()
	eventually(t, "no goroutine is left", func() bool {
		return len(goroutines("hubbub/socketio.")) == 0 && len(goroutines("hubbub/socketio/engineio")) == 0
	})
}

// Close does not wait for ever for a handler that hangs.
func TestCloseGivesUp(t *testing.T) {
	srv := socketio.New(socketio.Options{})
	server := httptest.NewServer(srv)
	defer server.Close()
	hang := make(chan struct{})
	defer close(hang)
	srv.Of("/").OnConnection(func(*socketio.Socket) { <-hang })
	rawclient.Join(t, server.URL+"/socket.io/", "40")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := srv.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
}
