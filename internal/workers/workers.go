// Package workers runs short pieces of work on goroutines that are kept for the next piece. A new goroutine begins with a small stack, and
// to grow it in the midst of each message costs more than the goroutine itself: a tenth of a send.
package workers

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	kept    = time.Second // for how long a goroutine waits for more work
	maxIdle = 512         // goroutines that wait at a time
)

// Pool starts goroutines when all it has are at work, and lets them go when they have had none for a second, or enough others wait. So it
// has as many as there are pieces of work at a time, which its users bound. Safe for concurrent use.
type Pool struct {
	next   chan func()
	idle   atomic.Int64 // about how many goroutines wait
	closed chan struct{}
	close  sync.Once
}

// New makes a pool without goroutines.
func New() *Pool { return &Pool{next: make(chan func()), closed: make(chan struct{})} }

// Close keeps no goroutine any longer. What runs goes on, and Do goes on to take work.
func (p *Pool) Close() { p.close.Do(func() { close(p.closed) }) }

// Do runs f on a goroutine of the pool, and does not wait for it. A panic in f is its caller's to catch, as it would be with go.
func (p *Pool) Do(f func()) {
	select {
	case p.next <- f:
	default:
		go p.work(f)
	}
}

func (p *Pool) work(f func()) {
	timer := time.NewTimer(kept)
	defer timer.Stop()
	for f != nil {
		f()
		f = p.wait(timer)
	}
}

// wait gives the next piece of work; nil: the goroutine is to end.
func (p *Pool) wait(timer *time.Timer) func() {
	defer p.idle.Add(-1)
	if p.idle.Add(1) > maxIdle {
		return nil
	}
	timer.Reset(kept)
	select {
	case f := <-p.next:
		return f
	case <-timer.C:
	case <-p.closed:
	}
	return nil
}
