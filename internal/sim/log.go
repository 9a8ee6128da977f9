package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// log is one partition: the truth. recs[i] has offset i; those before first have been trimmed.
type log struct {
	w          *World
	recs       []chat.Record
	first      int
	down       int // faults that hold it down
	slowAppend float64
	changed    chan struct{} // closed at the next append
}

func newLog(w *World) *log { return &log{w: w, changed: make(chan struct{})} }

// end is the seq of the last record. The caller holds mu, as for all below.
func (l *log) end() chat.Seq { return chat.MakeSeq(1, int64(len(l.recs))-1) }

func (l *log) add(r chat.Record) chat.Seq {
	r.Seq, r.At = chat.MakeSeq(1, int64(len(l.recs))), time.Now().UnixMilli()
	l.recs = append(l.recs, r)
	l.w.check.appended(r)
	close(l.changed)
	l.changed = make(chan struct{})
	return r.Seq
}

// read gives at most limit records above a place.
func (l *log) read(after chat.Seq, limit int) (rs []chat.Record, upTo chat.Seq, atEnd bool, err error) {
	from := 0
	if after.Generation() > 0 {
		from = int(after.Offset()) + 1
	}
	if from < l.first {
		return nil, 0, false, chat.ErrTrimmed
	}
	to := min(len(l.recs), from+limit)
	if from >= to {
		return nil, max(after, l.end()), true, nil
	}
	return append([]chat.Record(nil), l.recs[from:to]...), l.recs[to-1].Seq, to == len(l.recs), nil
}

// logOf is a node's way to the log; it implements chat.Log.
type logOf struct{ n *life }

var _ chat.Log = logOf{}

// unreachable says whether the node cannot reach the log now. The caller holds mu.
func (l logOf) unreachable() bool { return l.n.w.log.down > 0 || l.n.node.cutLog > 0 }

// Append belongs to the node, not to a caller. A producer that cannot get through is given up after stuckFor, so that copies of one
// request lie close together. If the node dies meanwhile, the record may or may not come to be in the log.
func (l logOf) Append(r chat.Record, done func(chat.Seq, error)) {
	w := l.n.w
	if l.n.ctx.Err() != nil { // the dead ask for nothing
		return
	}
	w.spawn(func() {
		w.mu.Lock()
		delay := l.n.between(ms/2, 3*ms)
		if l.n.chance(w.log.slowAppend) {
			delay = l.n.between(0, stuckFor) // overtaken by the client's retry on another node
		}
		give, back, survives := w.now()+stuckFor, l.n.between(ms/2, 2*ms), l.n.chance(0.5)
		w.mu.Unlock()
		for {
			time.Sleep(delay)
			w.mu.Lock()
			stuck, dead := l.unreachable(), l.n.ctx.Err() != nil
			switch {
			case w.over, dead && (stuck || !survives):
				w.mu.Unlock()
				return
			case stuck && w.now() > give:
				w.mu.Unlock()
				done(0, chat.ErrUnknown)
				return
			case stuck:
				delay = 200*ms + l.n.between(0, ms)
				w.mu.Unlock()
			default:
				seq := w.log.add(r)
				w.mu.Unlock()
				time.Sleep(back)
				if l.n.pass() {
					done(seq, nil)
				}
				return
			}
		}
	})
}

// Tail implements chat.Log.
func (l logOf) Tail(ctx context.Context, _ int, after chat.Mark, f func([]chat.Record, chat.Mark, bool) error) error {
	return l.follow(ctx, after.Seq, func() (int, time.Duration) { return batch, 0 }, f)
}

// follow reads on until f errs. pace gives how much is read at a time, and a pause before; 0: not now.
func (l logOf) follow(ctx context.Context, at chat.Seq, pace func() (int, time.Duration), f func([]chat.Record, chat.Mark, bool) error) error {
	w := l.n.w
	for {
		if err := sleep(ctx, l.n.draw(ms/2, 2*ms)); err != nil {
			return err
		}
		limit, pause := pace()
		if limit == 0 {
			if err := sleep(ctx, 100*ms); err != nil {
				return err
			}
			continue
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		w.mu.Lock()
		down := l.unreachable()
		rs, upTo, atEnd, err := w.log.read(at, limit)
		changed := w.log.changed
		back := l.n.between(ms/2, 2*ms)
		w.mu.Unlock()
		if down {
			if err := sleep(ctx, 100*ms); err != nil {
				return err
			}
			return fmt.Errorf("read the log: %w", chat.ErrUnavailable)
		}
		if err != nil {
			return err
		}
		if err := sleep(ctx, back); err != nil || !l.n.pass() {
			return context.Canceled
		}
		if err := f(rs, chat.Mark{Seq: upTo}, atEnd); err != nil {
			return err
		}
		at = upTo
		if !atEnd {
			continue
		}
		idle := time.NewTimer(500 * ms)
		select {
		case <-changed:
		case <-idle.C:
		case <-ctx.Done():
		}
		idle.Stop()
	}
}

// Join implements chat.Log: the world hands the partition out.
func (l logOf) Join(ctx context.Context, name string, h chat.Handler) error {
	w := l.n.w
	g := w.relays
	if name != relayGroup {
		g = w.savers
	}
	m := &member{life: l.n, h: h, ctx: ctx}
	w.mu.Lock()
	g.members = append(g.members, m)
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	g.remove(m)
	w.mu.Unlock()
	return nil
}

// Info implements chat.Log.
func (l logOf) Info(ctx context.Context) (chat.LogInfo, error) {
	w := l.n.w
	if err := sleep(ctx, l.n.draw(ms/2, 2*ms)); err != nil {
		return chat.LogInfo{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.unreachable() {
		return chat.LogInfo{}, chat.ErrUnavailable
	}
	return chat.LogInfo{ID: "log", Generation: 1, Partitions: []chat.Partition{{First: chat.MakeSeq(1, int64(w.log.first)), Last: w.log.end()}}}, nil
}

// Trim implements chat.Log.
func (l logOf) Trim(_ context.Context, _ int, through chat.Seq) error {
	w := l.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := int(through.Offset()) + 1; through.Generation() == 1 && n > w.log.first {
		w.count["log trimmed"]++
		w.log.first = min(n, len(w.log.recs))
	}
	return nil
}

// sleep waits, or ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
