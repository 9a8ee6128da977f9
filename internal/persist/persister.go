// Package persist is hop 8 of a message's path: it saves the log in the store, in log order, from W on, and is running or paused.
// Two at once do no harm: rows are idempotent, W only rises, and each has itself saved, or found saved, all that lies below what it
// saves (DESIGN.md §4, Persist; model/persist.go). While the store is down it keeps one batch and waits; nothing is skipped.
package persist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Options of a persister. Zero values mean the defaults.
type Options struct {
	Name    string                                // of the deployment; default "hubbub". The group is Name-persist-Store
	Store   string                                // the store's identity, so that nodes with different stores do not share a history
	Times   chat.Times                            // KeepBehind is used; default chat.DefaultTimes
	Logger  *slog.Logger                          // default slog.Default
	Trim    bool                                  // trim the log behind W and KeepBehind
	Back    BackOff                               // between two probes of a store that does not answer
	Wait    time.Duration                         // for one operation of the store; default 5 s
	Gather  time.Duration                         // at the log's end, from one save to the next, so that few syncs of the store disturb those of the log; more after a large one; default 50 ms, negative: none
	Slow    time.Duration                         // an operation that has not answered by then counts as a pause; default 3 s
	OnState func(State)                           // told after every pause, resume, refusal and End, one at a time; must not block
	Jitter  func(max time.Duration) time.Duration // default: uniform in [0, max)
	Breaks  Breaks                                // for the simulation only
}

// Break names a rule that the simulation breaks on purpose. None is ever set in production.
type Break string

// Breaks are the rules that are broken; nil: none.
type Breaks map[Break]bool

// UnfoldedBatch is the one rule that a Persister can break: the copies in a batch are written like the rest, in the store's own order.
const UnfoldedBatch Break = "unfolded-batch"

// BackOff bounds a wait with full jitter: between nothing and a bound that doubles from First to Most.
type BackOff struct {
	First, Most time.Duration // default 100 ms, 5 s
}

// Persister is a node's persister: a chat.Handler that the log hands partitions to. Safe for concurrent use.
type Persister struct {
	log     chat.Log
	archive chat.Archive
	opt     Options
	logger  *slog.Logger

	mu       sync.Mutex
	workers  map[int]*worker   // those that the log handed to this node
	waiting  string            // why Run has not joined the group yet; empty: it has
	since    time.Time         // of waiting
	refusals map[int]*Mismatch // by who found it: byCheck, byJoin, a partition
	adopting bool              // the store knows the log, but not yet every W
	begun    begunLine         // partitions to tell of
	stats    Stats

	telling sync.Mutex // held while OnState runs
}

var _ chat.Handler = (*Persister)(nil)

// New makes a persister of log into archive.
func New(log chat.Log, archive chat.Archive, o Options) *Persister {
	if o.Name == "" {
		o.Name = "hubbub"
	}
	if o.Times.KeepBehind <= 0 {
		o.Times.KeepBehind = chat.DefaultTimes().KeepBehind
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Back.First <= 0 {
		o.Back.First = 100 * time.Millisecond
	}
	if o.Back.Most <= 0 {
		o.Back.Most = 5 * time.Second
	}
	if o.Wait <= 0 {
		o.Wait = 5 * time.Second
	}
	if o.Gather == 0 {
		o.Gather = 50 * time.Millisecond
	}
	if o.Slow <= 0 {
		o.Slow = 3 * time.Second
	}
	if o.Jitter == nil {
		o.Jitter = rand.N[time.Duration]
	}
	return &Persister{log: log, archive: archive, opt: o, logger: o.Logger, workers: map[int]*worker{}, refusals: map[int]*Mismatch{}}
}

// Group is the consumer group of all persisters of a deployment and a store.
func (s *Persister) Group() string { return s.opt.Name + "-persist-" + s.opt.Store }

// Run saves whatever partitions the log hands over, until ctx ends. It joins the group only once Check succeeds; until then, and
// whenever the log turns out not to be the store's, it saves nothing and State says why: that is no error of Run's, since a node can
// serve readers meanwhile. An error means that the log has been closed.
func (s *Persister) Run(ctx context.Context) error {
	for tries := 0; ; tries++ {
		if !s.ready(ctx) {
			return nil
		}
		err := s.log.Join(ctx, s.Group(), s)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case errors.Is(err, chat.ErrRewound): // nobody may guess; an operator has to look, and to start anew
			s.refuse(byJoin, mismatchf("the log is not the one the store was saved from, it does not hold the record at the watermark: %v", err))
			<-ctx.Done()
			return nil
		case !errors.Is(err, chat.ErrTrimmed): // else another persister saved and trimmed while this one began, or Check will refuse
			return fmt.Errorf("persister: %w", err)
		}
		if !s.rest(ctx, tries) {
			return nil
		}
	}
}

