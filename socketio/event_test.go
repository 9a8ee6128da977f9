package socketio_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

func TestEventsKeepTheirOrder(t *testing.T) {
	const n = 500
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			f := serve(t, socketio.Options{})
			seen := make(chan string, n)
			f.root.On("n", func(e *socketio.Event) { seen <- string(e.Args[0]) })
			events := make([]string, n)
			for i := range events {
				events[i] = fmt.Sprintf(`42["n",%d]`, i)
			}
			if transport == "polling" {
				p := rawclient.OpenPoll(t, f.base)
				p.Post(append([]string{"40"}, events...)...)
			} else {
				c := f.join(t)
				for _, e := range events {
					c.Send(e)
				}
			}
			for i := range n {
				if got := get(t, seen); got != fmt.Sprint(i) {
					t.Fatalf("event %d came as %s", i, got)
				}
			}
		})
	}
}

// More events than the queue behind OnConnection holds: reading waits, and none is lost.
func TestEventsBehindASlowConnection(t *testing.T) {
	const n = 300
	f := serve(t, socketio.Options{MaxPending: 8})
	seen, proceed := make(chan string, n), make(chan struct{})
	f.root.OnConnection(func(*socketio.Socket) { <-proceed })
	f.root.On("n", func(e *socketio.Event) { seen <- string(e.Args[0]) })
	c := f.join(t)
	for i := range n {
		c.Send(fmt.Sprintf(`42["n",%d]`, i))
	}
	if len(seen) != 0 {
		t.Error("an event was handled before OnConnection was done")
	}
	close(proceed)
	for i := range n {
		if got := get(t, seen); got != fmt.Sprint(i) {
			t.Fatalf("event %d came as %s", i, got)
		}
	}
}

// A client that fills the queue of a handler that hangs is let go.
func TestStalledConnectionIsClosed(t *testing.T) {
	f := serve(t, socketio.Options{MaxPending: 2, Engine: engineio.Options{PingTimeout: 200 * time.Millisecond}})
	proceed := make(chan struct{})
	f.root.OnConnection(func(*socketio.Socket) { <-proceed })
	c := f.join(t)
	for range 10 {
		c.Send(`42["n"]`)
	}
	c.WantClosed()
	close(proceed)
}

func TestWhichHandlerRuns(t *testing.T) {
	f := serve(t, socketio.Options{})
	c, s := f.joined(t)
	answer := func(who string) func(*socketio.Event) {
		return func(e *socketio.Event) { _ = e.Ack(who, e.Name) }
	}
	ask := func(event, want string) {
		t.Helper()
		c.Send(`421["` + event + `"]`)
		c.Want(want)
	}
	f.root.OnAny(answer("namespace any"))
	ask("a", `431["namespace any","a"]`)
	s.OnAny(answer("socket any"))
	ask("a", `431["socket any","a"]`)
	f.root.On("a", answer("namespace"))
	ask("a", `431["namespace","a"]`)
	s.On("a", answer("socket"))
	ask("a", `431["socket","a"]`)
	ask("b", `431["socket any","b"]`)
	s.On("a", nil)
	ask("a", `431["namespace","a"]`)
	f.root.On("a", nil)
	ask("a", `431["socket any","a"]`)
}

func TestAckOnce(t *testing.T) {
	f := serve(t, socketio.Options{})
	errs := make(chan error, 3)
	f.root.On("asked", func(e *socketio.Event) {
		if !e.HasAck() {
			t.Error("no answer is wanted")
		}
		errs <- e.Ack(func() {}) // cannot be encoded, so the answer is still owed
		errs <- e.Ack(1)
		errs <- e.Ack(2)
	})
	f.root.On("told", func(e *socketio.Event) {
		if e.HasAck() {
			t.Error("an answer is wanted that was not asked for")
		}
		errs <- e.Ack(1)
	})
	kept := make(chan *socketio.Event, 1)
	f.root.On("kept", func(e *socketio.Event) { kept <- e })
	c := f.join(t)
	c.Send(`42007["asked"]`)
	c.Want(`43007[1]`)
	if err := get(t, errs); err == nil || errors.Is(err, socketio.ErrAcked) {
		t.Errorf("a function was encoded: %v", err)
	}
	if a, b := get(t, errs), get(t, errs); a != nil || !errors.Is(b, socketio.ErrAcked) {
		t.Errorf("acks: %v, %v", a, b)
	}
	c.Send(`42["told"]`)
	if err := get(t, errs); !errors.Is(err, socketio.ErrNoAck) {
		t.Errorf("ack nobody asked for: %v", err)
	}
	c.Send(`421["kept"]`)
	e := get(t, kept)
	c.Close()
	eventually(t, "the socket is gone", func() bool { return len(f.root.Sockets()) == 0 })
	if err := e.Ack(); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("ack after the end: %v", err)
	}
}

