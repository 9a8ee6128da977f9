package msglog_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// sender appends numbered records to partition 0, one behind the other, and keeps what it is told.
type sender struct {
	log   chat.Log
	free  chan struct{} // holds a token for each that may be on its way
	stop  chan struct{}
	ended sync.WaitGroup

	mu    logtest.Watched
	sent  int
	told  map[chat.MessageID][]error
	acked []chat.MessageID // in the order in which they were sent
}

// sends begins to append, so many at a time, until finish.
func sends(log chat.Log, atATime int) *sender {
	s := &sender{log: log, free: make(chan struct{}, atATime), stop: make(chan struct{}), told: map[chat.MessageID][]error{}}
	s.ended.Go(func() {
		for n := 0; ; n++ {
			select {
			case s.free <- struct{}{}:
			case <-s.stop:
				return
			}
			select {
			case <-s.stop:
				return
			default:
			}
			s.send(n, func(error) { <-s.free })
		}
	})
	return s
}

func (s *sender) send(n int, done func(error)) {
	r := message(n, 50)
	s.mu.Lock()
	s.sent++
	s.mu.Unlock()
	s.log.Append(r, func(_ chat.Seq, err error) {
		s.mu.Change(func() {
			s.told[r.ID] = append(s.told[r.ID], err)
			if err == nil {
				s.acked = append(s.acked, r.ID)
			}
		})
		done(err)
	})
}

// until waits for a state of the sender; ok is called under its lock.
func (s *sender) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !s.mu.Until(kafkaPatience, ok) {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.Fatalf("waited in vain until %s: %d sent, %d answered, %d acked", what, s.sent, len(s.told), len(s.acked))
	}
}

// more waits for n more acknowledgements.
func (s *sender) more(t testing.TB, n int) {
	t.Helper()
	s.mu.Lock()
	n += len(s.acked)
	s.mu.Unlock()
	s.until(t, "more is acknowledged", func() bool { return len(s.acked) >= n })
}

// finish stops appending, waits for every answer, and holds what was told against the log (read by another handle, if it is not the
// sender's): what was acked is there once, in its order; what was refused is not; each was answered once.
func (s *sender) finish(t *testing.T, log chat.Log) (inLog []chat.MessageID) {
	t.Helper()
	close(s.stop)
	s.ended.Wait()
	s.until(t, "everything is answered", func() bool { return len(s.told) == s.sent })
	inLog, _ = readAll(t, log, chat.Mark{})
	times := map[chat.MessageID]int{}
	for _, id := range inLog {
		times[id]++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var unknown, refused int
	for id, answers := range s.told {
		if len(answers) != 1 {
			t.Errorf("%s was answered %d times: %v", id, len(answers), answers)
		}
		switch err := answers[0]; {
		case err == nil && times[id] != 1:
			t.Errorf("%s was acknowledged, and is in the log %d times", id, times[id])
		case errors.Is(err, chat.ErrUnavailable), errors.Is(err, chat.ErrOverloaded):
			if refused++; times[id] != 0 {
				t.Errorf("%s was refused (%v), and is in the log", id, err)
			}
		case errors.Is(err, chat.ErrUnknown):
			if unknown++; unknown == 1 {
				t.Logf("unknown: %v", err)
			}
		case err != nil:
			t.Errorf("%s: an error of no kind: %v", id, err)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(inLog), func(id chat.MessageID) bool { return s.told[id] == nil || s.told[id][0] != nil })
	if !slices.Equal(kept, s.acked) {
		t.Errorf("%d are acknowledged, and %d of them in the log, in another order", len(s.acked), len(kept))
	}
	t.Logf("%d sent, %d acked, %d unknown, %d refused, %d in the log", s.sent, len(s.acked), unknown, refused, len(inLog))
	return inLog
}

// follows starts a Tail of partition 0 and returns when it is at the end; what it ends with comes later. A busy machine may end it before, as
// an outage does: then another is started.
func follows(t *testing.T, log chat.Log) (ended <-chan error) {
	t.Helper()
	for until := time.Now().Add(kafkaPatience); ; {
		atEnd, tailed := make(chan struct{}), make(chan error, 1)
		var once sync.Once
		go func() {
			tailed <- log.Tail(t.Context(), 0, chat.Mark{}, func(_ []chat.Record, _ chat.Mark, end bool) error {
				if end {
					once.Do(func() { close(atEnd) })
				}
				return nil
			})
		}()
		select {
		case <-atEnd:
			return tailed
		case err := <-tailed:
			if !errors.Is(err, chat.ErrUnavailable) || time.Now().After(until) {
				t.Fatalf("before anything was taken away, a Tail ended with %v", err)
			}
		}
	}
}

// away is what everybody sees while the brokers do not answer: a Tail that runs and one that begins end with ErrUnavailable, as does Info,
// new appends are refused; all of that soon, and a member of a group waits.
func away(t *testing.T, log chat.Log, stop func()) {
	t.Helper()
	tailed := follows(t, log)
	stop()
	start := time.Now()
	_, infoErr := log.Info(t.Context())
	info := time.Since(start)
	tailErr := <-tailed
	tail := time.Since(start)
	var refusal error
	within(t, kafkaPatience, "an append is refused", func() bool {
		answer := make(chan error, 1)
		log.Append(message(1_000_000, 10), func(_ chat.Seq, err error) { answer <- err })
		select {
		case refusal = <-answer:
			return errors.Is(refusal, chat.ErrUnavailable)
		case <-time.After(100 * time.Millisecond): // taken into the queue
			return false
		}
	})
	refused := time.Since(start)
	again := time.Now()
	againErr := log.Tail(context.Background(), 0, chat.Mark{}, func([]chat.Record, chat.Mark, bool) error { return nil })
	next := time.Since(again)
	t.Logf("Info failed after %v, a Tail after %v, an append was refused after %v (%v), the next Tail after %v", info, tail, refused, refusal, next)
	const busy = 4 * time.Second // what a busy machine may add
	for what, c := range map[string]struct {
		err        error
		took, most time.Duration
	}{"Info": {infoErr, info, 2 * time.Second}, "a Tail": {tailErr, tail, 3 * time.Second}, "the next Tail": {againErr, next, 2 * time.Second},
		"an append": {refusal, refused, 5 * time.Second}} {
		if !errors.Is(c.err, chat.ErrUnavailable) || c.took > c.most+busy {
			t.Errorf("%s: %v after %v", what, c.err, c.took)
		}
	}
}
