package history_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/store/storetest"
)

// double is a log and a store of memory for a bubble: each call takes a while, and either side can be taken away.
type double struct {
	lag func() time.Duration // of every call; nil: none

	mu                 sync.Mutex
	recs               []chat.Record // of the log
	first              int           // of recs that the log still has
	logDown, storeDown bool
	tails, read        int // calls of Tail, and the records they gave

	w       chat.Seq
	rows    []chat.Record
	seqs    map[chat.MessageID]chat.Seq
	rooms   map[chat.RoomID]chat.Room
	members map[chat.UserID]chat.Member
	onPage  func() // runs after the rows of a page are read
}

func newDouble() *double {
	return &double{w: chat.MakeSeq(1, 0) - 1, seqs: map[chat.MessageID]chat.Seq{}, rooms: map[chat.RoomID]chat.Room{},
		members: map[chat.UserID]chat.Member{}}
}

func (d *double) history(o history.Options) *history.History { return history.New(d, d, d, d, o) }

// add appends.
func (d *double) add(rs ...chat.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range rs {
		r.Seq, r.At = chat.MakeSeq(1, int64(len(d.recs))), time.Now().UnixMilli()
		d.recs = append(d.recs, r)
	}
}

// end is the place of the last record.
func (d *double) end() chat.Seq { return chat.MakeSeq(1, int64(len(d.recs))-1) }

// save stores the first n records and moves W there; pause runs between the rows and W, without the lock.
func (d *double) save(n int, pause func()) {
	d.mu.Lock()
	for _, r := range d.recs[:n] {
		if _, ok := d.seqs[r.ID]; ok {
			continue
		}
		d.seqs[r.ID] = r.Seq
		d.rows = append(d.rows, r)
		if room, ok := chat.RoomChange(d.rooms[r.Room], r); ok {
			d.rooms[r.Room] = room
		}
		if m, ok := chat.MembershipChange(r); ok {
			d.members[m.User.ID] = m
		}
	}
	d.mu.Unlock()
	if pause != nil {
		pause()
	}
	d.mu.Lock()
	d.w = max(d.w, chat.MakeSeq(1, int64(n)-1))
	d.mu.Unlock()
}

// firsts are a room's records without copies.
func (d *double) firsts(room chat.RoomID) (out []chat.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[chat.MessageID]bool{}
	for _, r := range d.recs {
		if !seen[r.ID] && r.Room == room {
			out = append(out, r)
		}
		seen[r.ID] = true
	}
	return out
}

// call waits as long as a call takes.
func (d *double) call(ctx context.Context, down *bool) error {
	if d.lag != nil {
		select {
		case <-time.After(d.lag()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if *down {
		return chat.ErrUnavailable
	}
	return ctx.Err()
}

// Append is not used: see add.
func (d *double) Append(_ chat.Record, done func(chat.Seq, error)) { done(0, chat.ErrUnavailable) }

func (d *double) Join(ctx context.Context, _ string, _ chat.Handler) error {
	<-ctx.Done()
	return nil
}

func (d *double) Trim(context.Context, int, chat.Seq) error { return nil }

func (d *double) Info(ctx context.Context) (chat.LogInfo, error) {
	if err := d.call(ctx, &d.logDown); err != nil {
		return chat.LogInfo{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return chat.LogInfo{ID: "double", Generation: 1, Partitions: []chat.Partition{{First: chat.MakeSeq(1, int64(d.first)), Last: d.end()}}}, nil
}

// Tail gives seven records at a time.
func (d *double) Tail(ctx context.Context, _ int, after chat.Mark, f func([]chat.Record, chat.Mark, bool) error) error {
	d.mu.Lock()
	d.tails++
	d.mu.Unlock()
	for at := after.Seq; ; {
		if err := d.call(ctx, &d.logDown); err != nil {
			return err
		}
		d.mu.Lock()
		from := 0
		if at.Generation() > 0 {
			from = int(at.Offset()) + 1
		}
		if from < d.first {
			d.mu.Unlock()
			return chat.ErrTrimmed
		}
		to := min(len(d.recs), from+7)
		rs := slices.Clone(d.recs[min(from, to):to])
		atEnd := to == len(d.recs)
		d.read += len(rs)
		d.mu.Unlock()
		if len(rs) > 0 {
			at = rs[len(rs)-1].Seq
		}
		if err := f(rs, chat.Mark{Seq: at}, atEnd); err != nil {
			return err
		}
	}
}

func (d *double) State(ctx context.Context) (st chat.ArchiveState, err error) {
	err = d.call(ctx, &d.storeDown)
	d.mu.Lock()
	defer d.mu.Unlock()
	return chat.ArchiveState{W: []chat.Mark{{Seq: d.w}}}, err
}

// Page reads W, then the rows.
func (d *double) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	st, err := d.State(ctx)
	if err == nil {
		err = d.call(ctx, &d.storeDown)
	}
	if err != nil {
		return chat.Page{}, err
	}
	w := st.W[0].Seq
	d.mu.Lock()
	var rows []chat.Record
	for _, x := range d.rows {
		if x.Room == room && x.Seq <= w {
			rows = append(rows, x)
		}
	}
	then := d.onPage
	d.mu.Unlock()
	p := storetest.Expect(rows, r, limit, w)
	p.AsOf, p.Rows = w, slices.Clone(p.Rows)
	if then != nil {
		then()
	}
	return p, nil
}

func (d *double) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	return d.Page(ctx, room, chat.Range{After: max(after, 1), All: true}, limit)
}

func (d *double) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	if err := d.call(ctx, &d.storeDown); err != nil {
		return chat.Record{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rows {
		if r.ID == id && r.Room == room {
			return r, nil
		}
	}
	return chat.Record{}, chat.ErrNotFound
}

func (d *double) Seqs(ctx context.Context, _ chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	err := d.call(ctx, &d.storeDown)
	d.mu.Lock()
	defer d.mu.Unlock()
	out := maps.Clone(d.seqs)
	maps.DeleteFunc(out, func(id chat.MessageID, _ chat.Seq) bool { return !slices.Contains(ids, id) })
	return out, err
}

func (d *double) Room(ctx context.Context, id chat.RoomID) (chat.Room, chat.Seq, error) {
	err := d.call(ctx, &d.storeDown)
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.rooms[id]; err == nil && !ok {
		err = chat.ErrNotFound
	}
	return d.rooms[id], d.w, err
}

func (d *double) List(context.Context, chat.RoomQuery, chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	return nil, "", chat.ErrUnavailable
}

// Members gives one member a page.
func (d *double) Members(ctx context.Context, room chat.RoomID, c chat.Cursor, _ int) (ms []chat.Member, next chat.Cursor, err error) {
	err = d.call(ctx, &d.storeDown)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range slices.Sorted(maps.Keys(d.members)) {
		if m := d.members[u]; m.Room == room && m.State != chat.StateLeft && string(u) > string(c) {
			if len(ms) == 1 {
				return ms, chat.Cursor(ms[0].User.ID), err
			}
			ms = append(ms, m)
		}
	}
	return ms, "", err
}

func (d *double) RoomsOf(ctx context.Context, u chat.UserID, _ chat.Cursor, _ int) (out []chat.Membership, next chat.Cursor, err error) {
	err = d.call(ctx, &d.storeDown)
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, ok := d.members[u]; ok && m.State != chat.StateLeft {
		out = append(out, chat.Membership{Member: m, Room: d.rooms[m.Room]})
	}
	return out, "", err
}
