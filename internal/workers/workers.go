// Package workers runs short pieces of work on goroutines that are kept for the next piece. A new goroutine begins with a small stack, and
// to grow it in the midst of each message costs more than the goroutine itself: a tenth of a send.
package workers

import (
	"sync"
	"time"
)

const (
	kept    = time.Second // for how long a goroutine waits for more work
	maxIdle = 512         // goroutines that wait at a time
)

// Pool starts goroutines when all it has are at work, and lets them go when they have had none for a second, or enough others wait. So it
// has as many as there are pieces of work at a time, which its users bound. Safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	idle   []*worker // the last is the one that has waited least: its stack is still at hand
	sweep  *time.Timer
	closed bool
}

// worker is a goroutine of the pool. next holds at most one piece: only who has taken the worker out of idle sends.
type worker struct {
	next  chan func()
	since time.Time // idle since
}

// New makes a pool without goroutines.
func New() *Pool { return &Pool{} }

// Close keeps no goroutine any longer. What runs goes on, and Do goes on to take work.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.dismiss(len(p.idle))
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// Do runs f on a goroutine of the pool, and does not wait for it. A panic in f is its caller's to catch, as it would be with go.
func (p *Pool) Do(f func()) {
	if w := p.take(); w != nil {
		w.next <- f
		return
	}
	go p.work(f)
}

func (p *Pool) take() *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	w := p.idle[last]
	p.idle[last], p.idle = nil, p.idle[:last]
	return w
}

func (p *Pool) work(f func()) {
	w := &worker{next: make(chan func(), 1)}
	for f != nil {
		f()
		if !p.rest(w) {
			return
		}
		f = <-w.next
	}
}

// rest puts w among those that wait; false: it is not needed.
func (p *Pool) rest(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) == maxIdle {
		return false
	}
	w.since = time.Now()
	p.idle = append(p.idle, w)
	switch {
	case len(p.idle) > 1: // the timer runs
	case p.sweep == nil:
		p.sweep = time.AfterFunc(kept, p.swept)
	default:
		p.sweep.Reset(kept)
	}
	return true
}

// swept lets those go that have waited long enough, and comes again when the next one will have. It may come earlier than needed.
func (p *Pool) swept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	long := 0
	for ; long < len(p.idle) && time.Since(p.idle[long].since) >= kept; long++ {
	}
	p.dismiss(long)
	if len(p.idle) > 0 {
		p.sweep.Reset(kept - time.Since(p.idle[0].since))
	}
}

// dismiss ends the n that have waited longest.
func (p *Pool) dismiss(n int) {
	for _, w := range p.idle[:n] {
		close(w.next)
	}
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
}
