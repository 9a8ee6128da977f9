package chat

import (
	"context"
	"errors"
	"time"
)

// flight is a request on its way into the log, with everybody who waits for it: the first try and its retries.
type flight struct {
	room    RoomID
	sum     uint64
	started time.Time
	waiters []waiter
}

// waiter is one try. done runs once, without a lock, and must not block.
type waiter struct {
	due  time.Time // then it is answered with `unknown`
	done func(Receipt, error)
}

// submission is a request that may become a record.
type submission struct {
	rec      Record
	clientID string
	allow    func() error // the rules; asked only of a request that is not known
}

// submit answers a request that is known as the first time, and appends any other (model/door.go). Known is: on its way here; in the
// memory of an open room; or, if it is not young, in the store. It returns when the record is with the log or done has run.
func (s *Service) submit(ctx context.Context, sub submission, done func(Receipt, error)) {
	w := waiter{s.due(ctx), done}
	if s.join(sub.rec, w) {
		return
	}
	if r, ok := s.ports.Rooms.Seen(sub.rec.Room, sub.rec.ID); ok {
		done(s.again(sub.rec, r))
		return
	}
	// Before the rules: who may do something because of a request that is itself not through is told to try again, not refused.
	if s.Stats().Stuck {
		done(Receipt{}, Errorf(CodeUnavailable, "the log does not answer; nothing was stored, try again").after(time.Second))
		return
	}
	if err := sub.allow(); err != nil {
		done(Receipt{}, err)
		return
	}
	age := ageOf(sub.clientID, time.Now())
	membership := sub.rec.Kind == KindJoin || sub.rec.Kind == KindLeave
	if membership && !age.fresh(s.times) {
		done(Receipt{}, Errorf(CodeConflict, "clientId: more than %v away from the server's clock; ask anew with a new one", s.times.Patience))
		return
	}
	if !s.start(sub.rec, w) {
		return
	}
	if !age.young(s.times) && s.lookUp(ctx, sub.rec, age) {
		return
	}
	s.ports.Log.Append(sub.rec, func(seq Seq, err error) {
		s.finish(sub.rec.ID, Receipt{ID: sub.rec.ID, Seq: seq, Sent: sub.rec.Sent, Sum: sub.rec.Sum}, err)
	})
}

// due is when a try is answered with `unknown`: after Times.Wait, or a little before its own deadline.
func (s *Service) due(ctx context.Context) time.Time {
	due := time.Now().Add(s.times.Wait)
	if d, ok := ctx.Deadline(); ok && d.Before(due) {
		return d
	}
	return due
}

// join puts a retry beside the request that is on its way; false if there is none.
func (s *Service) join(r Record, w waiter) bool {
	s.mu.Lock()
	f, ok := s.flights[r.ID]
	var err error
	switch {
	case !ok:
	case f.sum != r.Sum:
		s.counts.Conflicts++
		err = ErrConflict
	case len(f.waiters) >= s.limits.Retries:
		err = ErrOverloaded
	default:
		s.counts.Repeats++
		f.waiters = append(f.waiters, w)
	}
	s.mu.Unlock()
	if err != nil {
		w.done(Receipt{}, err)
	}
	return ok
}

// again is the answer to a request whose record is known.
func (s *Service) again(r Record, known Receipt) (Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known.Sum != r.Sum {
		s.counts.Conflicts++
		return Receipt{}, ErrConflict
	}
	s.counts.Repeats++
	return known, nil
}

// start gives the request its place among the flights; false: somebody else's try is on its way, or there is no room, and w is
// taken care of.
func (s *Service) start(r Record, w waiter) bool {
	if s.join(r, w) {
		return false
	}
	s.mu.Lock()
	if _, raced := s.flights[r.ID]; raced {
		s.mu.Unlock()
		return s.start(r, w)
	}
	if len(s.flights) >= s.limits.InFlight {
		s.mu.Unlock()
		w.done(Receipt{}, ErrOverloaded)
		return false
	}
	s.flights[r.ID] = &flight{room: r.Room, sum: r.Sum, started: time.Now(), waiters: []waiter{w}}
	if s.sweeper == nil {
		s.sweeper = time.AfterFunc(s.times.Wait/20, s.sweep)
	}
	s.mu.Unlock()
	return true
}

