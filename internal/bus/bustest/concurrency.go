package bustest

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func testSerial(t *testing.T, h Harness) {
	var inside, calls atomic.Int32
	alive, done := make(chan struct{}), make(chan struct{})
	once := sync.Once{}
	const publishers, each = 8, 25
	stop := h.A.Subscribe("room:x", func(data []byte) {
		if inside.Add(1) != 1 {
			t.Error("f was called while it ran")
		}
		defer inside.Add(-1)
		if bytes.Equal(data, probe) {
			once.Do(func() { close(alive) })
		} else if calls.Add(1) == publishers*each {
			close(done)
		}
	})
	defer stop()
	await(t, h.B, "room:x", alive)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for j := range each {
				if err := []chat.Bus{h.A, h.B}[i%2].Publish(t.Context(), []chat.Note{note("room:x", "%d-%d", i, j)}); err != nil {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, done, "every note has come")
}

// testSlow: one subscriber stands still. Publish goes on, others hear everything, and what the slow one hears in the end is a part
// of what was published, in order, with the newest in it.
func testSlow(t *testing.T, h Harness) {
	fast := listen(t, h.A, h.B, "room:x")
	gate, stuck := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var slow []int
	last := make(chan struct{})
	const notes = 5000
	stop := h.A.Subscribe("room:x", func(data []byte) {
		once.Do(func() { close(stuck) })
		<-gate
		n, err := strconv.Atoi(string(data))
		if err != nil { // a probe
			return
		}
		mu.Lock()
		slow = append(slow, n)
		mu.Unlock()
		if n == notes-1 {
			close(last)
		}
	})
	defer stop()
	await(t, h.B, "room:x", stuck)
	for i := range notes {
		start := time.Now()
		publish(t, h.B, note("room:x", "%d", i))
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("a slow subscriber held a publish up for %v", d)
		}
		if i%100 == 99 {
			fast.wait(t, i+1)
		}
	}
	close(gate)
	waitFor(t, last, "the slow subscriber hears the newest note")
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i < len(slow); i++ {
		if slow[i] <= slow[i-1] {
			t.Fatalf("after %d came %d", slow[i-1], slow[i])
		}
	}
	t.Logf("the slow subscriber heard %d of %d", len(slow), notes)
}

func testStop(t *testing.T, h Harness) {
	gone, stays := listen(t, h.A, h.B, "room:x"), listen(t, h.A, h.B, "room:x")
	publish(t, h.B, note("room:x", "one"))
	gone.wait(t, 1)
	var wg sync.WaitGroup
	for range 4 { // from several places at once, and again
		wg.Go(gone.stop)
	}
	wg.Wait()
	gone.stop()
	for i := range 100 {
		publish(t, h.B, note("room:x", "%d", i))
	}
	stays.wait(t, 101)
	if n := gone.count(); n != 1 {
		t.Errorf("%d notes came after stop", n-1)
	}
	back := listen(t, h.A, h.B, "room:x")
	publish(t, h.B, note("room:x", "again"))
	if got := back.wait(t, 1); string(got[0]) != "again" {
		t.Errorf("a new subscription heard %q", got)
	}
}

func testStopWaits(t *testing.T, h Harness) {
	inside, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var left atomic.Bool
	stop := h.A.Subscribe("room:x", func([]byte) {
		once.Do(func() { close(inside) })
		<-gate
		left.Store(true)
	})
	await(t, h.B, "room:x", inside)
	stopped := make(chan struct{}, 2)
	for range 2 {
		go func() {
			stop()
			if !left.Load() {
				t.Error("stop returned while f ran")
			}
			stopped <- struct{}{}
		}()
	}
	select {
	case <-stopped:
		t.Error("stop did not wait for f")
	case <-time.After(100 * time.Millisecond):
	}
	close(gate)
	waitFor(t, stopped, "stop returns")
	waitFor(t, stopped, "the other stop returns")
}

// testStopInside: an f may stop its own subscription, and another one whose f runs and does the same to it.
func testStopInside(t *testing.T, h Harness) {
	var mu sync.Mutex
	var stops [2]func()
	var once [2]sync.Once
	meet := sync.WaitGroup{}
	meet.Add(2)
	done := make(chan struct{}, 2)
	mu.Lock()
	for i := range stops {
		stops[i] = h.A.Subscribe(chat.Channel(fmt.Sprintf("room:%d", i)), func([]byte) {
			once[i].Do(func() {
				meet.Done()
				meet.Wait() // both are inside now
				mu.Lock()
				all := stops
				mu.Unlock()
				for _, stop := range all {
					stop()
				}
				done <- struct{}{}
			})
		})
	}
	mu.Unlock()
	for n, late := 0, time.Now().Add(patience); n < 2; {
		publish(t, h.B, note("room:0", "stop"), note("room:1", "stop"))
		select {
		case <-done:
			n++
		case <-time.After(50 * time.Millisecond):
			if time.Now().After(late) {
				t.Fatal("a stop inside f does not return")
			}
		}
	}
}

func testMany(t *testing.T, h Harness) {
	const rooms = 300
	var heard [rooms]atomic.Bool
	var missing atomic.Int32
	missing.Store(rooms)
	all := make(chan struct{})
	var stops []func()
	for i := range rooms {
		stops = append(stops, h.A.Subscribe(chat.RoomChannel(chat.RoomID(fmt.Sprint(i))), func([]byte) {
			if !heard[i].Swap(true) && missing.Add(-1) == 0 {
				close(all)
			}
		}))
	}
	for late := time.Now().Add(patience); ; {
		for i := range rooms {
			if !heard[i].Load() {
				publish(t, h.B, note(chat.RoomChannel(chat.RoomID(fmt.Sprint(i))), "hello"))
			}
		}
		select {
		case <-all:
		case <-time.After(100 * time.Millisecond):
			if time.Now().After(late) {
				t.Fatalf("%d of %d rooms heard nothing", missing.Load(), rooms)
			}
			continue
		}
		break
	}
	var wg sync.WaitGroup
	for _, stop := range stops {
		wg.Go(stop)
	}
	wg.Wait()
}
