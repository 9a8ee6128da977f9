package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// scanner reads one partition of the log for all rooms that want it, in one pass at a time: a pass begins at the lowest position
// wanted. Its goroutine lives while somebody wants something. There are two per partition, so that a hole in a room that is live does
// not wait for the long way from W of one that opens.
type scanner struct {
	hub  *Hub
	part *partition
	cold bool          // for rooms that open; else for holes, and for the fallback
	poke chan struct{} // holds one: look again

	mu      sync.Mutex
	wants   []want
	running bool
}

// want says that a room wants to read on, from a moment on: what is missing may come by bus before.
type want struct {
	r   *room
	due time.Time
}

func newScanner(p *partition, cold bool) *scanner {
	return &scanner{hub: p.hub, part: p, cold: cold, poke: make(chan struct{}, 1)}
}

// want adds a room; a room asks again only when it has been told that it is done (settle). Under the room's lock.
func (s *scanner) want(r *room, due time.Time) {
	s.mu.Lock()
	s.wants = append(s.wants, want{r, due})
	s.mu.Unlock()
	s.rouse()
}

// rouse makes the scanner look at what is wanted.
func (s *scanner) rouse() {
	s.mu.Lock()
	start := !s.running
	s.running = true
	s.mu.Unlock()
	if start {
		s.hub.spawn(s.run)
		return
	}
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// run makes passes until nothing is wanted.
func (s *scanner) run() {
	back := retryLog
	for s.hub.ctx.Err() == nil {
		members, next := s.due()
		if len(members) == 0 && len(s.tailed()) == 0 {
			if next.IsZero() && s.rest() {
				return
			}
			s.sleep(next)
			continue
		}
		err := s.pass(members)
		switch {
		case err == nil:
			back = retryLog
			continue
		case s.hub.ctx.Err() != nil:
			return
		}
		if back == retryLog { // once, however long it lasts
			s.hub.log.Warn("reading the log for open rooms", "partition", s.part.index, "error", err)
		}
		if !pause(s.hub.ctx, back) {
			return
		}
		back = min(2*back, maxRetry)
	}
}

// rest ends the goroutine, unless something has been wanted meanwhile.
func (s *scanner) rest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = len(s.wants) > 0
	return !s.running
}

// sleep waits until next, or until the scanner is roused.
func (s *scanner) sleep(next time.Time) {
	wait := time.Until(next)
	if next.IsZero() {
		wait = maxRetry
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.poke:
	case <-s.hub.ctx.Done():
	}
}

// due takes the rooms that want to read now and still need to, by id; next: when another one will.
func (s *scanner) due() (members []*member, next time.Time) {
	s.mu.Lock()
	now := time.Now()
	var taken []*room
	s.wants = slices.DeleteFunc(s.wants, func(w want) bool {
		if w.due.After(now) {
			if next.IsZero() || w.due.Before(next) {
				next = w.due
			}
			return false
		}
		taken = append(taken, w.r)
		return true
	})
	s.mu.Unlock()
	for _, r := range taken {
		if !r.settle(s.cold) {
			members = append(members, &member{r: r})
		}
	}
	slices.SortFunc(members, func(a, b *member) int { return strings.Compare(string(a.r.id), string(b.r.id)) })
	return members, next
}

// tailed gives the rooms for which the fallback reads.
func (s *scanner) tailed() []*room {
	if s.cold || !s.part.tails() {
		return nil
	}
	var out []*room
	for _, r := range s.part.snapshot() {
		if _, ready := r.place(); ready {
			out = append(out, r)
		}
	}
	return out
}

// errPassed ends a pass.
var errPassed = errors.New("the pass has done what it was for")

// pass reads the log once for all members, and for the fallback if that is on. A room whose hole the log no longer has is reset.
func (s *scanner) pass(members []*member) error {
	p := &pass{s: s, members: members}
	p.begin()
	s.hub.count.passes.Add(1)
	s.hub.count.fills.Add(int64(len(members)))
	ctx, cancel := context.WithCancel(s.hub.ctx)
	defer cancel()
	start := p.at
	err := s.hub.cfg.Log.Tail(ctx, s.part.index, start, p.step)
	switch {
	case errors.Is(err, errPassed):
		err = nil
	case errors.Is(err, chat.ErrTrimmed) && p.at == start:
		p.reset(func(at chat.Mark) bool { return at.Seq <= start.Seq })
	case errors.Is(err, chat.ErrRewound):
		s.hub.log.Error("the log went back: rooms are closed", "partition", s.part.index, "position", start.Seq)
		p.reset(func(chat.Mark) bool { return true })
	case err == nil:
		err = chat.ErrUnavailable // a Tail ends with an error only; whatever this was, try again later
	}
	now := time.Now()
	s.mu.Lock()
	for _, m := range p.members {
		s.wants = append(s.wants, want{m.r, now})
	}
	s.mu.Unlock()
	return err
}
