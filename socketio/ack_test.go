package socketio_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio"
)

func TestEmitWithAck(t *testing.T) {
	f := serve(t, socketio.Options{})
	c, s := f.joined(t)
	type result struct {
		args socketio.Arguments
		err  error
	}
	results := make(chan result, 1)
	ask := func(ctx context.Context, args ...any) {
		go func() {
			a, err := s.EmitWithAck(ctx, "ask", args...)
			results <- result{a, err}
		}()
	}
	ask(t.Context(), 1)
	c.Want(`420["ask",1]`)
	c.Send(`437["of another question"]`)
	c.Send(`430["yes",{"a":1}]`)
	if r := get(t, results); r.err != nil || len(r.args.Args) != 2 || string(r.args.Args[1]) != `{"a":1}` {
		t.Errorf("answer %+v", r)
	}
	ask(t.Context(), []byte("q"))
	c.Want(`451-1["ask",{"_placeholder":true,"num":0}]`)
	c.NextBinary()
	c.Send(`461-1[{"_placeholder":true,"num":0}]`)
	c.SendBinary([]byte("a"))
	r := get(t, results)
	if b, ok := r.args.Bytes(r.args.Args[0]); r.err != nil || !ok || string(b) != "a" {
		t.Errorf("binary answer %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ask(ctx)
	c.Want(`422["ask"]`)
	cancel()
	if r := get(t, results); !errors.Is(r.err, context.Canceled) {
		t.Errorf("given up: %v", r.err)
	}
	c.Send(`432["late"]`) // ignored
	ask(t.Context())
	c.Want(`423["ask"]`)
	c.Close()
	if r := get(t, results); !errors.Is(r.err, socketio.ErrNotConnected) {
		t.Errorf("client gone: %v", r.err)
	}
	ask(t.Context(), func() {})
	if r := get(t, results); r.err == nil {
		t.Error("a function was encoded")
	}
	ask(t.Context())
	if r := get(t, results); !errors.Is(r.err, socketio.ErrNotConnected) {
		t.Errorf("after the end: %v", r.err)
	}
}

// OnConnection may wait for its client.
func TestEmitWithAckInOnConnection(t *testing.T) {
	f := serve(t, socketio.Options{})
	answers := make(chan string, 1)
	f.root.OnConnection(func(s *socketio.Socket) {
		a, err := s.EmitWithAck(t.Context(), "who")
		if err != nil || len(a.Args) != 1 {
			t.Errorf("got %v, %v", a, err)
			return
		}
		answers <- string(a.Args[0])
	})
	c := f.join(t)
	c.Want(`420["who"]`)
	c.Send(`42["waits"]`)
	c.Send(`430["me"]`)
	if got := get(t, answers); got != `"me"` {
		t.Errorf("got %s", got)
	}
}

func TestAcksAreBounded(t *testing.T) {
	f := serve(t, socketio.Options{MaxAcks: 2})
	c, s := f.joined(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() { _, _ = s.EmitWithAck(ctx, "ask") })
		c.Next()
	}
	// A third may only be refused once the first two are counted, which Next has not seen to.
	eventually(t, "two answers awaited", func() bool {
		once, stop := context.WithCancel(ctx)
		stop()
		_, err := s.EmitWithAck(once, "ask")
		return errors.Is(err, socketio.ErrTooManyAcks)
	})
	cancel()
	wait.Wait()
	if _, err := s.EmitWithAck(ctx, "ask"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the others were given up: %v", err)
	}
}

func TestBroadcastWithAck(t *testing.T) {
	f := serve(t, socketio.Options{})
	clients, sockets := crowd(t, f, 4)
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		answers []socketio.Answer
		err     error
	}
	results := make(chan result, 1)
	ask := func() {
		go func() {
			a, err := sockets[3].Broadcast().EmitWithAck(ctx, "ask")
			results <- result{a, err}
		}()
	}
	ask()
	for i, c := range clients[:3] {
		if text := c.Next(); text != `420["ask"]` {
			t.Fatalf("client %d got %s", i, text)
		}
	}
	clients[0].Send(`430["zero"]`)
	clients[1].Close()
	clients[2].Send(`430["two"]`)
	clients[2].Send(`430["two again"]`)
	r := get(t, results)
	var got []string
	for _, a := range r.answers {
		if a.Socket == sockets[0] || a.Socket == sockets[2] {
			got = append(got, string(a.Args[0]))
		}
	}
	if all := strings.Join(got, ""); r.err != nil || all != `"zero""two"` && all != `"two""zero"` {
		t.Errorf("answers %q, %v", got, r.err)
	}
	ask()
	clients[0].Want(`421["ask"]`)
	clients[2].Want(`421["ask"]`)
	clients[2].Send(`431[]`)
	f.root.OnAny(func(e *socketio.Event) { _ = e.Ack() })
	clients[2].Send(`423["seen"]`) // behind the answer on the same connection
	clients[2].Want(`433[]`)
	cancel()
	if r := get(t, results); !errors.Is(r.err, context.Canceled) || len(r.answers) != 1 {
		t.Errorf("given up: %+v", r)
	}
}
