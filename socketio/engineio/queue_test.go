package engineio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// A reader that has stopped is closed when its queue is full, and its
// neighbour gets every message in the meantime.
func TestSlowReaderIsClosedAlone(t *testing.T) {
	a := echoApp()
	o := fast()
	o.MaxQueue = 64 << 10
	f := start(t, o, a)
	f.websocket() // reads nothing
	slow := f.session()
	good, _ := f.websocket()
	fast := f.session()
	frame := text(strings.Repeat("x", 8<<10))
	refused := false
	for i := 0; i < 10_000 && !refused; i++ {
		refused = slow.Send(frame) != nil
		if err := fast.Send(frame); err != nil {
			t.Fatalf("the neighbour was closed: %v", err)
		}
		good.text()
	}
	if !refused {
		t.Fatal("the slow reader was never closed")
	}
	if n := slow.Queued(); n > o.MaxQueue+frame.Size() {
		t.Errorf("%d bytes queued", n)
	}
	f.wantClosed(engineio.SlowClient)
	if err := slow.Send(frame); !errors.Is(err, engineio.ErrClosed) {
		t.Errorf("send after the end: %v", err)
	}
}

// No progress for WriteTimeout ends the session though the queue is not full.
func TestStuckWriteEndsTheSession(t *testing.T) {
	o := fast()
	o.MaxQueue = 64 << 20
	o.WriteTimeout = 150 * time.Millisecond
	f := start(t, o, newApp())
	f.websocket() // reads nothing
	s := f.session()
	frame := text(strings.Repeat("x", 1<<20))
	for range 32 {
		if s.Send(frame) != nil {
			break
		}
	}
	f.wantClosed(engineio.SlowClient)
}

func TestPollingQueueIsBounded(t *testing.T) {
	o := fast()
	o.MaxQueue = 10_000
	f := start(t, o, newApp())
	sid := f.polling()
	s := f.session()
	big := text(strings.Repeat("x", 20_000))
	if err := s.Send(big); err != nil {
		t.Fatalf("a large frame into an empty queue: %v", err)
	}
	f.want(f.get(sid), 200, "4"+strings.Repeat("x", 20_000))
	n := 0
	for s.Send(text("tiny")) == nil {
		n++
	}
	if n < 100 || n > 10_000/32 {
		t.Errorf("%d tiny frames went into the queue", n)
	}
	f.wantClosed(engineio.SlowClient)
	f.want(f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
}

func TestVolatile(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	if s.SendVolatile(text("nobody polls")) {
		t.Error("sent while no poll waits")
	}
	poll := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	if !s.SendVolatile(text("now")) {
		t.Error("dropped while a poll waits")
	}
	f.want(receive(t, "the poll's answer", poll), 200, "4now")
	s.Send(text("queued"))
	if s.SendVolatile(text("behind")) {
		t.Error("sent behind a queue")
	}
	f.want(f.get(sid), 200, "4queued")
	c := f.upgrade(sid)
	eventually(t, "a volatile frame goes to the websocket", func() bool { return s.SendVolatile(text("ws")) })
	c.want("4ws")
	s.Close(engineio.ForcedClose)
	if s.SendVolatile(text("late")) {
		t.Error("sent after the end")
	}
}

func TestReady(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	if err := s.Ready(context.Background(), 0); err != nil {
		t.Fatalf("an empty queue: %v", err)
	}
	frame := text("hello")
	s.Send(frame)
	s.Send(frame)
	if n := s.Queued(); n != 2*frame.Size() {
		t.Errorf("%d bytes queued, want %d", n, 2*frame.Size())
	}
	if err := s.Ready(context.Background(), 2*frame.Size()); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.Ready(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	ready := make(chan error, 1)
	go func() { ready <- s.Ready(context.Background(), 0) }()
	f.want(f.get(sid), 200, "4hello\x1e4hello")
	if err := receive(t, "ready", ready); err != nil {
		t.Errorf("after the poll: %v", err)
	}
	s.Send(frame)
	go func() { ready <- s.Ready(context.Background(), 0) }()
	s.Close(engineio.ForcedClose)
	if err := receive(t, "ready", ready); !errors.Is(err, engineio.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Everything queued before Close goes out, then the close.
func TestCloseFlushesFirst(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	for range 20 {
		s.Send(text("x"))
	}
	s.Close(engineio.Reason("own words"))
	s.Close(engineio.ForcedClose)
	f.wantClosed("own words")
	f.want(f.post(sid, "4too late"), 200, "ok") // ignored: packets still wait for this client
	f.want(f.get(sid), 200, strings.TrimSuffix(strings.Repeat("4x\x1e", 16), "\x1e"))
	f.want(f.get(sid), 200, strings.Repeat("4x\x1e", 4)+"1")
	f.want(f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)

	c, _ := f.websocket()
	ws := f.session()
	for range 1000 {
		ws.Send(text("y"))
	}
	ws.Close(engineio.ForcedClose)
	for range 1000 {
		c.want("4y")
	}
	if status := c.wantEnd(); status != 0 {
		t.Errorf("close status %d, want none", status)
	}
}

func TestCloseAnswersTheWaitingPoll(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	poll := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	s.Close(engineio.ForcedClose)
	f.want(receive(t, "the poll's answer", poll), 200, "1")
	f.wantClosed(engineio.ForcedClose)
}
