package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const relayGroup = "hubbub-relay"

// group hands the partition to its members, as a consumer group does: to one; after a crash for a while to nobody; in a fault to nobody
// or to two.
type group struct {
	w         *World
	name      string
	members   []*member
	none, two int  // faults
	slow      bool // fault: the member that has it falls behind
}

// member is a Handler that joined, on one node's life.
type member struct {
	life *life
	h    chat.Handler
	ctx  context.Context
	stop context.CancelFunc // nil: it does not have the partition
	done chan struct{}      // closed when it has let go of it for the last time
}

func (g *group) remove(m *member) {
	m.release()
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
}

func (m *member) release() {
	if m.stop != nil {
		m.stop()
		m.stop = nil
	}
}

// balance does its work with the given probability: it takes its time. The caller holds mu.
func (g *group) balance(p float64) {
	if !g.w.chance(p) {
		return
	}
	var have, free []*member
	for _, m := range g.members {
		if m.stop != nil {
			have = append(have, m)
		} else {
			free = append(free, m)
		}
	}
	want := 1
	if g.none > 0 {
		want = 0
	} else if g.two > 0 {
		want = 2
	}
	for ; len(have) > want; have = have[1:] {
		have[0].release()
	}
	for ; len(have) < want && len(free) > 0; want-- {
		i := g.w.pick(len(free))
		g.give(free[i])
		free = slices.Delete(free, i, i+1)
	}
}

// give makes a member read the partition until it is taken back.
func (g *group) give(m *member) {
	g.w.count[g.name+" starts"]++
	g.w.tracef("%s starts on node %d", g.name, m.life.node.id)
	ctx, stop := context.WithCancel(m.ctx)
	m.stop = stop
	before, done := m.done, make(chan struct{})
	m.done = done
	g.w.spawn(func() {
		defer close(done)
		if before != nil { // calls are serial, and End comes before the next Begin
			<-before
		}
		defer m.h.End(0)
		for ctx.Err() == nil {
			mark, err := m.h.Begin(ctx, 0)
			if err == nil {
				err = logOf{m.life}.follow(ctx, mark.Seq, func() (int, time.Duration) { return g.pace(m, ctx) }, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
					m.h.Records(ctx, 0, rs, upTo, atEnd)
					m.last(upTo)
					return ctx.Err()
				})
			}
			if errors.Is(err, chat.ErrTrimmed) {
				g.w.mu.Lock()
				g.w.count[g.name+" found the log trimmed"]++
				g.w.mu.Unlock()
			}
			_ = sleep(ctx, m.life.draw(100*ms, 300*ms))
		}
	})
}

// last keeps how far the member's node has read, for a relay that lies.
func (m *member) last(upTo chat.Mark) {
	m.life.w.mu.Lock()
	defer m.life.w.mu.Unlock()
	m.life.relayed = upTo
}

// pace is how the faults let a member read.
func (g *group) pace(m *member, ctx context.Context) (int, time.Duration) {
	w := g.w
	w.mu.Lock()
	if g == w.savers {
		defer w.mu.Unlock()
		return batch, w.lag/2 + m.life.between(0, w.lag)
	}
	hung, slow, upTo := m.life.node.hung > 0, g.slow, m.life.relayed
	w.mu.Unlock()
	switch {
	case hung && w.broken("timer-digest"): // it says that it has read to the end, and has not
		_ = sleep(ctx, 900*ms)
		m.h.Records(ctx, 0, nil, upTo, true)
		return 0, 0
	case hung:
		return 0, 0
	case slow:
		return 1, 1500 * ms
	}
	return batch, 15 * ms
}
