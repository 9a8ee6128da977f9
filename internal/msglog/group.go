package msglog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// groups hands out partitions among the members of each group. One mutex for all: members come and go rarely.
type groups struct {
	d       *Disk
	mu      sync.Mutex
	byName  map[string]*group
	closed  bool
	members sync.WaitGroup
}

// group is the members of one name, and who has which partition.
type group struct {
	members []*member
	owner   []*member  // by partition: who should have it; nil: nobody
	running []*session // by partition: who has it still
}

// member is one caller of Join.
type member struct {
	handler  chat.Handler
	ctx      context.Context
	leave    context.CancelCauseFunc
	sessions sync.WaitGroup
	unready  unready
}

// session is one partition in the hands of one member: Begin, Records, End.
type session struct {
	m      *member
	ctx    context.Context
	cancel context.CancelFunc
}

func (gs *groups) init(d *Disk) {
	gs.d, gs.byName = d, map[string]*group{}
}

// Join implements chat.Log. A Mark of Begin that the log can not follow ends it, with ErrTrimmed or ErrRewound: reading on from elsewhere
// would skip what nobody has seen. A closed log ends it with ErrUnavailable. Members share partitions evenly; those that stay keep theirs.
func (d *Disk) Join(ctx context.Context, group string, h chat.Handler) error {
	m := &member{handler: h}
	m.ctx, m.leave = context.WithCancelCause(ctx)
	defer m.leave(nil)
	if !d.groups.add(group, m) {
		return fmt.Errorf("join %s: %w: the log is closed", group, chat.ErrUnavailable)
	}
	defer d.groups.members.Done()
	var err error
	select {
	case <-d.closing:
		err = fmt.Errorf("join %s: %w: the log is closed", group, chat.ErrUnavailable)
		m.leave(err)
	case <-m.ctx.Done():
		if ctx.Err() == nil {
			err = fmt.Errorf("join %s: %w", group, context.Cause(m.ctx))
		}
	}
	d.groups.remove(group, m)
	m.sessions.Wait()
	return err
}

// add makes m a member; false: the log is closed.
func (gs *groups) add(name string, m *member) bool {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.closed {
		return false
	}
	gs.members.Add(1)
	g := gs.byName[name]
	if g == nil {
		n := len(gs.d.parts)
		g = &group{owner: make([]*member, n), running: make([]*session, n)}
		gs.byName[name] = g
	}
	g.members = append(g.members, m)
	gs.rebalance(name, g)
	return true
}

func (gs *groups) remove(name string, m *member) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g := gs.byName[name]
	for i, other := range g.members {
		if other == m {
			g.members = append(g.members[:i:i], g.members[i+1:]...)
			break
		}
	}
	gs.rebalance(name, g)
}

// wait returns when every Join has ended; Close has told them to.
func (gs *groups) wait() {
	gs.mu.Lock()
	gs.closed = true
	gs.mu.Unlock()
	gs.members.Wait()
}

// rebalance decides who should have what, and starts or ends sessions towards it. Needs mu.
func (gs *groups) rebalance(name string, g *group) {
	g.share()
	idle := true
	for p, s := range g.running {
		switch {
		case s != nil && s.m != g.owner[p]:
			s.cancel() // the next owner begins when it has ended
		case s == nil && g.owner[p] != nil:
			gs.start(name, g, p)
		}
		idle = idle && g.running[p] == nil
	}
	if idle && len(g.members) == 0 {
		delete(gs.byName, name)
	}
}

// share gives every partition an owner: each keeps what he has up to an even share, the rest goes to those who have least.
func (g *group) share() {
	held := map[*member]int{}
	var here []*member // in the order in which they came
	for _, m := range g.members {
		if m.ctx.Err() == nil { // else he is about to leave
			held[m] = 0
			here = append(here, m)
		}
	}
	if len(here) == 0 {
		clear(g.owner)
		return
	}
	most := (len(g.owner) + len(held) - 1) / len(held)
	for p, m := range g.owner {
		if n, stays := held[m]; m == nil || !stays || n >= most {
			g.owner[p] = nil
		} else {
			held[m]++
		}
	}
	for {
		least, top := extremes(here, held)
		p := g.free()
		if p < 0 && held[top]-held[least] < 2 {
			return
		}
		if p < 0 { // nobody's is left: the one who has most gives one up
			for q, m := range g.owner {
				if m == top {
					p = q
				}
			}
			held[top]--
		}
		g.owner[p] = least
		held[least]++
	}
}

// free gives a partition without an owner, or -1.
func (g *group) free() int {
	for p, m := range g.owner {
		if m == nil {
			return p
		}
	}
	return -1
}

// extremes gives the members who have least and most, the first of them where several do.
func extremes(here []*member, held map[*member]int) (least, top *member) {
	least, top = here[0], here[0]
	for _, m := range here[1:] {
		if held[m] < held[least] {
			least = m
		}
		if held[m] > held[top] {
			top = m
		}
	}
	return least, top
}

// start begins the session of p's owner. Needs mu.
func (gs *groups) start(name string, g *group, p int) {
	s := &session{m: g.owner[p]}
	s.ctx, s.cancel = context.WithCancel(s.m.ctx)
	g.running[p] = s
	s.m.sessions.Add(1)
	go func() {
		defer s.m.sessions.Done()
		defer func() {
			s.cancel()
			gs.mu.Lock()
			defer gs.mu.Unlock()
			g.running[p] = nil
			gs.rebalance(name, g)
		}()
		gs.d.serve(s.ctx, name, p, s.m)
	}()
}

// serve is a session: it reads partition p to a handler until ctx ends.
func (d *Disk) serve(ctx context.Context, name string, p int, m *member) {
	begun := false
	defer func() {
		if begun {
			m.handler.End(p)
		}
	}()
	for wait := newBackoff(); ctx.Err() == nil; wait.pause(ctx) {
		begun = true
		mark, err := m.handler.Begin(ctx, p)
		if err != nil {
			if wait.first() && ctx.Err() == nil {
				m.unready.note(d.log, name, p, err)
			}
			continue
		}
		calls := 0
		err = d.Tail(ctx, p, mark, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
			calls++
			m.handler.Records(ctx, p, rs, upTo, atEnd)
			return ctx.Err()
		})
		if ctx.Err() != nil {
			return
		}
		if calls == 0 && (errors.Is(err, chat.ErrTrimmed) || errors.Is(err, chat.ErrRewound)) {
			m.leave(err)
			return
		}
		if calls > 0 {
			wait = newBackoff()
		}
		if wait.first() {
			d.log.Error("a reader of the log was stopped; it begins again", "group", name, "partition", p, "err", err)
		}
	}
}

// backoff is a pause that grows, with full jitter (recipes.md §E6).
type backoff struct{ next time.Duration }

const (
	backoffMin = 100 * time.Millisecond
	backoffMax = 5 * time.Second
)

func newBackoff() *backoff { return &backoff{next: backoffMin} }

// first tells whether there was no pause yet.
func (b *backoff) first() bool { return b.next == backoffMin }

func (b *backoff) pause(ctx context.Context) {
	t := time.NewTimer(backoffMin/4 + rand.N(b.next))
	defer t.Stop()
	b.next = min(2*b.next, backoffMax)
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
