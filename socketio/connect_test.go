package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// The answer comes first, then what the handler emits, then what answers the events that the client sent with its CONNECT.
func TestConnectOrder(t *testing.T) {
	f := serve(t, socketio.Options{})
	f.root.Use(func(_ context.Context, c *socketio.Connecting) error {
		if err := c.Socket.Emit("early"); !errors.Is(err, socketio.ErrNotConnected) {
			t.Errorf("emit in middleware: %v", err)
		}
		return c.Socket.Join("all")
	})
	f.root.OnConnection(func(s *socketio.Socket) {
		for i := range 3 {
			if err := s.Emit("hello", i); err != nil {
				t.Errorf("emit: %v", err)
			}
		}
		if err := f.root.To("all").Emit("broadcast"); err != nil {
			t.Errorf("broadcast: %v", err)
		}
	})
	f.root.On("n", func(e *socketio.Event) {
		if err := e.Ack(e.Args[0]); err != nil {
			t.Errorf("ack: %v", err)
		}
	})
	c := rawclient.Open(t, f.base)
	c.Send("40")
	for i := range 20 {
		c.Send(fmt.Sprintf(`42%d["n",%d]`, i, i))
	}
	if answer := c.Next(); !strings.HasPrefix(answer, `40{"sid":"`) {
		t.Fatalf("got %s", answer)
	}
	c.Want(`42["hello",0]`, `42["hello",1]`, `42["hello",2]`, `42["broadcast"]`)
	for i := range 20 {
		c.Want(fmt.Sprintf(`43%d[%d]`, i, i))
	}
}

func TestRefusals(t *testing.T) {
	f := serve(t, socketio.Options{MaxAuth: 100})
	for name, err := range map[string]error{
		"/plain":   &socketio.ConnectError{Message: "no\x1e"},
		"/data":    &socketio.ConnectError{Message: "no", Data: map[string]string{"code": "forbidden<"}},
		"/wrapped": fmt.Errorf("asked: %w", &socketio.ConnectError{Message: "no"}),
		"/hidden":  errors.New("password of the store is 1234"),
		"/nodata":  &socketio.ConnectError{Message: "no", Data: func() {}},
	} {
		f.Of(name).Use(func(context.Context, *socketio.Connecting) error { return err })
		f.Of(name).OnConnection(func(*socketio.Socket) { t.Errorf("%s: connected", name) })
	}
	c := f.join(t)
	for connect, want := range map[string]string{
		`40/plain`:   `44/plain,{"message":"no\u001e"}`,
		`40/data,{}`: `44/data,{"message":"no","data":{"code":"forbidden<"}}`,
		`40/wrapped`: `44/wrapped,{"message":"no"}`,
		`40/hidden`:  `44/hidden,{"message":"Internal error"}`,
		`40/nodata`:  `44/nodata,{"message":"no"}`,
		`40/nowhere`: `44/nowhere,{"message":"Invalid namespace"}`,
		`40/data,{"a":"` + strings.Repeat("x", 100) + `"}`: `44/data,{"message":"Auth too large"}`,
	} {
		c.Send(connect)
		c.Want(want)
	}
	f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	c.Send(`421["ping"]`) // the namespace joined before is untouched
	c.Want(`431[]`)
}

// Middleware that waits holds up neither others, nor its own connection's heartbeat, and hears that its client has gone.
func TestSlowMiddleware(t *testing.T) {
	f := serve(t, socketio.Options{Engine: engineio.Options{PingInterval: 50 * time.Millisecond, PingTimeout: 10 * time.Second}})
	entered, left, undone := make(chan *socketio.Socket, 1), make(chan error, 1), make(chan string, 1)
	slow := f.Of("/slow")
	slow.Use(func(ctx context.Context, c *socketio.Connecting) error {
		if err := c.Socket.Join("room"); err != nil {
			t.Error(err)
		}
		c.Socket.OnDisconnect(func(reason string) { undone <- reason })
		entered <- c.Socket
		<-ctx.Done()
		left <- ctx.Err()
		return nil // also a yes comes too late
	})
	slow.OnConnection(func(*socketio.Socket) { t.Error("a client that has gone was connected") })
	c := rawclient.Open(t, f.base)
	c.Send("40/slow,")
	sock := get(t, entered)
	for range 4 {
		c.Want("2")
		c.Send("3")
	}
	other := f.join(t)
	other.Close()
	if err := slow.Emit("nobody"); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := get(t, left); !errors.Is(err, context.Canceled) {
		t.Errorf("middleware left with %v", err)
	}
	if reason := get(t, undone); reason != string(engineio.TransportClose) && reason != string(engineio.TransportError) {
		t.Errorf("reason %q", reason)
	}
	eventually(t, "no socket in the namespace", func() bool { return len(slow.Sockets()) == 0 && len(sock.Rooms()) == 0 })
	if err := sock.Emit("late"); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("emit: %v", err)
	}
	if err := sock.Join("late"); err != nil || len(slow.To("late").Sockets()) != 0 {
		t.Errorf("join: %v", err)
	}
}

