package store

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	lib "modernc.org/sqlite/lib"
)

// pieceRows is how many rows one statement writes: a statement costs as much as two or three rows of it.
const pieceRows = 64

// turn is how long a Save computes before it lets others of the process go on: on one core they would else wait for it until the
// scheduler takes the core away, after 10 ms.
const turn = 500 * time.Microsecond

// save applies all changes. Those that are a row and nothing else go first, in pieces, the rooms one after the other, so that a page of an
// index is looked for once: where a row stands among others is said by its seq. Those that change a room or a member follow in log order.
func (b *batch) save(ctx context.Context, cs []chat.Change) error {
	b.changes = cs
	rows, rest := make([]int, 0, len(cs)), []int(nil)
	for i := range cs {
		if cs[i].Room == nil && cs[i].Member == nil {
			rows = append(rows, i)
		} else {
			rest = append(rest, i)
		}
	}
	slices.SortFunc(rows, func(i, j int) int { return cmp.Or(cmp.Compare(cs[i].Row.Room, cs[j].Row.Room), cmp.Compare(i, j)) })
	began := time.Now()
	for len(rows) >= pieceRows {
		if err := b.saveRows(rows[:pieceRows]); err != nil {
			return err
		}
		rows = rows[pieceRows:]
		if err := breathe(ctx, &began); err != nil {
			return err
		}
	}
	for _, i := range append(rows, rest...) {
		if err := b.saveOne(i); err != nil {
			return err
		}
		if err := breathe(ctx, &began); err != nil {
			return err
		}
	}
	return nil
}

// saveOne applies the i-th change.
func (b *batch) saveOne(i int) error {
	if err := b.apply(b.changes[i]); err != nil {
		return b.blame(i, b.changes[i].Row, err)
	}
	return nil
}

// saveRows writes the rows of pieceRows changes with one statement. Copies among them change nothing, as with one row. If one of them can
// not be stored it does not say which: the rows are then written one by one, and those that it has written already are found at their places.
func (b *batch) saveRows(rows []int) error {
	if b.values == nil {
		b.rows, b.values = b.tx.StmtContext(b.ctx, b.st.rows), make([]any, 0, pieceRows*rowParams)
	}
	b.values = b.values[:0]
	for _, i := range rows {
		b.values = rowValues(b.values, b.changes[i].Row)
	}
	_, err := b.rows.ExecContext(b.ctx, b.values...)
	if err == nil || !aboutRow(resultCode(err)) {
		return err
	}
	for _, i := range rows {
		if err := b.saveOne(i); err != nil {
			return err
		}
	}
	return err // of the piece, though each of its rows went well: it is tried again as a whole
}

// rowValues appends the values of a row, in the order of insertRows.
func rowValues(to []any, r chat.Record) []any {
	return append(to, string(r.Room), int64(r.Seq), int64(r.Seq), string(r.ID), int64(r.Kind), string(r.User), string(r.Subject),
		r.At, r.Sent, int64(r.Sum), r.Body)
}

// aboutRow says of a result code that it tells of a row, and nothing of the file or the machine.
func aboutRow(code int) bool {
	code &= 0xff // the primary code
	return code == lib.SQLITE_CONSTRAINT || code == lib.SQLITE_TOOBIG || code == lib.SQLITE_MISMATCH
}

// breathe lets others go on once a turn has passed, and says whether ctx has ended.
func breathe(ctx context.Context, began *time.Time) error {
	if time.Since(*began) < turn {
		return nil
	}
	runtime.Gosched()
	*began = time.Now()
	return ctx.Err()
}
