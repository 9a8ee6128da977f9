package persist

import (
	"context"
	"errors"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// runMax is how many records in a row may be taken for unstorable because they, and nothing else, failed. Beyond that it looks like the
// store's fault, and only one more is buried per pause.
const runMax = 8

// pass tries to save the batch once: what no store can hold goes to the dead first, then the rest, then W. An error is a reason to pause.
func (w *worker) pass(ctx context.Context, b *batch) error {
	b.guesses = 0
	for _, it := range b.items {
		if it.bad != "" && it.buried == nil {
			if err := w.bury(ctx, b, it, it.bad); err != nil {
				return err
			}
		}
	}
	return w.write(ctx, b, b.items, b.upTo, 2)
}

// write saves items, then raises W to `to`. A failure while the store answers is the fault of some record: after so many tries the
// items are halved until the culprit is alone, and that goes to the dead. Those behind it are not held up.
func (w *worker) write(ctx context.Context, b *batch, items []*item, to chat.Mark, tries int) error {
	for failed := 1; ; failed++ {
		live, cs := standing(items)
		if len(live) == 0 && to.Seq <= w.place.Seq {
			return nil
		}
		err := w.call(ctx, b, func(ctx context.Context) error { return w.s.archive.Save(ctx, w.number, cs, to) })
		if err == nil {
			w.stored(live)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		var named *chat.Unstorable
		var other *Mismatch
		switch {
		case errors.As(err, &other), errors.Is(err, chat.ErrStoreFailed): // no record's fault
			return err
		case errors.As(err, &named) && named.Index >= 0 && named.Index < len(live):
			if e := w.bury(ctx, b, live[named.Index], clean(named.Reason)); e != nil {
				return e
			}
			failed = 0
			continue
		case named == nil && w.answers(ctx) != nil:
			return err
		case named == nil && failed < tries:
			if !w.s.rest(ctx, 0) { // the store answers, so there is nothing to back off from
				return err
			}
			continue
		case len(live) == 0: // W alone: no record's fault
			return err
		case len(live) == 1:
			if e := w.condemn(ctx, b, live[0], err, named != nil); e != nil {
				return e
			}
			failed, tries = 0, 2
			continue
		}
		return w.halve(ctx, b, live, to)
	}
}

// halve writes both halves without moving W, then W.
func (w *worker) halve(ctx context.Context, b *batch, items []*item, to chat.Mark) error {
	w.s.count(func(s *Stats) { s.Halvings++ })
	half := len(items) / 2
	for _, part := range [][]*item{items[:half], items[half:]} {
		tries := 1
		if len(part) == 1 {
			tries = 2
		}
		if err := w.write(ctx, b, part, w.place, tries); err != nil {
			return err
		}
	}
	return w.write(ctx, b, nil, to, 2)
}

// condemn buries a record that failed alone. One that only took too long is not condemned, and a run of them is not believed.
func (w *worker) condemn(ctx context.Context, b *batch, it *item, err error, named bool) error {
	if !named && errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if !named && w.run >= runMax && b.guesses > 0 {
		return err
	}
	reason := reasonOf(err)
	if e := w.bury(ctx, b, it, reason); e != nil {
		return e
	}
	if !named {
		w.run++
		b.guesses++
	}
	return nil
}

// bury keeps a record's bytes among the dead and puts a tombstone in its place; if it is the tombstone that cannot be stored, nothing.
func (w *worker) bury(ctx context.Context, b *batch, it *item, reason string) error {
	r := it.record()
	if it.buried != nil {
		it.dropped = true
		w.s.logger.Error("a tombstone can not be stored; history has nothing in its place", "partition", w.number, "seq", r.Seq, "reason", reason)
		return nil
	}
	if err := w.call(ctx, b, func(ctx context.Context) error { return w.s.archive.Bury(ctx, r, reason) }); err != nil {
		return err
	}
	it.entomb()
	w.s.count(func(s *Stats) { s.Buried++ })
	w.s.logger.Error("a record can never be stored; a tombstone takes its place", "partition", w.number, "seq", r.Seq,
		"room", clean(string(r.Room)), "id", clean(string(r.ID)), "reason", reason)
	return nil
}

// stored ends a run of guesses, and the back-off, once a record of the log, not a tombstone, has been stored.
func (w *worker) stored(items []*item) {
	for _, it := range items {
		if it.buried == nil {
			w.run, w.tries = 0, 0
			return
		}
	}
}