func TestBinaryBothWays(t *testing.T) {
	f := serve(t, socketio.Options{Engine: engineio.Options{PingInterval: 20 * time.Millisecond, PingTimeout: 10 * time.Second}})
	f.root.On("sum", func(e *socketio.Event) {
		var nested struct{ A, B json.RawMessage }
		if err := json.Unmarshal(e.Args[0], &nested); err != nil {
			t.Error(err)
		}
		a, okA := e.Bytes(nested.A)
		b, okB := e.Bytes(nested.B)
		if _, ok := e.Bytes(e.Args[0]); ok || !okA || !okB {
			t.Errorf("attachments: %v %v %v", okA, okB, ok)
		}
		_ = e.Ack(bytes.Join([][]byte{a, b}, nil), "and", []byte{})
	})
	c, s := f.joined(t)
	c.Heartbeat = true
	c.Send(`452-1["sum",{"b":{"_placeholder":true,"num":1},"a":{"num":0,"_placeholder":true}}]`)
	c.SendBinary([]byte("ab"))
	c.Send("3") // a heartbeat may come between
	c.SendBinary([]byte("cd"))
	c.Want(`462-1[{"_placeholder":true,"num":0},"and",{"_placeholder":true,"num":1}]`)
	if got := string(c.NextBinary()) + "|" + string(c.NextBinary()); got != "abcd|" {
		t.Errorf("got %q", got)
	}
	nested := socketio.Value{JSON: json.RawMessage(`{"x":[{"_placeholder":true,"num":0}]}`), Attachments: [][]byte{{2}}}
	if err := s.Emit("out", []byte{1}, nested, json.RawMessage(nil), nil, 1.5); err != nil {
		t.Fatal(err)
	}
	c.Want(`452-["out",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}]},null,null,1.5]`)
	if a, b := c.NextBinary(), c.NextBinary(); a[0] != 1 || b[0] != 2 {
		t.Errorf("attachments %v %v", a, b)
	}
}

func TestEmitRefusesWhatCannotBeSent(t *testing.T) {
	f := serve(t, socketio.Options{})
	c, s := f.joined(t)
	hole := json.RawMessage(`{"_placeholder":true,"num":0}`)
	for _, e := range []struct {
		want error
		name string
		args []any
	}{
		{socketio.ErrReserved, "disconnect", nil},
		{socketio.ErrInvalidJSON, "x", []any{json.RawMessage(`{`)}},
		{socketio.ErrInvalidJSON, "x", []any{json.RawMessage("\"\x1e\"")}},
		{socketio.ErrPlaceholder, "x", []any{[]byte{1}, hole}},
		{socketio.ErrPlaceholder, "x", []any{[]byte{1}, map[string]any{"_placeholder": true, "num": 7}}},
		{socketio.ErrPlaceholder, "x", []any{socketio.Value{JSON: json.RawMessage(`[{"_placeholder":true,"num":1}]`), Attachments: [][]byte{{}}}}},
		{socketio.ErrTooManyAttachments, "x", []any{socketio.Value{JSON: hole, Attachments: make([][]byte, 11)}}},
	} {
		if err := s.Emit(e.name, e.args...); !errors.Is(err, e.want) {
			t.Errorf("emit %s %v: %v, want %v", e.name, e.args, err, e.want)
		}
		if err := f.root.Emit(e.name, e.args...); !errors.Is(err, e.want) {
			t.Errorf("broadcast %s %v: %v, want %v", e.name, e.args, err, e.want)
		}
	}
	if err := s.SendFrame(socketio.EncodeEvent("/", "ready", []byte("\"a\x1eb\""), []byte(`1`))); err != nil {
		t.Error(err)
	}
	c.Want(`42["ready","a\u001eb",1]`)
}

// A volatile event goes out only when the connection can take it at once: on polling, when a poll waits.
func TestVolatile(t *testing.T) {
	f := serve(t, socketio.Options{})
	sockets := make(chan *socketio.Socket, 1)
	f.root.OnConnection(func(s *socketio.Socket) { sockets <- s })
	p := rawclient.OpenPoll(t, f.base)
	p.Post("40")
	s := get(t, sockets)
	p.Packets(1)
	if err := s.EmitVolatile("dropped", []byte{1}); err != nil {
		t.Error(err)
	}
	if err := f.root.Volatile().Emit("dropped"); err != nil {
		t.Error(err)
	}
	if err := s.Emit("kept"); err != nil {
		t.Error(err)
	}
	if got := p.Packets(1); got[0] != `42["kept"]` {
		t.Errorf("got %q", got)
	}
	polled := make(chan string, 1)
	go func() { _, body := p.Get(); polled <- body }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(rawclient.Patience); ; {
		if err := s.EmitVolatile("seen"); err != nil {
			t.Fatal(err)
		}
		select {
		case body := <-polled:
			if !strings.HasPrefix(body, `42["seen"]`) {
				t.Errorf("got %s", body)
			}
			return
		case <-tick.C:
			if time.Now().After(deadline) {
				t.Fatal("no volatile event ever went out")
			}
		}
	}
}
