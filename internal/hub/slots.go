package hub

import (
	"context"
	"sync"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// slots knows which Attach is under way, so that a Detach can undo it. Bounded by the callers of Attach.
type slots struct {
	mu sync.Mutex
	m  map[slotKey]*slot
}

type slotKey struct {
	room chat.RoomID
	l    chat.Listener
}

// slot is the right to attach one listener to one room: one Attach at a time has the turn, and a Detach takes it from all of them.
type slot struct {
	turn chan struct{} // holds one while an Attach has it
	refs int           // under slots.mu
	ctx  context.Context
	stop context.CancelFunc // by Detach, and when nobody is left

	mu    sync.Mutex // held over every Deliver of a replay
	ended bool       // a Detach has come: nothing more is delivered
}

func (s *slots) init() { s.m = map[slotKey]*slot{} }

// enter gives the slot of a listener in a room; leave must follow.
func (s *slots) enter(k slotKey) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.m[k]
	if t == nil {
		t = &slot{turn: make(chan struct{}, 1)}
		t.ctx, t.stop = context.WithCancel(context.Background())
		s.m[k] = t
	}
	t.refs++
	return t
}

func (s *slots) leave(k slotKey, t *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.refs--; t.refs > 0 {
		return
	}
	t.stop()
	if s.m[k] == t {
		delete(s.m, k)
	}
}

// end undoes what is under way: when it has returned, nothing more is delivered through the slot.
func (s *slots) end(k slotKey) {
	s.mu.Lock()
	t := s.m[k]
	delete(s.m, k)
	s.mu.Unlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.stop()
}

// bind gives a context that ends with ctx or with a Detach.
func (t *slot) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// take waits for the turn; free gives it back.
func (t *slot) take(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *slot) free() { <-t.turn }

// do runs f, which delivers, unless a Detach has come: then it gives false.
func (t *slot) do(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		f()
	}
	return !t.ended
}
