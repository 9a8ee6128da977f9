// Package bus is hop 6 of a message's path: broadcast between the nodes. What travels on it are spans, digests and whispers
// (chat.Note); it may lose, repeat, delay and reorder them, and never alters one. One file per engine; bustest holds the suite that
// every engine passes, and the wrapper that makes any engine misbehave.
package bus

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/workers"
)

// Options bound what one subscription may have waiting. Zero values mean the defaults.
type Options struct {
	Queue int // notes; default 1,024
	Bytes int // bytes of notes, though one note always fits; default 8 MiB
}

// Stats counts what went through a bus since it was made.
type Stats struct {
	Published     uint64 // notes
	Delivered     uint64 // calls of a subscription's f
	Dropped       uint64 // notes that a slow subscription lost
	Subscriptions int    // now
}

// Memory is the bus of a server that runs alone. Publish only queues, so it never waits for a subscriber; a subscription whose queue
// is full loses the oldest note in it, which the next digest tells the hub. A subscription owns a goroutine only while notes wait.
type Memory struct {
	opt     Options
	workers *workers.Pool // for those who have something to hear

	mu     sync.RWMutex
	subs   map[chat.Channel][]*subscription // never written in place: Publish ranges over a list outside of mu
	count  int
	closed bool

	published, delivered, dropped atomic.Uint64
}

var _ chat.Bus = (*Memory)(nil)

// NewMemory makes an open bus.
func NewMemory(o Options) *Memory {
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if o.Bytes <= 0 {
		o.Bytes = 8 << 20
	}
	return &Memory{opt: o, workers: workers.New(), subs: map[chat.Channel][]*subscription{}}
}

// Publish queues ns for all who listen and returns at once. Errors: that of an ended ctx, ErrUnavailable once the bus is closed.
func (b *Memory) Publish(ctx context.Context, ns []chat.Note) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish in memory: %w", err)
	}
	for _, n := range ns {
		b.mu.RLock()
		subs, closed := b.subs[n.Channel], b.closed
		b.mu.RUnlock()
		if closed {
			return fmt.Errorf("publish on a closed bus: %w", chat.ErrUnavailable)
		}
		b.published.Add(1)
		for _, s := range subs {
			s.push(n.Data)
		}
	}
	return nil
}

// Subscribe calls f, one note at a time, in the order in which they were published, until stop. stop may be called from anywhere and
// more than once. It waits for a running f, unless it is called inside an f of some subscription: then it returns at once, and no
// further call of this f begins. (An f that waits for another goroutine's stop of the same subscription waits for itself.)
func (b *Memory) Subscribe(ch chat.Channel, f func(data []byte)) (stop func()) {
	s := &subscription{bus: b, f: f}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return func() {}
	}
	old := b.subs[ch]
	b.subs[ch] = append(old[:len(old):len(old)], s)
	b.count++
	return func() {
		b.remove(ch, s)
		s.stop()
	}
}

// Ping says whether the bus is open.
func (b *Memory) Ping(ctx context.Context) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return fmt.Errorf("ping of a closed bus: %w", chat.ErrUnavailable)
	}
	return ctx.Err()
}

// Close ends every subscription as its stop would. It may be called more than once.
func (b *Memory) Close() {
	b.mu.Lock()
	subs := b.subs
	b.subs, b.count, b.closed = map[chat.Channel][]*subscription{}, 0, true
	b.mu.Unlock()
	for _, list := range subs {
		for _, s := range list {
			s.stop()
		}
	}
	b.workers.Close()
}

// Stats gives the counters.
func (b *Memory) Stats() Stats {
	b.mu.RLock()
	n := b.count
	b.mu.RUnlock()
	return Stats{Published: b.published.Load(), Delivered: b.delivered.Load(), Dropped: b.dropped.Load(), Subscriptions: n}
}

func (b *Memory) remove(ch chat.Channel, s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.subs[ch]
	for i, o := range old {
		if o != s {
			continue
		}
		b.count--
		if len(old) == 1 {
			delete(b.subs, ch)
			return
		}
		b.subs[ch] = append(old[:i:i], old[i+1:]...)
		return
	}
}

// subscription is one f with what waits for it.
type subscription struct {
	bus *Memory
	f   func([]byte)

	mu      sync.Mutex
	queue   [][]byte // oldest first
	size    int      // bytes in queue
	stopped bool
	idle    chan struct{} // open while drain runs; closed when it has ended; nil: it never ran
	running bool
}

// push queues data, at the cost of the oldest if there is no room.
func (s *subscription) push(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	for len(s.queue) > 0 && (len(s.queue) >= s.bus.opt.Queue || s.size+len(data) > s.bus.opt.Bytes) {
		s.pop()
		s.bus.dropped.Add(1)
	}
	s.queue, s.size = append(s.queue, data), s.size+len(data)
	if !s.running {
		s.running, s.idle = true, make(chan struct{})
		s.bus.workers.Do(s.drain)
	}
}

func (s *subscription) pop() []byte {
	data := s.queue[0]
	s.queue[0] = nil
	s.queue, s.size = s.queue[1:], s.size-len(data)
	return data
}

// drain calls f until nothing waits. It is the goroutine of a busy subscription, and the frame by which insideSubscriber knows it.
func (s *subscription) drain() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.stopped {
			s.queue, s.size, s.running = nil, 0, false
			close(s.idle)
			s.mu.Unlock()
			return
		}
		data := s.pop()
		s.mu.Unlock()
		s.bus.delivered.Add(1)
		s.f(data)
	}
}

// stop lets no further f begin, and waits for a running one.
func (s *subscription) stop() {
	s.mu.Lock()
	s.stopped = true
	running, idle := s.running, s.idle
	s.mu.Unlock()
	if running && !insideSubscriber() {
		<-idle
	}
}

// drainFrame is how the stack names drain; bustest's case "stop inside f" holds it to that.
const drainFrame = "internal/bus.(*subscription).drain"

// insideSubscriber says whether the caller runs inside some subscription's f. Go does not tell a function whose goroutine it is on,
// but the stack does; it is looked at only by a stop that would have to wait.
func insideSubscriber() bool {
	pcs := make([]uintptr, 128)
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs)
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(pcs[:n])
		for {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, drainFrame) {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
