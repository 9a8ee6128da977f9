package bus_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/bus/bustest"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestMemory(t *testing.T) {
	bustest.Run(t, func(t *testing.T, f func(*testing.T, bustest.Harness)) {
		synctest.Test(t, func(t *testing.T) {
			b := bus.NewMemory(bus.Options{})
			defer b.Close()
			f(t, bustest.Harness{A: b, B: b})
		})
	})
}

func publish(t *testing.T, b chat.Bus, ch chat.Channel, data string) {
	t.Helper()
	if err := b.Publish(t.Context(), []chat.Note{{Channel: ch, Data: []byte(data)}}); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// stuck subscribes an f that waits for gate, and lets it take one note.
func stuck(t *testing.T, b chat.Bus, gate chan struct{}) (heard *[]string, stop func()) {
	t.Helper()
	heard = new([]string)
	stop = b.Subscribe("room:x", func(data []byte) {
		<-gate
		*heard = append(*heard, string(data))
	})
	publish(t, b, "room:x", "first")
	synctest.Wait()
	return heard, stop
}

func TestFullQueueLosesTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bus.Options{Queue: 3})
		defer b.Close()
		gate := make(chan struct{})
		heard, stop := stuck(t, b, gate)
		for i := range 10 {
			publish(t, b, "room:x", fmt.Sprint(i))
		}
		close(gate)
		synctest.Wait()
		stop()
		if got := fmt.Sprint(*heard); got != "[first 7 8 9]" {
			t.Errorf("heard %s", got)
		}
		if s := b.Stats(); s != (bus.Stats{Published: 11, Delivered: 4, Dropped: 7}) {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bus.Options{Bytes: 10})
		defer b.Close()
		gate := make(chan struct{})
		heard, stop := stuck(t, b, gate)
		for _, s := range []string{"aaaa", "bbbb", "cccc", "a note beyond the bound", "dd"} {
			publish(t, b, "room:x", s)
		}
		close(gate)
		synctest.Wait()
		stop()
		if got := fmt.Sprint(*heard); got != "[first dd]" {
			t.Errorf("heard %s", got)
		}
		if s := b.Stats(); s.Dropped != 4 {
			t.Errorf("stats %+v", s)
		}
		publish(t, b, "room:x", "to nobody")
	})
}

func TestOneBigNoteAlwaysFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bus.Options{Bytes: 10})
		defer b.Close()
		var got string
		b.Subscribe("room:x", func(data []byte) { got = string(data) })
		publish(t, b, "room:x", "a note beyond the bound")
		synctest.Wait()
		if got != "a note beyond the bound" {
			t.Errorf("heard %q", got)
		}
	})
}

// TestIdleSubscriptionsCostNoGoroutine: a node has 10,000 rooms open.
func TestIdleSubscriptionsCostNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bus.Options{})
		defer b.Close()
		before := runtime.NumGoroutine()
		var calls atomic.Int32
		var stops []func()
		for i := range 10_000 {
			stops = append(stops, b.Subscribe(chat.Channel(fmt.Sprint(i)), func([]byte) { calls.Add(1) }))
		}
		for i := range 10_000 {
			publish(t, b, chat.Channel(fmt.Sprint(i)), "x")
		}
		synctest.Wait()
		if n := calls.Load(); n != 10_000 {
			t.Errorf("%d of 10,000 heard it", n)
		}
		time.Sleep(2 * time.Second) // goroutines are kept for a second
		if after := runtime.NumGoroutine(); after > before+100 {
			t.Errorf("%d goroutines before, %d with 10,000 idle subscriptions", before, after)
		}
		for _, stop := range stops {
			stop()
		}
		if s := b.Stats(); s.Subscriptions != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bus.NewMemory(bus.Options{})
		defer b.Close()
		gate := make(chan struct{})
		heard, stop := stuck(t, b, gate)
		publish(t, b, "room:x", "never heard")
		closed := make(chan struct{})
		go func() { b.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("close did not wait for a running f")
		default:
		}
		close(gate)
		<-closed
		b.Close()
		stop()
		if got := fmt.Sprint(*heard); got != "[first]" {
			t.Errorf("heard %s", got)
		}
		if err := b.Publish(t.Context(), []chat.Note{{Channel: "room:x"}}); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("publish on a closed bus: %v", err)
		}
		if err := b.Ping(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("ping of a closed bus: %v", err)
		}
		b.Subscribe("room:x", func([]byte) { t.Error("a closed bus called") })()
	})
}
