package sim

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// bus may lose, repeat, delay and reorder anything, also across channels, and may be down.
type bus struct {
	dice
	w               *World
	subs            []*subscription
	down            int // faults that hold it down
	drop, dup, late float64
	ready           time.Duration       // after a restart, subscriptions are back from then on
	links           [8][8]time.Duration // the last arrival, from node to node
}

// subscription is a node's interest in a channel. turn holds one token: f runs serially.
type subscription struct {
	life *life
	ch   chat.Channel
	from time.Duration // it stands from then on
	f    func([]byte)
	run  sync.Mutex // never held across a wait: f must not block
	gone atomic.Bool
}

func newBus(w *World) *bus { return &bus{dice: w.child(), w: w} }

// busOf is a node's way to the bus; it implements chat.Bus.
type busOf struct{ n *life }

var _ chat.Bus = busOf{}

// Publish implements chat.Bus.
func (b busOf) Publish(ctx context.Context, ns []chat.Note) error {
	w := b.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || ctx.Err() != nil {
		return context.Canceled
	}
	for _, note := range ns {
		data := b.falsify(note.Data)
		for _, s := range w.bus.subs {
			if s.ch != note.Channel || w.now() < s.from {
				continue
			}
			to := s.life.node
			switch {
			case w.bus.down > 0 || b.n.node.cutBus > 0 || to.cutBus > 0 || w.now() < w.bus.ready || w.bus.chance(w.bus.drop):
				w.count["bus: lost to a node"]++
			default:
				w.bus.send(b.n.node, s, data)
				if w.bus.chance(w.bus.dup) {
					w.bus.send(b.n.node, s, data)
				}
			}
		}
	}
	return nil
}

// falsify is the break blind-start: a relay that knows no fences.
func (b busOf) falsify(data []byte) []byte {
	if !b.n.w.broken("blind-start") {
		return data
	}
	switch v, _ := chat.ParseNote(data); v := v.(type) {
	case chat.Span:
		v.From = 0
		return v.Encode()
	case chat.Digest:
		v.P0 = 0
		return v.Encode()
	}
	return data
}

func (b *bus) send(from *Node, s *subscription, data []byte) {
	w, link := b.w, &b.links[from.id][s.life.node.id]
	delay := b.between(ms, 5*ms)
	if b.chance(b.late) {
		delay = min(b.between(0, 2*time.Second), max(healAt-b.between(0, ms)-w.now(), delay))
	} else { // one connection keeps its order
		delay = max(delay, *link-w.now()) + 1
		*link = w.now() + delay
	}
	w.after(delay, func() {
		if b.down == 0 && s.life.node.cutBus == 0 && !s.gone.Load() {
			w.spawn(func() {
				if s.life.pass() {
					s.run.Lock()
					defer s.run.Unlock()
					if !s.gone.Load() {
						s.f(data)
					}
				}
			})
		}
	})
}

// Subscribe implements chat.Bus. stop waits for a running f.
func (b busOf) Subscribe(ch chat.Channel, f func([]byte)) (stop func()) {
	w := b.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &subscription{life: b.n, ch: ch, f: f, from: w.now() + b.n.between(0, 50*ms)}
	w.bus.subs = append(w.bus.subs, s)
	return func() {
		w.mu.Lock()
		w.bus.subs = slices.DeleteFunc(w.bus.subs, func(x *subscription) bool { return x == s })
		w.mu.Unlock()
		s.run.Lock()
		s.gone.Store(true)
		s.run.Unlock()
	}
}

// Ping implements chat.Bus.
func (b busOf) Ping(context.Context) error {
	b.n.w.mu.Lock()
	defer b.n.w.mu.Unlock()
	if b.n.w.bus.down > 0 || b.n.node.cutBus > 0 {
		return chat.ErrUnavailable
	}
	return nil
}