// ready waits until Check succeeds; false: ctx ended.
func (s *Persister) ready(ctx context.Context) bool {
	for tries := 0; ; tries++ {
		err := s.Check(ctx)
		if ctx.Err() != nil {
			return false
		}
		s.wait(err)
		if err == nil {
			return true
		}
		if !s.rest(ctx, tries) {
			return false
		}
	}
}

// Begin gives W, read from the store. An error fetches nothing: the store cannot be read, or the log is not the one that it belongs to.
func (s *Persister) Begin(ctx context.Context, p int) (chat.Mark, error) {
	st, info, err := s.check(ctx, true)
	if err == nil && (p < 0 || p >= len(info.Partitions)) {
		err = fmt.Errorf("the log has %d partitions, none of number %d", len(info.Partitions), p)
	}
	w := s.worker(p, true)
	if err != nil {
		w.failBegin(err)
		return chat.Mark{}, fmt.Errorf("persister: begin partition %d: %w", p, err)
	}
	return w.begin(markOf(st, p), info), nil
}

// Records saves a batch, and returns when the store has it: that is the commit. While the store does not answer it waits, and that is
// the pause. If ctx ends first, the batch is left to the partition's next owner.
func (s *Persister) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, atEnd bool) {
	w := s.worker(p, false)
	if w == nil || ctx.Err() != nil {
		return
	}
	w.look(ctx, upTo.Seq, atEnd)
	began := time.Now()
	if b := newBatch(rs, w.place.Seq, upTo, !s.opt.Breaks[UnfoldedBatch]); b != nil && !w.save(ctx, b) {
		return
	}
	if s.opt.Trim {
		w.trim(ctx, rs, atEnd)
	}
	if atEnd && len(rs) > 0 {
		sleep(ctx, s.gather(len(rs))-time.Since(began))
	}
}

// many is how many records at once say that as many will come: then they are gathered for gatherMany times as long. A save writes a page
// for each room that has spoken, however much it said; a save of little is better done soon, since it holds up others for less.
const (
	many       = 400
	gatherMany = 5
)

// gather is how long after the beginning of a save of n records the next one is to begin.
func (s *Persister) gather(n int) time.Duration {
	if n < many {
		return s.opt.Gather
	}
	return gatherMany * s.opt.Gather
}

// sleep waits, not at all if d is not above 0; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// End forgets a partition.
func (s *Persister) End(p int) {
	s.mu.Lock()
	delete(s.workers, p)
	delete(s.refusals, p)
	s.mu.Unlock()
	s.tell()
}

// worker gives the worker of a partition; fresh: a new one that has not begun, unless there is one that has not.
func (s *Persister) worker(p int, fresh bool) *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[p]
	if fresh && (w == nil || w.begun) {
		w = &worker{s: s, number: p}
		w.state = PartitionState{Partition: p, Phase: Running}
		s.workers[p] = w
	}
	return w
}

// wait keeps why Run has not joined the group, and logs it when it begins and when it ends.
func (s *Persister) wait(err error) {
	s.mu.Lock()
	was := s.waiting
	s.waiting = reasonOf(err)
	if was == "" {
		s.since = time.Now()
	}
	now := s.waiting
	s.mu.Unlock()
	switch {
	case was == "" && now != "" && !s.isRefused(): // a refusal has been logged as such
		s.logger.Warn("the persister can not begin; nothing is fetched", "reason", now)
	case was != "" && now == "":
		s.logger.Info("the persister begins")
	}
	if was != now {
		s.tell()
	}
}

// rest waits with full jitter; false if ctx ended.
func (s *Persister) rest(ctx context.Context, tries int) bool {
	bound := s.opt.Back.Most
	if tries < 16 {
		bound = min(bound, s.opt.Back.First<<max(tries, 0))
	}
	return sleep(ctx, max(s.opt.Jitter(bound), time.Millisecond))
}

// markOf gives W of a partition; the zero Mark, before the first record, if the store has none.
func markOf(st chat.ArchiveState, p int) chat.Mark {
	if p < len(st.W) {
		return st.W[p]
	}
	return chat.Mark{}
}
