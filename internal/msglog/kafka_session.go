package msglog

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// queueMax is how many pieces may wait for a handler before its partition is left out of the reading: that is the pause.
const queueMax = 2

// sayAfter is how long a partition may fail to be read, though its broker answers, before that is said: a change of leaders takes less.
const sayAfter = 5 * time.Second

// kafkaSession is one partition in the hands of one member: Begin, Records, End.
type kafkaSession struct {
	m      *kafkaMember
	p      int
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	reads   bool // it has begun, and the place is right
	at      place
	queue   []portion
	failed  error     // why it can not be read on
	ill     time.Time // since when it can not be read, for a reason that may pass; zero: it can
	said    bool      // that it is ill
	told    time.Time // when the last piece was put into the queue
	busy    time.Time // when Records was called, zero: it is not running
	done    place     // what the handler has taken
	anyDone bool
	more    chan struct{} // holds a token when there is something in the queue, or an error
}

func newKafkaSession(m *kafkaMember, p int) *kafkaSession {
	s := &kafkaSession{m: m, p: p, ended: make(chan struct{}), more: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(m.ctx)
	return s
}

// run is the session: it begins, and hands records over until its context ends.
func (s *kafkaSession) run() {
	defer close(s.ended)
	begun := false
	defer func() {
		s.cancel()
		if begun {
			s.m.handler.End(s.p)
		}
	}()
	for wait := newBackoff(); s.ctx.Err() == nil; wait.pause(s.ctx) {
		begun = true
		mark, err := s.m.handler.Begin(s.ctx, s.p)
		if err != nil {
			if wait.first() && s.ctx.Err() == nil {
				s.m.unready.note(s.m.k.log, s.m.group, s.p, err)
			}
			continue
		}
		at, err := s.stand(mark)
		calls := 0
		if err == nil {
			calls, err = s.serve(at)
		}
		if s.ctx.Err() != nil {
			return
		}
		if calls == 0 && isFinal(err) {
			s.m.leave(err)
			return
		}
		if calls > 0 {
			wait = newBackoff()
		}
		if wait.first() {
			s.m.k.log.Error("a reader of the log was stopped; it begins again", "group", s.m.group, "partition", s.p, "err", err)
		}
	}
}

// stand finds the place of a mark, however long the brokers are away.
func (s *kafkaSession) stand(mark chat.Mark) (place, error) {
	for wait := newBackoff(); ; wait.pause(s.ctx) {
		at, err := s.m.k.stand(s.ctx, s.p, mark)
		if err == nil || s.ctx.Err() != nil || !errors.Is(err, chat.ErrUnavailable) {
			return at, err
		}
	}
}

// serve reads from a place to the handler until the context ends or the log can not be followed.
func (s *kafkaSession) serve(at place) (calls int, err error) {
	s.mu.Lock()
	s.reads, s.at, s.queue, s.failed, s.told = true, at, nil, nil, time.Now().Add(-beat)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.reads = false
		s.mu.Unlock()
	}()
	s.m.attend(s.p)
	s.m.nudge()
	for {
		piece, ok, err := s.take()
		switch {
		case s.ctx.Err() != nil:
			return calls, s.ctx.Err()
		case err != nil:
			return calls, err
		case ok:
			calls++
			s.m.handler.Records(s.ctx, s.p, piece.rs, s.m.k.mark(piece.to), piece.atEnd)
			s.taken(piece)
			continue
		}
		select {
		case <-s.more:
		case <-s.ctx.Done():
		}
	}
}

// take gives the next piece for the handler, if there is one.
func (s *kafkaSession) take() (portion, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return portion{}, false, s.failed
	}
	piece := s.queue[0]
	s.queue[0] = portion{}
	s.queue = s.queue[1:]
	s.busy = time.Now()
	return piece, true, nil
}

func (s *kafkaSession) taken(piece portion) {
	s.mu.Lock()
	s.busy = time.Time{}
	if s.ctx.Err() == nil {
		s.done, s.anyDone = piece.to, true
	}
	s.mu.Unlock()
}

// progress gives what the handler has taken, for the commit.
func (s *kafkaSession) progress() (place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done, s.anyDone
}

// wants says from where the session reads on. ready is false while it has not begun or has no space; soon: it will have in a moment.
func (s *kafkaSession) wants() (at place, ready, soon bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil || s.failed != nil:
		return at, false, false
	case !s.reads:
		return at, false, false
	case len(s.queue) >= queueMax:
		return at, false, s.busy.IsZero() || time.Since(s.busy) < time.Second
	}
	return s.at, true, false
}

// deliver puts what was read into the queue; nothing, twice a second. trouble: the reading failed in a way that another leader may mend.
func (s *kafkaSession) deliver(got portion) (trouble bool) {
	if got.err != nil {
		s.mu.Lock()
		at := s.at
		s.mu.Unlock()
		final := s.m.k.readable(s.ctx, s.p, at, got.err)
		if final == nil {
			s.ails(got.err)
			return true
		}
		s.mu.Lock()
		s.failed = final
		s.mu.Unlock()
		s.rouse()
		return false
	}
	s.heals()
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := got.to.next > s.at.next
	if !s.reads || got.from != s.at || !moved && (len(s.queue) > 0 || !s.busy.IsZero() || time.Since(s.told) < beat) {
		return false
	}
	for piece := range pieces(got) {
		s.queue = append(s.queue, piece)
	}
	s.at, s.told = got.to, time.Now()
	s.rouse()
	return false
}

// ails notes that the broker answers, but does not give what is asked for. What lasts is said, once: the handler waits, and nobody else
// knows why.
func (s *kafkaSession) ails(err error) {
	s.mu.Lock()
	if s.ill.IsZero() {
		s.ill = time.Now()
	}
	say, at := !s.said && time.Since(s.ill) > sayAfter, s.at
	s.said = s.said || say
	s.mu.Unlock()
	if say {
		s.m.k.log.Error("a partition can not be read; it is tried again", "group", s.m.group, "partition", s.p, "seq", s.m.k.seq(at.next), "err", err)
	}
}

func (s *kafkaSession) heals() {
	s.mu.Lock()
	said := s.said
	s.ill, s.said = time.Time{}, false
	s.mu.Unlock()
	if said {
		s.m.k.log.Info("the partition is read again", "group", s.m.group, "partition", s.p)
	}
}

func (s *kafkaSession) rouse() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}
