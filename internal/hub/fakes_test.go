package hub_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// memLog is a log of memory that can be down, trimmed, and go back.
type memLog struct {
	mu    sync.Mutex
	parts [][]chat.Record
	first []chat.Seq // of each partition: what lies below has been trimmed
	down  bool
	proof uint64
	tails int           // calls of Tail
	grew  chan struct{} // closed when anything changes
	below chat.Seq      // a Tail from below it waits
	gate  chan struct{} // for this to be closed
}

func newMemLog(partitions int) *memLog {
	l := &memLog{parts: make([][]chat.Record, partitions), first: make([]chat.Seq, partitions), proof: 7, grew: make(chan struct{})}
	for p := range l.first {
		l.first[p] = chat.MakeSeq(1, 0)
	}
	return l
}

// change runs f under the lock and wakes the tails.
func (l *memLog) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.grew)
	l.grew = make(chan struct{})
}

func (l *memLog) put(r chat.Record) chat.Record {
	p := chat.PartitionOf(r.Room, len(l.parts))
	l.change(func() {
		r.Seq, r.At = chat.MakeSeq(1, int64(len(l.parts[p]))), now()
		l.parts[p] = append(l.parts[p], r)
	})
	return r
}

func (l *memLog) end(p int) chat.Seq { return chat.MakeSeq(1, int64(len(l.parts[p]))-1) }

func (l *memLog) Append(r chat.Record, done func(chat.Seq, error)) { done(l.put(r).Seq, nil) }

func (l *memLog) Join(context.Context, string, chat.Handler) error { panic("not the hub's") }

func (l *memLog) Trim(context.Context, int, chat.Seq) error { panic("not the hub's") }

func (l *memLog) Info(context.Context) (chat.LogInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info := chat.LogInfo{ID: "mem", Generation: 1}
	if l.down {
		return info, chat.ErrUnavailable
	}
	for p := range l.parts {
		info.Partitions = append(info.Partitions, chat.Partition{First: l.first[p], Last: l.end(p)})
	}
	return info, nil
}

func (l *memLog) Tail(ctx context.Context, p int, after chat.Mark, f func([]chat.Record, chat.Mark, bool) error) error {
	l.mu.Lock()
	l.tails++
	below, gate := l.below, l.gate
	l.mu.Unlock()
	if after.Seq < below {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	at := after
	for {
		l.mu.Lock()
		grew, end := l.grew, l.end(p)
		var rs []chat.Record
		var err error
		switch {
		case l.down:
			err = chat.ErrUnavailable
		case at.Proof != 0 && at.Proof != l.proof:
			err = chat.ErrRewound
		case at.Seq < l.first[p]-1 && l.first[p].Offset() > 0: // a log that is whole may be read from 0
			err = chat.ErrTrimmed
		default:
			for _, r := range l.parts[p] {
				if r.Seq > at.Seq && len(rs) < 100 {
					rs = append(rs, r)
				}
			}
		}
		l.mu.Unlock()
		if err != nil {
			return err
		}
		if n := len(rs); n > 0 {
			at = chat.Mark{Seq: rs[n-1].Seq, Proof: l.proof}
		} else if end > at.Seq {
			at = chat.Mark{Seq: end, Proof: l.proof}
		}
		if err := f(slices.Clone(rs), at, at.Seq >= end); err != nil {
			return err
		}
		if at.Seq < end {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, second)
		select {
		case <-grew:
		case <-wait.Done():
		}
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// memBus hands on at once, in the caller's goroutine.
type memBus struct {
	mu   sync.Mutex
	subs map[chat.Channel][]func([]byte)
}

func (b *memBus) Publish(_ context.Context, ns []chat.Note) error {
	for _, n := range ns {
		b.mu.Lock()
		subs := slices.Clone(b.subs[n.Channel])
		b.mu.Unlock()
		for _, f := range subs {
			if f != nil {
				f(n.Data)
			}
		}
	}
	return nil
}

func (b *memBus) Subscribe(ch chat.Channel, f func([]byte)) func() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[chat.Channel][]func([]byte){}
	}
	i := len(b.subs[ch])
	b.subs[ch] = append(b.subs[ch], f)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.subs[ch][i] = nil
	}
}

func (b *memBus) Ping(context.Context) error { return nil }

// listens gives the number of subscriptions of a channel.
func (b *memBus) listens(ch chat.Channel) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.subs[ch] {
		if f != nil {
			n++
		}
	}
	return n
}

func (b *memBus) send(ch chat.Channel, data []byte) {
	_ = b.Publish(context.Background(), []chat.Note{{Channel: ch, Data: data}})
}

