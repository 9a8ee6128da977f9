package persist

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	marksPerKeep = 100  // marks taken in a keep time
	marksMax     = 1000 // bound of the list, whatever the clocks do
	samples      = 16   // places looked up in the log at a start, whose append times nobody remembers
)

// trimmer finds how much of a partition is older than the keep time. All of it lies behind W.
type trimmer struct {
	keep, step time.Duration
	marks      []mark     // in order of seq
	last       mark       // the newest record seen
	samples    []chat.Seq // places still to be looked up
	done       chat.Seq   // trimmed through here
	next       time.Time
}

// mark says that all records at or below seq were appended at or before at, ms since 1970 by the log's clock.
type mark struct {
	at  int64
	seq chat.Seq
}

func newTrimmer(o Options, part chat.Partition, w chat.Seq) trimmer {
	t := trimmer{keep: o.Times.KeepBehind, step: o.Times.KeepBehind / marksPerKeep, done: part.First - 1}
	if n := w - part.First; o.Trim && n > 0 {
		for i := range chat.Seq(samples) {
			t.samples = append(t.samples, part.First+n*i/samples)
		}
		t.samples = slices.Compact(t.samples)
	}
	return t
}

// trim looks at what has been saved and, now and then, trims what is old enough.
func (w *worker) trim(ctx context.Context, rs []chat.Record, atEnd bool) {
	t, now := &w.cut, time.Now()
	for _, r := range rs {
		t.last = mark{at: max(t.last.at, r.At), seq: r.Seq}
		t.take(t.last, t.step)
	}
	if now.UnixMilli()-t.last.at >= t.step.Milliseconds() { // the last one before a silence
		t.take(t.last, 0)
	}
	if atEnd && len(t.samples) > 0 {
		w.sample(ctx)
	}
	if now.Before(t.next) {
		return
	}
	t.next = now.Add(min(max(t.step, time.Second), time.Minute))
	through := min(t.old(now), w.place.Seq)
	if through <= t.done {
		return
	}
	short, cancel := context.WithTimeout(ctx, w.s.opt.Wait)
	defer cancel()
	if err := w.s.log.Trim(short, w.number, through); err != nil {
		if ctx.Err() == nil {
			w.s.logger.Warn("the log can not be trimmed", "partition", w.number, "through", through, "error", err)
		}
		return
	}
	t.done = through
	t.marks = slices.DeleteFunc(t.marks, func(m mark) bool { return m.seq < through })
	w.s.count(func(s *Stats) { s.Trims++ })
}

// take keeps a mark if it is so much younger than the last one.
func (t *trimmer) take(m mark, step time.Duration) {
	if m.seq == 0 {
		return
	}
	if n := len(t.marks); n > 0 && (m.seq <= t.marks[n-1].seq || m.at < t.marks[n-1].at+step.Milliseconds()) {
		return
	}
	if t.marks = append(t.marks, m); len(t.marks) > marksMax {
		t.marks = slices.Delete(t.marks, 0, 1)
	}
}

// old gives the place through which everything is older than the keep time.
func (t *trimmer) old(now time.Time) (through chat.Seq) {
	cutoff := now.Add(-t.keep).UnixMilli()
	for _, m := range t.marks {
		if m.at > cutoff {
			break
		}
		through = m.seq
	}
	return through
}

var errEnough = errors.New("enough")

// sample looks up when the record at one of the remembered places was appended: without that, a server that is restarted more often
// than once in a keep time would never trim. It is only a help, so an error gives it up.
func (w *worker) sample(ctx context.Context) {
	t := &w.cut
	at := t.samples[0]
	t.samples = t.samples[1:]
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = w.s.log.Tail(ctx, w.number, chat.Mark{Seq: at - 1}, func(rs []chat.Record, _ chat.Mark, _ bool) error {
		if len(rs) > 0 && rs[0].Seq <= w.place.Seq {
			m := mark{at: rs[0].At, seq: rs[0].Seq}
			if i, found := slices.BinarySearchFunc(t.marks, m, func(a, b mark) int { return cmp.Compare(a.seq, b.seq) }); !found {
				t.marks = slices.Insert(t.marks, i, m)
			}
		}
		return errEnough
	})
}
