package workers_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/workers"
)

// Everything runs, also what is started from within; and nothing waits for what blocks.
func TestAllRuns(t *testing.T) {
	before := runtime.NumGoroutine()
	p := workers.New()
	var ran atomic.Int64
	var all sync.WaitGroup
	block := make(chan struct{})
	all.Add(1)
	p.Do(func() { defer all.Done(); <-block })
	for range 1000 {
		all.Add(2)
		p.Do(func() {
			defer all.Done()
			ran.Add(1)
			p.Do(func() { defer all.Done(); ran.Add(1) })
		})
	}
	for ran.Load() < 2000 {
		runtime.Gosched()
	}
	close(block)
	all.Wait()
	p.Close()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched() // the other tests count goroutines
	}
}

// others is how many goroutines the runtime or the test may begin or end while a test counts.
const others = 5

// Goroutines are used again, as many as were at work at a time, and end when there has been no work for a while.
func TestGoroutinesAreKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := workers.New()
		for range 20 {
			block := make(chan struct{})
			for range 10 {
				p.Do(func() { <-block })
			}
			synctest.Wait()
			close(block)
			synctest.Wait()
			time.Sleep(900 * time.Millisecond)
		}
		before := runtime.NumGoroutine()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if gone := before - runtime.NumGoroutine(); gone < 10-others || gone > 10+others {
			t.Errorf("%d goroutines ended, of 10 that were needed at a time", gone)
		}
	})
}

// However many were at work at a time, a bounded number is kept.
func TestFewAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := workers.New()
		defer p.Close()
		before := runtime.NumGoroutine()
		block := make(chan struct{})
		for range 5000 {
			p.Do(func() { <-block })
		}
		synctest.Wait()
		close(block)
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n < 256 || n > 512+others {
			t.Errorf("%d goroutines are kept", n)
		}
	})
}

// After Close no goroutine waits, and work is still done.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := workers.New()
		var ran atomic.Int64
		before := runtime.NumGoroutine()
		block := make(chan struct{})
		for range 100 {
			p.Do(func() { <-block; ran.Add(1) })
		}
		synctest.Wait()
		close(block)
		synctest.Wait()
		p.Close()
		p.Close()
		p.Do(func() { ran.Add(1) })
		synctest.Wait()
		if n := runtime.NumGoroutine(); ran.Load() != 101 || n > before+others {
			t.Errorf("%d of 101 ran, %d goroutines of %d", ran.Load(), n, before)
		}
	})
}

func BenchmarkDo(b *testing.B) {
	// deep stands for the work of a send, which needs some kilobytes of stack.
	var deep func(n int) int
	deep = func(n int) int {
		var pad [512]byte
		if n == 0 {
			return int(pad[0])
		}
		pad[n] = byte(n)
		return deep(n-1) + int(pad[n])
	}
	for name, do := range map[string]func(func()){"go": func(f func()) { go f() }, "pool": workers.New().Do} {
		b.Run(name, func(b *testing.B) {
			var all sync.WaitGroup
			for b.Loop() {
				all.Add(1)
				do(func() { deep(10); all.Done() })
				all.Wait()
			}
		})
	}
}