// memHistory answers from the log itself: the store is what lies at or below W.
type memHistory struct {
	log    *memLog
	mu     sync.Mutex
	w      chat.Seq
	recent int // rows that Open gives; 0: all
	down   bool
	block  chan struct{} // if not nil, Fill waits until it is closed, or ctx ends
	fills  int
	opens  int
	slow   time.Duration // an Open takes so long
	pages  int
	give   *chat.Page // what Fill answers next
}

func (h *memHistory) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// rows gives the first copies of a room in (after, through].
func (h *memHistory) rows(room chat.RoomID, after, through chat.Seq) []chat.Record {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	var out []chat.Record
	seen := map[chat.MessageID]bool{}
	for _, r := range h.log.parts[chat.PartitionOf(room, len(h.log.parts))] {
		if r.Room == room && !seen[r.ID] {
			seen[r.ID] = true
			if r.Seq > after && r.Seq <= through {
				out = append(out, r)
			}
		}
	}
	return out
}

func (h *memHistory) Open(ctx context.Context, room chat.RoomID) (chat.Opening, error) {
	h.mu.Lock()
	h.opens++
	slow := h.slow
	h.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return chat.Opening{}, ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		return chat.Opening{}, chat.ErrUnavailable
	}
	o := chat.Opening{View: chat.NewView(chat.Room{}, nil), All: true, AsOf: chat.Mark{Seq: h.w, Proof: h.log.proof}}
	for _, r := range h.rows(room, 0, h.w) {
		o.View = o.View.Fold(r)
		o.Rows = append(o.Rows, r)
	}
	if n := len(o.Rows) - h.recent; h.recent > 0 && n > 0 {
		o.Rows, o.All = o.Rows[n:], false
	}
	return o, nil
}

func (h *memHistory) Fill(ctx context.Context, room chat.RoomID, after, through chat.Seq) (chat.Page, error) {
	h.mu.Lock()
	h.fills++
	down, block, give := h.down, h.block, h.give
	h.give = nil
	h.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return chat.Page{}, ctx.Err()
		}
	}
	if down {
		return chat.Page{}, chat.ErrUnavailable
	}
	if give != nil {
		return *give, nil
	}
	rows := h.rows(room, after, through)
	p := chat.Page{Rows: rows, AsOf: through}
	if n := len(rows); n > 1000 {
		p.Gap = &chat.Gap{Room: room, From: after, To: rows[n-101].Seq, Reason: chat.GapLimit}
		p.Rows = rows[n-100:]
	}
	return p, nil
}

func (h *memHistory) Page(_ context.Context, room chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	h.mu.Lock()
	h.pages++
	down := h.down
	h.mu.Unlock()
	if down {
		return chat.Page{}, chat.ErrUnavailable
	}
	asOf := h.log.end(chat.PartitionOf(room, len(h.log.parts)))
	rows := h.rows(room, 0, asOf)
	if !rg.All {
		rows = slices.DeleteFunc(rows, func(r chat.Record) bool { return r.Kind != chat.KindMessage && r.Kind != chat.KindTombstone })
	}
	return pageOf(rows, rg, limit, asOf), nil
}

// pageOf is the meaning of a page.
func pageOf(rows []chat.Record, rg chat.Range, limit int, asOf chat.Seq) chat.Page {
	upTo := func(s chat.Seq) int {
		n := 0
		for n < len(rows) && rows[n].Seq <= s {
			n++
		}
		return n
	}
	from, to := 0, len(rows)
	switch {
	case rg.After != 0:
		from = upTo(max(rg.After, 0))
		to = min(from+limit, len(rows))
		return chat.Page{Rows: rows[from:to], HasMore: to < len(rows), AsOf: asOf}
	case rg.Around != 0:
		mid := upTo(rg.Around)
		from, to = max(0, mid-(limit+1)/2), min(len(rows), mid+limit/2)
	default:
		if rg.Before != 0 {
			to = upTo(rg.Before - 1)
		}
		from = max(0, to-limit)
	}
	return chat.Page{Rows: rows[from:to], HasMore: from > 0, Newer: to < len(rows), AsOf: asOf}
}

func (h *memHistory) ByID(context.Context, chat.RoomID, chat.MessageID) (chat.Record, error) {
	panic("not the hub's")
}

func (h *memHistory) RoomsOf(context.Context, chat.UserID, chat.Cursor, int) ([]chat.Membership, chat.Cursor, error) {
	panic("not the hub's")
}
