package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
	lib "modernc.org/sqlite/lib"
)

// rowParams is how many values a row has.
const rowParams = 11

// saveStmts are the statements of Save, prepared once on the writer's only connection.
type saveStmts struct {
	seqOf, idAt, row               *sql.Stmt
	room, putRoom, members         *sql.Stmt
	member, putMember, countJoined *sql.Stmt
	rows                           *sql.Stmt // pieceRows of them
}

func (st *saveStmts) prepare(ctx context.Context, db *sql.DB) error {
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&st.seqOf, "SELECT room, seq FROM rows WHERE id = ?"},
		{&st.idAt, "SELECT id" + ofTalk + " room = ?1 AND seq = ?2 UNION ALL SELECT id" + ofMoves + " room = ?1 AND seq = ?2"},
		{&st.row, "INSERT" + insertRows(1)},
		{&st.rows, "INSERT OR FAIL" + insertRows(pieceRows)}, // FAIL: else SQLite keeps every page of it twice, to be able to undo it
		{&st.room, "SELECT " + roomColumns + " FROM rooms WHERE id = ?"},
		{&st.putRoom, `INSERT INTO rooms (id, name, topic, private, owner, created, members, seq, rev, folded)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
			name = excluded.name, topic = excluded.topic, rev = excluded.rev, folded = excluded.folded`},
		{&st.members, "UPDATE rooms SET members = members + ? WHERE id = ?"},
		{&st.member, "SELECT state, rev FROM members WHERE room = ? AND user = ?"},
		{&st.putMember, `INSERT INTO members (room, user, state, joined, rev, name, guest) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (room, user) DO UPDATE SET state = excluded.state, joined = excluded.joined, rev = excluded.rev,
			name = excluded.name, guest = excluded.guest`},
		{&st.countJoined, "SELECT count(*) FROM members WHERE room = ? AND state = 2"}, // chat.StateJoined
	} {
		stmt, err := db.PrepareContext(ctx, s.sql)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", s.sql, err)
		}
		*s.to = stmt
	}
	return nil
}

func insertRows(n int) string {
	row := "(?" + strings.Repeat(", ?", rowParams-1) + ")"
	return " INTO rows (room, seq, rev, id, kind, user, subject, at, sent, sum, body) VALUES " + row + strings.Repeat(", "+row, n-1) +
		" ON CONFLICT (id) DO NOTHING"
}

// Save implements chat.Archive: one transaction, so that W never stands above a row that is missing.
func (s *SQLite) Save(ctx context.Context, p int, cs []chat.Change, w chat.Mark) error {
	return s.write(ctx, "save", func(tx *sql.Tx) error {
		n, err := partitions(ctx, tx)
		if err != nil {
			return err
		}
		if p < 0 || p >= n {
			return fmt.Errorf("there is no partition %d in the log that the store remembers (it has %d)", p, n)
		}
		b := batch{ctx: context.WithoutCancel(ctx), tx: tx, st: &s.save}
		if err := b.save(ctx, cs); err != nil {
			return err
		}
		return raise(ctx, tx, p, w)
	})
}

// batch is one Save under way. Its statements run under a context that does not end, since one that can costs the driver a goroutine for
// each of them; how long a Save may take is looked at between them.
type batch struct {
	ctx context.Context
	tx  *sql.Tx
	st  *saveStmts
	row *sql.Stmt // st.row in tx

	changes []chat.Change
	rows    *sql.Stmt // st.rows in tx
	values  []any     // of a piece
}

func (b *batch) exec(s *sql.Stmt, args ...any) error {
	_, err := b.tx.StmtContext(b.ctx, s).ExecContext(b.ctx, args...)
	return err
}

func (b *batch) one(s *sql.Stmt, args ...any) *sql.Row {
	return b.tx.StmtContext(b.ctx, s).QueryRowContext(b.ctx, args...)
}

// apply saves one change. A copy, that is a record whose id has a row elsewhere, changes nothing at all.
func (b *batch) apply(c chat.Change) error {
	first, err := b.saveRow(c.Row)
	if err != nil || !first {
		return err
	}
	if c.Room != nil {
		if err := b.saveRoom(*c.Room); err != nil {
			return err
		}
	}
	if c.Member != nil {
		return b.saveMember(*c.Member)
	}
	return nil
}

// saveRow writes the row unless its id has one, and says whether the id's row is at this very place.
func (b *batch) saveRow(r chat.Record) (first bool, err error) {
	if b.row == nil {
		b.row = b.tx.StmtContext(b.ctx, b.st.row) // nearly all of a batch's statements
	}
	res, err := b.row.ExecContext(b.ctx, rowValues(nil, r)...)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return n == 1, err
	}
	var room string
	var seq int64
	if err := b.one(b.st.seqOf, string(r.ID)).Scan(&room, &seq); err != nil {
		return false, err
	}
	return chat.Seq(seq) == r.Seq && chat.RoomID(room) == r.Room, nil
}

func (b *batch) saveRoom(r chat.Record) error {
	prev, err := scanRoom(b.one(b.st.room, string(r.Room)))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	room, ok := chat.RoomChange(prev, r)
	if !ok {
		return nil
	}
	if prev.Seq == 0 { // members that are there already were saved before their room: it may have been a tombstone once
		if err := b.one(b.st.countJoined, string(r.Room)).Scan(&room.Members); err != nil {
			return err
		}
	}
	return b.exec(b.st.putRoom, string(room.ID), room.Name, room.Topic, room.Private, string(room.Owner), room.Created, room.Members,
		int64(room.Seq), int64(room.Rev), foldCase(room.Name))
}

// saveMember follows memberChanges.
func (b *batch) saveMember(m chat.Member) error {
	old, rev := chat.StateNone, int64(0)
	err := b.one(b.st.member, string(m.Room), string(m.User.ID)).Scan(&old, &rev)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if !memberChanges(old, chat.Seq(rev), m) {
		return nil
	}
	err = b.exec(b.st.putMember, string(m.Room), string(m.User.ID), int64(m.State), int64(m.Joined), int64(m.Rev), m.User.Name, m.User.Guest)
	if err != nil {
		return err
	}
	switch {
	case m.State == chat.StateJoined:
		return b.exec(b.st.members, 1, string(m.Room))
	case old == chat.StateJoined:
		return b.exec(b.st.members, -1, string(m.Room))
	}
	return nil
}

// blame makes of err what the persister acts on: a place taken by another id means that the log went back; any other constraint, or a
// value that the engine has no room for, will never be stored; everything else is worth another try.
func (b *batch) blame(i int, r chat.Record, err error) error {
	switch code := resultCode(err); {
	case code == lib.SQLITE_CONSTRAINT_UNIQUE, code == lib.SQLITE_CONSTRAINT_TRIGGER:
		var id string
		if err := b.one(b.st.idAt, string(r.Room), int64(r.Seq)).Scan(&id); err == nil && id != string(r.ID) {
			return fmt.Errorf("sqlite: place %d of room %s has record %s, not %s: %w", r.Seq, r.Room, id, r.ID, chat.ErrRewound)
		}
		return err
	case aboutRow(code):
		return &chat.Unstorable{Index: i, Reason: fmt.Sprintf("record %s at %d: %v", r.ID, r.Seq, err)}
	}
	return err
}
