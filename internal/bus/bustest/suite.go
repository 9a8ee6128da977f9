// Package bustest holds what every engine of the bus must pass, and Faulty, a wrapper that makes any of them drop, delay, repeat,
// reorder and go away.
package bustest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Harness is one bus as two nodes see it. For an engine without connections both may be the same handle.
type Harness struct {
	A, B chat.Bus
}

// In runs f with a fresh Harness: in a synctest bubble, or against a real server.
type In func(t *testing.T, f func(t *testing.T, h Harness))

// patience is how long a case waits for what must come: long, since the machine may be busy.
const patience = 20 * time.Second

// Run runs the whole suite. It holds of a healthy bus with fast subscribers: nothing is lost, and one publisher's order is kept.
func Run(t *testing.T, in In) {
	for _, c := range []struct {
		name string
		f    func(*testing.T, Harness)
	}{
		{"everyone who listens hears it", testEveryone},
		{"only the channel", testOnlyTheChannel},
		{"order of one publisher", testOrder},
		{"f is never called twice at once", testSerial},
		{"bytes are not altered", testBytes},
		{"a slow subscriber holds up nobody", testSlow},
		{"nothing comes after stop", testStop},
		{"stop waits for a running f", testStopWaits},
		{"stop inside f", testStopInside},
		{"many channels come and go", testMany},
		{"an ended context", testEndedContext},
		{"ping", testPing},
	} {
		t.Run(c.name, func(t *testing.T) { in(t, c.f) })
	}
}

// ear is a subscription that keeps what it hears.
type ear struct {
	mu    sync.Mutex
	heard [][]byte
	news  chan struct{}
	stop  func()
}

var probe = []byte("is anybody there?")

// listen subscribes on b and waits until what from publishes arrives: an engine may take a moment to subscribe.
func listen(t *testing.T, b, from chat.Bus, ch chat.Channel) *ear {
	t.Helper()
	e := &ear{news: make(chan struct{}, 1)}
	alive, once := make(chan struct{}), sync.Once{}
	e.stop = b.Subscribe(ch, func(data []byte) {
		if bytes.Equal(data, probe) {
			once.Do(func() { close(alive) })
			return
		}
		e.mu.Lock()
		e.heard = append(e.heard, data)
		e.mu.Unlock()
		select {
		case e.news <- struct{}{}:
		default:
		}
	})
	t.Cleanup(e.stop)
	await(t, from, ch, alive)
	return e
}

// await publishes probes on ch until done is closed.
func await(t *testing.T, from chat.Bus, ch chat.Channel, done <-chan struct{}) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		publish(t, from, chat.Note{Channel: ch, Data: probe})
		select {
		case <-done:
			return
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("the subscription to %s never came to life", ch)
		}
	}
}

func publish(t *testing.T, b chat.Bus, ns ...chat.Note) {
	t.Helper()
	if err := b.Publish(t.Context(), ns); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func note(ch chat.Channel, format string, args ...any) chat.Note {
	return chat.Note{Channel: ch, Data: fmt.Appendf(nil, format, args...)}
}

// wait waits until n notes have been heard and gives them.
func (e *ear) wait(t *testing.T, n int) [][]byte {
	t.Helper()
	late := time.After(patience)
	for {
		e.mu.Lock()
		heard := e.heard[:len(e.heard):len(e.heard)]
		e.mu.Unlock()
		if len(heard) >= n {
			return heard
		}
		select {
		case <-e.news:
		case <-late:
			t.Fatalf("heard %d notes of %d", len(heard), n)
		}
	}
}

func (e *ear) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.heard)
}

func waitFor(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain until %s", what)
	}
}

func testEveryone(t *testing.T, h Harness) {
	ears := []*ear{listen(t, h.A, h.B, "room:x"), listen(t, h.A, h.B, "room:x"), listen(t, h.B, h.A, "room:x")}
	publish(t, h.A, note("room:x", "one"))
	for i, e := range ears {
		if got := e.wait(t, 1); string(got[0]) != "one" {
			t.Errorf("subscription %d heard %q", i, got)
		}
	}
	publish(t, h.B, note("room:x", "two"))
	for i, e := range ears {
		if got := e.wait(t, 2); string(got[1]) != "two" || len(got) != 2 {
			t.Errorf("subscription %d heard %q", i, got)
		}
	}
}

func testOnlyTheChannel(t *testing.T, h Harness) {
	chs := []chat.Channel{chat.RoomChannel("x"), chat.RoomChannel("y"), chat.UserChannel("x"), chat.DigestChannel(3)}
	var ears []*ear
	for _, ch := range chs {
		ears = append(ears, listen(t, h.A, h.B, ch))
	}
	var ns []chat.Note
	for i, ch := range append(chs, "room:nobody") {
		ns = append(ns, chat.Note{Partition: i, Channel: ch, Data: []byte(ch)})
	}
	publish(t, h.B, ns...)
	publish(t, h.B, ns...)
	for i, e := range ears {
		for _, data := range e.wait(t, 2) {
			if string(data) != string(chs[i]) {
				t.Errorf("on %s came %q", chs[i], data)
			}
		}
	}
}

func testOrder(t *testing.T, h Harness) {
	a, b := listen(t, h.A, h.B, "room:x"), listen(t, h.B, h.B, "room:x")
	const rounds, each = 20, 50
	for r := range rounds {
		var ns []chat.Note
		for i := range each {
			ns = append(ns, note("room:x", "%d", r*each+i))
		}
		publish(t, h.B, ns...)
		a.wait(t, (r+1)*each) // so that no queue overflows
		b.wait(t, (r+1)*each)
	}
	for _, e := range []*ear{a, b} {
		for i, data := range e.wait(t, rounds*each) {
			if string(data) != fmt.Sprint(i) {
				t.Fatalf("note %d is %q", i, data)
			}
		}
	}
}

func testBytes(t *testing.T, h Harness) {
	e := listen(t, h.A, h.B, "room:x")
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	want := [][]byte{all, []byte("\r\n*1\r\n$4\r\n"), bytes.Repeat([]byte{0}, 3), bytes.Repeat(all, 600<<10/256)}
	for _, w := range want {
		publish(t, h.B, chat.Note{Partition: 1, Channel: "room:x", Data: bytes.Clone(w)})
	}
	for i, got := range e.wait(t, len(want)) {
		if !bytes.Equal(got, want[i]) {
			t.Errorf("note %d of %d bytes was altered", i, len(want[i]))
		}
	}
}

func testEndedContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.A.Publish(ctx, []chat.Note{note("room:x", "late")}); err == nil {
		t.Error("a publish under an ended context gave no error")
	}
}

func testPing(t *testing.T, h Harness) {
	start := time.Now()
	for _, b := range []chat.Bus{h.A, h.B} {
		if err := b.Ping(t.Context()); err != nil {
			t.Errorf("ping: %v", err)
		}
	}
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("two pings took %v", d)
	}
}
