package persist_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

var errGone = errors.New("dial tcp: connection refused")

// logDouble is a log of memory. Every member of its group gets every partition, so that several may save at once.
type logDouble struct {
	mu      sync.Mutex
	id      string
	batch   int           // records of one call
	beat    time.Duration // between two looks at the log's end
	parts   []partDouble
	group   string
	down    bool
	rewound bool // marks with a proof do not fit
	fetched int
}

type partDouble struct {
	recs        []chat.Record
	first, next int64 // offsets
}

const proof = 77

func newLog(partitions int) *logDouble {
	return &logDouble{id: "log-a", batch: 50, beat: 100 * time.Millisecond, parts: make([]partDouble, partitions)}
}

// add appends r to partition p, behind skip offsets that hold nothing.
func (l *logDouble) add(p int, skip int64, r chat.Record) chat.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	part.next += skip
	r.Seq, r.At = chat.MakeSeq(1, part.next), time.Now().UnixMilli()
	part.next++
	part.recs = append(part.recs, r)
	return r
}

// say appends a message to a room of partition p.
func (l *logDouble) say(p int, text string) chat.Record {
	id := chat.MessageID(text)
	room := chat.RoomID(fmt.Sprint("x", p))
	b := chat.Body{ID: id, RoomID: room, User: chat.User{ID: "ann", Name: "Ann"}, Text: &text, At: 5}
	return l.add(p, 0, chat.Record{Kind: chat.KindMessage, Room: room, ID: id, User: "ann", Sent: 5, Sum: 9, Body: b.Encode()})
}

func (l *logDouble) set(f func(*logDouble)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

func (l *logDouble) last(p int) chat.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return chat.MakeSeq(1, l.parts[p].next) - 1
}

func (l *logDouble) first(p int) chat.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return chat.MakeSeq(1, l.parts[p].first)
}

// firstCopies gives what a store should hold of all partitions, by id.
func (l *logDouble) firstCopies() map[chat.MessageID]chat.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[chat.MessageID]chat.Record{}
	for _, part := range l.parts {
		for _, r := range part.recs {
			if _, ok := out[r.ID]; !ok {
				out[r.ID] = r
			}
		}
	}
	return out
}

func (l *logDouble) Info(context.Context) (chat.LogInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return chat.LogInfo{}, chat.ErrUnavailable
	}
	info := chat.LogInfo{ID: l.id, Generation: 1}
	for _, part := range l.parts {
		info.Partitions = append(info.Partitions, chat.Partition{First: chat.MakeSeq(1, part.first), Last: chat.MakeSeq(1, part.next) - 1})
	}
	return info, nil
}

// read gives the next records behind a mark.
func (l *logDouble) read(p int, after chat.Mark) (rs []chat.Record, upTo chat.Mark, atEnd bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	switch {
	case l.down:
		return nil, after, false, chat.ErrUnavailable
	case l.rewound && after.Proof != 0:
		return nil, after, false, chat.ErrRewound
	case part.first > 0 && after.Seq+1 < chat.MakeSeq(1, part.first):
		return nil, after, false, chat.ErrTrimmed
	}
	for _, r := range part.recs {
		if r.Seq <= after.Seq {
			continue
		}
		if len(rs) == l.batch {
			return rs, chat.Mark{Seq: rs[len(rs)-1].Seq, Proof: proof}, false, nil
		}
		rs = append(rs, r)
	}
	l.fetched += len(rs)
	return rs, chat.Mark{Seq: max(after.Seq, chat.MakeSeq(1, part.next)-1), Proof: proof}, true, nil
}

