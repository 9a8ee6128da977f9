package persist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// worker saves one partition.
type worker struct {
	s      *Persister
	number int

	// Of the log's serial calls.
	place  chat.Mark // W: saved through here
	tries  int       // operations of the store that failed since a record was stored or W moved
	run    int       // records buried on a guess since one was stored
	looked time.Time // when the log was asked how far it reaches
	cut    trimmer

	// Guarded by Persister.mu.
	begun   bool
	touched time.Time // the last failed Begin
	first   chat.Seq  // the log's first place
	state   PartitionState
	op      uint64 // counts operations of the store, so that a timer knows its own
}

// begin starts at W. If that lies in an older generation, or nowhere, it is the zero Mark: this log's first record.
func (w *worker) begin(place chat.Mark, info chat.LogInfo) chat.Mark {
	part := info.Partitions[w.number]
	w.place, w.looked = place, time.Now()
	w.cut = newTrimmer(w.s.opt, part, place.Seq)
	w.s.mu.Lock()
	w.begun, w.first = true, part.First
	w.state.W, w.state.Head = place.Seq, max(part.Last, place.Seq)
	w.s.mu.Unlock()
	w.resume("persister begins after all", place.Seq)
	w.s.hasBegun(w.number, place.Seq+1)
	if place.Seq.Generation() < info.Generation {
		return chat.Mark{}
	}
	return place
}

func (w *worker) failBegin(err error) {
	w.s.mu.Lock()
	w.touched = time.Now()
	w.s.mu.Unlock()
	w.pause(0, reasonOf(err))
}

// look keeps how far the log reaches: upTo at its end; before that the log is asked, at most once a second.
func (w *worker) look(ctx context.Context, upTo chat.Seq, atEnd bool) {
	w.s.mu.Lock()
	w.state.Head = max(w.state.Head, upTo)
	w.s.mu.Unlock()
	if !atEnd && time.Since(w.looked) >= time.Second {
		w.ask(ctx)
	}
}

// ask asks the log how far it reaches. No answer is no news.
func (w *worker) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if info, err := w.s.log.Info(ctx); err == nil {
		w.reach(info)
	}
}

func (w *worker) reach(info chat.LogInfo) {
	if w.looked = time.Now(); w.number >= len(info.Partitions) {
		return
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.first = info.Partitions[w.number].First
	w.state.Head = max(w.state.Head, info.Partitions[w.number].Last)
}

// save does not return before the store has the batch, or ctx ends (false). The same batch is tried again and again, so that saving
// resumes at the record at which it stopped.
func (w *worker) save(ctx context.Context, b *batch) bool {
	for {
		err := w.pass(ctx, b)
		switch {
		case err == nil:
			w.saved(b)
			w.s.refuse(w.number, nil)
			w.resume("persister resumed", b.first)
			return true
		case ctx.Err() != nil:
			return false
		}
		w.pause(b.first, reasonOf(err))
		for err != nil {
			if !w.s.rest(ctx, w.tries-1) {
				return false
			}
			if err = w.answers(ctx); err != nil && ctx.Err() == nil {
				w.tries++
				w.pause(b.first, reasonOf(err)) // keeps the newest reason
				w.ask(ctx)                      // the lag grows meanwhile
			}
		}
	}
}

func (w *worker) saved(b *batch) {
	w.place, w.tries = b.upTo, 0
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.state.W = b.upTo.Seq
	w.s.stats.Batches++
	w.s.stats.Records += uint64(len(b.items))
	w.s.stats.Copies += uint64(b.copies)
}

// call runs one operation that writes what the batch needs. One that takes long begins a pause; the end of the batch ends it.
func (w *worker) call(ctx context.Context, b *batch, op func(context.Context) error) error {
	short, cancel := context.WithTimeout(ctx, w.s.opt.Wait)
	defer cancel()
	w.s.mu.Lock()
	w.op++
	mine := w.op
	w.s.mu.Unlock()
	slow := time.AfterFunc(w.s.opt.Slow, func() {
		w.pauseIf(b.first, "the store does not answer", func() bool { return w.op == mine })
	})
	err := op(short)
	slow.Stop()
	w.s.mu.Lock()
	w.op++ // from here on the timer is too late
	if err != nil {
		w.s.stats.Failures++
	}
	w.s.mu.Unlock()
	if err != nil {
		w.tries++
		if errors.Is(err, chat.ErrRewound) { // a place is taken by another record
			err = mismatchf("the log is not the one the store was saved from: %s", reasonOf(err))
			w.s.refuse(w.number, err)
			return err
		}
		if errors.Is(short.Err(), context.DeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err) // in the driver's words
		}
		return err
	}
	return nil
}

// answers asks whether the store reads and writes, and whether it still is what was saved into. It changes nothing.
func (w *worker) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.s.opt.Slow)
	defer cancel()
	st, info, err := w.s.check(ctx, false)
	if err == nil {
		w.reach(info)
	} else if !errors.Is(err, errLog) { // a log that does not answer is nothing against the store
		return err
	}
	if has := markOf(st, w.number).Seq; has < w.place.Seq {
		return fmt.Errorf("the store has partition %d only through %d, but it was saved through %d: the store went back; restart the server to save it again",
			w.number, has, w.place.Seq)
	}
	return w.s.archive.Save(ctx, w.number, nil, w.place)
}

// pause says that nothing is saved from position on. Log line, counter and news come once per pause.
func (w *worker) pause(position chat.Seq, reason string) {
	w.pauseIf(position, reason, func() bool { return true })
}

func (w *worker) pauseIf(position chat.Seq, reason string, still func() bool) {
	w.s.mu.Lock()
	if !still() {
		w.s.mu.Unlock()
		return
	}
	news := w.state.Phase != Paused
	w.state.Reason = reason
	if news {
		w.state.Phase, w.state.Since, w.state.Position = Paused, time.Now(), position
		w.s.stats.Pauses++
	}
	w.s.mu.Unlock()
	switch {
	case news && position == 0:
		w.s.logger.Debug("persister can not begin; nothing is fetched", "partition", w.number, "reason", reason) // the log warns, once for all partitions
	case news:
		w.s.logger.Warn("persister paused", "partition", w.number, "position", position, "reason", reason)
	}
	if news {
		w.s.tell()
	}
}

// resume ends a pause, if there is one, and says so: saving goes on at position.
func (w *worker) resume(said string, position chat.Seq) {
	w.s.mu.Lock()
	news, since := w.state.Phase == Paused, w.state.Since
	if news {
		w.state.Phase, w.state.Since, w.state.Reason, w.state.Position = Running, time.Now(), "", 0
	}
	w.s.mu.Unlock()
	if news {
		w.s.logger.Info(said, "partition", w.number, "position", position, "paused", time.Since(since).Round(time.Millisecond))
		w.s.tell()
	}
}