// lookUp asks the store for the record of an old request, and finishes it if it is there. If the store does not answer, a message is
// accepted all the same: a copy that late is one which clients drop. So is a change of membership while the hubs remember its first
// copy. Any other would take effect a second time, and undo what came between: it has to wait for the store.
func (s *Service) lookUp(ctx context.Context, r Record, age age) (finished bool) {
	err := error(ErrUnavailable)
	if !s.ports.Paused() {
		var row Record
		ctx, cancel := context.WithTimeout(ctx, s.times.Lookup)
		row, err = s.ports.History.ByID(ctx, r.Room, r.ID)
		cancel()
		if err == nil {
			known, err := s.again(r, Receipt{ID: row.ID, Seq: row.Seq, Sent: row.Sent, Sum: row.Sum})
			s.land(r.ID, known, err)
			return true
		}
	}
	if errors.Is(err, ErrNotFound) || r.Kind == KindMessage || age.fresh(s.times) {
		return false
	}
	s.land(r.ID, Receipt{}, ErrUnavailable)
	return true
}

// finish takes the log's answer to a request.
func (s *Service) finish(id MessageID, r Receipt, err error) {
	if _, typed := errors.AsType[*Error](err); err != nil && !typed {
		s.log.Error("append to the log", "error", err)
		err = ErrUnknown
	}
	s.mu.Lock()
	if err == nil {
		s.counts.Appended++
		s.success, s.stuck = time.Now(), false
	} else {
		s.counts.Failed++
	}
	s.mu.Unlock()
	s.land(id, r, err)
}

// land answers all tries of a request, whoever knew the answer. What the store knew says nothing of the log.
func (s *Service) land(id MessageID, r Receipt, err error) {
	s.mu.Lock()
	f := s.flights[id]
	delete(s.flights, id)
	s.stuck = s.stuck && len(s.flights) > 0 // nobody waits any more: the next request finds out
	if f != nil && err == nil {
		s.remember(f.room, r.Seq)
	}
	s.mu.Unlock()
	if f == nil {
		return
	}
	for _, w := range f.waiters {
		w.done(r, err)
	}
}

// sweep answers with `unknown` what has waited long enough, and notices a log that does not answer. The record stays on its way: its
// retries wait with it. One timer serves all requests.
func (s *Service) sweep() {
	s.mu.Lock()
	now := time.Now()
	var late []waiter
	oldest := now
	for _, f := range s.flights {
		kept := f.waiters[:0:0]
		for _, w := range f.waiters {
			if w.due.After(now) {
				kept = append(kept, w)
			} else {
				late = append(late, w)
			}
		}
		f.waiters = kept
		if f.started.Before(oldest) {
			oldest = f.started
		}
	}
	s.counts.Expired += int64(len(late))
	was := s.stuck
	s.stuck = now.Sub(oldest) >= s.times.Wait && now.Sub(s.success) >= s.times.Wait
	begins := s.stuck && !was
	s.sweeper = nil
	if len(s.flights) > 0 {
		s.sweeper = time.AfterFunc(s.times.Wait/20, s.sweep)
	}
	s.mu.Unlock()
	if begins {
		s.log.Warn("the log does not answer: requests are refused until it does", "waiting_since", oldest)
	}
	for _, w := range late {
		w.done(Receipt{}, ErrUnknown)
	}
}

// wait submits and waits for the answer: at most Times.Wait, since the sweep answers then.
func (s *Service) wait(ctx context.Context, sub submission) (Receipt, error) {
	type answer struct {
		r   Receipt
		err error
	}
	ch := make(chan answer, 1)
	s.submit(ctx, sub, func(r Receipt, err error) { ch <- answer{r, err} })
	select {
	case a := <-ch:
		return a.r, a.err
	case <-ctx.Done():
		return Receipt{}, ErrUnknown
	}
}

// settle gives the room's view at or after a record that is durable. A node that is behind gets the caller's whole time to catch up;
// what cannot be had then is `unknown`: the change is made.
func (s *Service) settle(ctx context.Context, room RoomID, r Receipt) (*View, Seq, error) {
	for {
		v, at, err := s.ports.Rooms.View(ctx, room, r.Seq)
		if err == nil && v.Exists() {
			if seen, ok := s.ports.Rooms.Seen(room, r.ID); r.Seq != 0 || ok && seen.Seq != 0 {
				return v, at, nil
			}
			// The broker did not tell the place: the open room will see the record come by.
		}
		select {
		case <-time.After(s.times.HoldOff):
		case <-ctx.Done():
			return nil, 0, ErrUnknown
		}
	}
}