func TestConnectTimeout(t *testing.T) {
	f := serve(t, socketio.Options{ConnectTimeout: time.Second})
	f.Of("/slow").Use(func(ctx context.Context, _ *socketio.Connecting) error {
		<-ctx.Done()
		return ctx.Err()
	})
	joined := f.join(t)
	idle, refused, slow := rawclient.Open(t, f.base), rawclient.Open(t, f.base), rawclient.Open(t, f.base)
	refused.Send("40/nowhere")
	slow.Send("40/slow")
	idle.WantClosed()
	refused.WantClosed()
	slow.WantClosed()
	f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	joined.Send(`421["ping"]`) // longer here than any of them
	joined.Want(`431[]`)
}

func TestRecoveryHook(t *testing.T) {
	f := serve(t, socketio.Options{})
	type asked struct{ pid, offset string }
	presented := make(chan asked, 1)
	f.root.Use(func(_ context.Context, c *socketio.Connecting) error {
		presented <- asked{c.PID, c.Offset}
		switch c.PID {
		case "known":
			c.AnswerPID("known")
		case "", "unknown":
			c.AnswerPID(`fresh"`)
		}
		return nil
	})
	f.root.OnConnection(func(s *socketio.Socket) { _ = s.Emit("recovered", s.Recovered()) })
	for _, c := range []struct {
		auth, suffix string
		want         asked
		recovered    string
	}{
		{``, `,"pid":"fresh\""}`, asked{}, `42["recovered",false]`},
		{`{"pid":"unknown"}`, `,"pid":"fresh\""}`, asked{"unknown", ""}, `42["recovered",false]`},
		{`{"pid":"known","offset":"7"}`, `,"pid":"known"}`, asked{"known", "7"}, `42["recovered",true]`},
		{`{"pid":"silent","offset":7}`, `"}`, asked{"silent", ""}, `42["recovered",false]`},
		{`{"pid":{"a":1}}`, `,"pid":"fresh\""}`, asked{}, `42["recovered",false]`},
	} {
		s := rawclient.Open(t, f.base)
		s.Send("40" + c.auth)
		answer := s.Next()
		if !strings.HasSuffix(answer, c.suffix) || strings.Contains(answer, "pid") != strings.Contains(c.suffix, "pid") {
			t.Errorf("%s: answered with %s", c.auth, answer)
		}
		s.Want(c.recovered)
		if got := get(t, presented); got != c.want {
			t.Errorf("%s: presented %+v", c.auth, got)
		}
	}
}

// A socket that is disconnected while its middleware works is refused.
func TestDisconnectDuringMiddleware(t *testing.T) {
	f := serve(t, socketio.Options{})
	undone := make(chan string, 1)
	f.root.Use(func(_ context.Context, c *socketio.Connecting) error {
		c.Socket.OnDisconnect(func(reason string) { undone <- reason })
		c.Socket.Disconnect(false)
		return nil
	})
	f.root.OnConnection(func(*socketio.Socket) { t.Error("connected") })
	c := rawclient.Open(t, f.base)
	c.Send("40")
	c.Want(`44{"message":"Disconnected"}`)
	if reason := get(t, undone); reason != "connection refused" {
		t.Errorf("reason %q", reason)
	}
}

func TestPanicsEndOneConnection(t *testing.T) {
	f := serve(t, socketio.Options{})
	undone := make(chan string, 1)
	f.Of("/middleware").Use(func(_ context.Context, c *socketio.Connecting) error {
		c.Socket.OnDisconnect(func(reason string) { undone <- reason })
		panic("middleware")
	})
	f.Of("/connection").OnConnection(func(*socketio.Socket) { panic("connection") })
	f.root.On("panic", func(*socketio.Event) { panic("event") })
	f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	gone := make(chan string, 1)
	bystander, _ := f.joined(t)
	f.root.OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { gone <- reason }) })
	for _, text := range []string{"40/middleware", "40/connection", `42["panic"]`} {
		c := f.join(t)
		c.Send(text)
		c.WantClosed()
		if reason := get(t, gone); reason != string(engineio.ForcedServerClose) {
			t.Errorf("%s: reason %q", text, reason)
		}
	}
	if reason := get(t, undone); reason != string(engineio.ForcedServerClose) {
		t.Errorf("middleware: reason %q", reason)
	}
	bystander.Send(`421["ping"]`)
	bystander.Want(`431[]`)
}
