package bustest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/bus/bustest"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

// TestHealthyFaulty: without faults, and with mere latency, the wrapper is a bus like any other.
func TestHealthyFaulty(t *testing.T) {
	for name, x := range map[string]bustest.Faults{"none": {}, "latency": {Latency: 5 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, func(t *testing.T, f func(*testing.T, bustest.Harness)) {
				synctest.Test(t, func(t *testing.T) {
					inner := bus.NewMemory(bus.Options{})
					defer inner.Close()
					a, b := bustest.Wrap(inner, 1), bustest.Wrap(inner, 2)
					defer a.Close()
					defer b.Close()
					a.Set(x)
					b.Set(x)
					f(t, bustest.Harness{A: a, B: b})
				})
			})
		})
	}
}

// play publishes notes 0…n-1, 10 ms apart, through a bus with these faults, and gives what was heard.
func play(t *testing.T, seed uint64, x bustest.Faults, n int) (heard []int, stats bustest.FaultStats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		inner := bus.NewMemory(bus.Options{})
		defer inner.Close()
		f := bustest.Wrap(inner, seed)
		defer f.Close()
		f.Set(x)
		stop := f.Subscribe("room:x", func(data []byte) {
			var i int
			if _, err := fmt.Sscan(string(data), &i); err != nil {
				t.Errorf("altered: %q", data)
			}
			heard = append(heard, i)
		})
		for i := range n {
			if err := f.Publish(t.Context(), []chat.Note{{Channel: "room:x", Data: fmt.Append(nil, i)}}); err != nil {
				t.Fatalf("publish: %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		stop()
		stats = f.Stats()
	})
	return heard, stats
}

func TestFaults(t *testing.T) {
	const n = 1000
	t.Run("drop", func(t *testing.T) {
		heard, stats := play(t, 7, bustest.Faults{Drop: 0.5}, n)
		if len(heard) < n/3 || len(heard) > 2*n/3 || !slices.IsSorted(heard) || int(stats.Dropped) != n-len(heard) {
			t.Errorf("heard %d, %+v", len(heard), stats)
		}
	})
	t.Run("repeat", func(t *testing.T) {
		heard, stats := play(t, 7, bustest.Faults{Repeat: 0.5}, n)
		if len(heard) != n+int(stats.Repeated) || stats.Repeated < n/3 || !slices.IsSorted(heard) {
			t.Errorf("heard %d, %+v", len(heard), stats)
		}
	})
	t.Run("late", func(t *testing.T) {
		heard, stats := play(t, 7, bustest.Faults{Late: 0.5, LateBy: time.Second}, n)
		if len(heard) != n || slices.IsSorted(heard) || stats.Delayed < n/3 {
			t.Errorf("heard %d, %+v", len(heard), stats)
		}
		slices.Sort(heard)
		if len(slices.Compact(heard)) != n {
			t.Error("something was lost")
		}
	})
	t.Run("deaf", func(t *testing.T) {
		if heard, _ := play(t, 7, bustest.Faults{Deaf: true}, n); len(heard) != 0 {
			t.Errorf("heard %d", len(heard))
		}
	})
}

func TestSeedDecides(t *testing.T) {
	x := bustest.Faults{Drop: 0.2, Repeat: 0.2, Late: 0.3, LateBy: time.Second, Latency: 3 * time.Millisecond}
	first, _ := play(t, 7, x, 300)
	again, _ := play(t, 7, x, 300)
	other, _ := play(t, 8, x, 300)
	if !slices.Equal(first, again) {
		t.Error("one seed, two runs")
	}
	if slices.Equal(first, other) {
		t.Error("two seeds, one run")
	}
}

func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := bus.NewMemory(bus.Options{})
		defer inner.Close()
		f := bustest.Wrap(inner, 1)
		defer f.Close()
		f.Set(bustest.Faults{Latency: 100 * time.Millisecond})
		heard := 0
		defer f.Subscribe("room:x", func([]byte) { heard++ })()
		ns := []chat.Note{{Channel: "room:x", Data: []byte("x")}}
		if err := f.Publish(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it is on its way now
		f.Set(bustest.Faults{Down: true, Stall: time.Second})
		start := time.Now()
		if err := f.Publish(t.Context(), ns); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("publish: %v", err)
		}
		if err := f.Ping(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("ping: %v", err)
		}
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("refused after %v", d)
		}
		if err := inner.Publish(t.Context(), ns); err != nil { // another node's
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if heard != 0 {
			t.Errorf("heard %d notes while down", heard)
		}
		f.Set(bustest.Faults{})
		if err := f.Publish(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if heard != 1 {
			t.Errorf("heard %d notes after it came back", heard)
		}
	})
}