func (l *logDouble) Tail(ctx context.Context, p int, after chat.Mark, f func([]chat.Record, chat.Mark, bool) error) error {
	for {
		rs, upTo, atEnd, err := l.read(p, after)
		if err != nil && !errors.Is(err, chat.ErrUnavailable) {
			return err
		}
		if err == nil {
			if err := f(rs, upTo, atEnd); err != nil {
				return err
			}
			after = upTo
		}
		if err != nil || atEnd {
			select {
			case <-ctx.Done():
			case <-time.After(l.beat):
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (l *logDouble) Join(ctx context.Context, group string, h chat.Handler) error {
	l.set(func(l *logDouble) { l.group = group })
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var wg sync.WaitGroup
	for p := range l.parts {
		wg.Go(func() {
			defer h.End(p)
			for ctx.Err() == nil {
				if mark, err := h.Begin(ctx, p); err == nil {
					err := l.Tail(ctx, p, mark, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
						h.Records(ctx, p, rs, upTo, atEnd)
						return ctx.Err()
					})
					leave(err)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); errors.Is(err, chat.ErrRewound) || errors.Is(err, chat.ErrTrimmed) {
		return fmt.Errorf("join: %w", err)
	}
	return nil
}

func (l *logDouble) Trim(_ context.Context, p int, through chat.Seq) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	part := &l.parts[p]
	part.first = max(part.first, through.Offset()+1)
	part.recs = slices.DeleteFunc(slices.Clone(part.recs), func(r chat.Record) bool { return r.Seq <= through })
	return nil
}

func (l *logDouble) Append(chat.Record, func(chat.Seq, error)) { panic("a persister does not append") }

// archiveDouble is a store of memory that writes row by row and W last, as one without transactions does.
type archiveDouble struct {
	mu      sync.Mutex
	log     chat.LogInfo
	w       []chat.Mark
	rows    map[chat.MessageID]chat.Record
	changes map[chat.MessageID]chat.Change
	order   []chat.MessageID // in which rows came
	dead    map[chat.Seq]string
	saves   int
	// step is asked before each step: "state", "adopt", "save", "row", "w", "bury". An error ends the call there. It runs without mu.
	step func(ctx context.Context, what string, c *chat.Change) error
}

func newArchive() *archiveDouble {
	return &archiveDouble{rows: map[chat.MessageID]chat.Record{}, changes: map[chat.MessageID]chat.Change{}, dead: map[chat.Seq]string{}}
}

func (a *archiveDouble) set(step func(ctx context.Context, what string, c *chat.Change) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.step = step
}

func (a *archiveDouble) do(ctx context.Context, what string, c *chat.Change, f func()) error {
	a.mu.Lock()
	step := a.step
	a.mu.Unlock()
	if step != nil {
		if err := step(ctx, what, c); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	return nil
}

func (a *archiveDouble) State(ctx context.Context) (st chat.ArchiveState, err error) {
	err = a.do(ctx, "state", nil, func() { st = chat.ArchiveState{Log: a.log, W: slices.Clone(a.w)} })
	return st, err
}

func (a *archiveDouble) Adopt(ctx context.Context, l chat.LogInfo) error {
	return a.do(ctx, "adopt", nil, func() { a.log, a.w = l, make([]chat.Mark, len(l.Partitions)) })
}

func (a *archiveDouble) Save(ctx context.Context, p int, cs []chat.Change, w chat.Mark) error {
	if err := a.do(ctx, "save", nil, func() { a.saves++ }); err != nil {
		return err
	}
	if p >= len(a.w) {
		return errors.New("no such partition")
	}
	for i := range cs {
		err := a.do(ctx, "row", &cs[i], func() {
			r := cs[i].Row
			if _, ok := a.rows[r.ID]; !ok {
				a.rows[r.ID], a.changes[r.ID] = r, cs[i]
				a.order = append(a.order, r.ID)
			}
		})
		var u *chat.Unstorable
		if errors.As(err, &u) && u.Index == 0 {
			return &chat.Unstorable{Index: i, Reason: u.Reason}
		}
		if err != nil {
			return err
		}
	}
	return a.do(ctx, "w", nil, func() {
		if w.Seq > a.w[p].Seq {
			a.w[p] = w
		}
	})
}

func (a *archiveDouble) Bury(ctx context.Context, r chat.Record, reason string) error {
	return a.do(ctx, "bury", nil, func() {
		if a.dead[r.Seq] == "" {
			a.dead[r.Seq] = reason
		}
	})
}

// poison makes rows whose body holds the word poison fail in the way of err.
func poison(err error) func(context.Context, string, *chat.Change) error {
	return func(_ context.Context, what string, c *chat.Change) error {
		if what == "row" && c.Row.Kind != chat.KindTombstone && strings.Contains(string(c.Row.Body), "poison") {
			return err
		}
		return nil
	}
}

// gone makes the named steps fail; none: all of them.
func gone(steps ...string) func(context.Context, string, *chat.Change) error {
	return func(_ context.Context, what string, _ *chat.Change) error {
		if len(steps) == 0 || slices.Contains(steps, what) {
			return errGone
		}
		return nil
	}
}
