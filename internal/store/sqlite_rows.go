package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const rowColumns = "room, seq, id, kind, user, subject, at, sent, sum, body"

// Page implements chat.Messages.
func (s *SQLite) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	if err := checkLimit(limit); err != nil {
		return chat.Page{}, err
	}
	var p chat.Page
	err := s.read(ctx, "read a page", func(tx *sql.Tx) error {
		w, err := watermark(ctx, tx, room)
		if err != nil {
			return err
		}
		q := pageQuery{ctx: ctx, tx: tx, room: room, w: w, want: r}
		p = chat.Page{AsOf: w}
		switch {
		case r.Around != 0:
			return q.around(&p, r.Around, limit)
		case r.After != 0:
			p.Rows, p.HasMore, err = q.above(max(r.After, 0), limit)
			return err
		}
		before := r.Before
		if before == 0 {
			before = w + 1
		}
		if p.Rows, p.HasMore, err = q.below(before, limit); err != nil {
			return err
		}
		p.Newer, err = q.anyAbove(before - 1)
		return err
	})
	return p, err
}

// pageQuery reads parts of one room's rows as of w.
type pageQuery struct {
	ctx  context.Context
	tx   *sql.Tx
	room chat.RoomID
	w    chat.Seq
	want chat.Range // how much of it, and which kinds
}

// A query of places names its index, so that a page costs its own length, however many joins lie between the messages.
const (
	ofTalk  = " FROM rows INDEXED BY rows_talk WHERE kind IN (1, 7) AND"
	ofMoves = " FROM rows INDEXED BY rows_moves WHERE kind NOT IN (1, 7) AND"
)

// query gives the columns of rows of all kinds that are wanted, where place says which places.
func (q *pageQuery) query(columns, place string) string {
	talk := "SELECT " + columns + ofTalk + place
	if !q.want.All {
		return talk
	}
	return talk + " UNION ALL SELECT " + columns + ofMoves + place // with an order: merged as they are read
}

// below gives the newest limit rows below a place, and says whether there are more.
func (q *pageQuery) below(place chat.Seq, limit int) ([]chat.Record, bool, error) {
	rows, more, err := q.rows(limit, q.query(rowColumns, " room = ?1 AND seq < ?2")+" ORDER BY seq DESC LIMIT ?3",
		string(q.room), int64(min(place, q.w+1)), limit+1)
	slices.Reverse(rows)
	return rows, more, err
}

// above gives the oldest limit rows above a place, and says whether there are more.
func (q *pageQuery) above(place chat.Seq, limit int) ([]chat.Record, bool, error) {
	return q.rows(limit, q.query(rowColumns, " room = ?1 AND seq > ?2 AND seq <= ?3")+" ORDER BY seq LIMIT ?4",
		string(q.room), int64(place), int64(q.w), limit+1)
}

func (q *pageQuery) anyAbove(place chat.Seq) (bool, error) {
	var is bool
	err := q.tx.QueryRowContext(q.ctx, "SELECT EXISTS ("+q.query("1", " room = ?1 AND seq > ?2 AND seq <= ?3")+")",
		string(q.room), int64(place), int64(q.w)).Scan(&is)
	return is, err
}

// around gives the half at or below place, which has the odd one, and the half above it; neither makes up for what the other lacks.
func (q *pageQuery) around(p *chat.Page, place chat.Seq, limit int) error {
	low, more, err := q.below(min(place, q.w)+1, (limit+1)/2) // place+1 might not be a number any more
	if err != nil {
		return err
	}
	p.Rows, p.HasMore = low, more
	if limit == 1 {
		p.Newer, err = q.anyAbove(place)
		return err
	}
	high, newer, err := q.above(place, limit/2)
	p.Rows, p.Newer = append(low, high...), newer
	return err
}

// rows reads until it has the limit, or bytes enough, and says whether one more was there.
func (q *pageQuery) rows(limit int, query string, args ...any) (out []chat.Record, more bool, err error) {
	rows, err := q.tx.QueryContext(q.ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	bytes := 0
	for rows.Next() {
		if len(out) == limit || q.want.Enough(bytes) {
			return out, true, nil
		}
		r, err := scanRow(rows)
		if err != nil {
			return nil, false, err
		}
		out = append(out, r)
		bytes += r.Size()
	}
	return out, false, rows.Err()
}

// Changed implements chat.Messages: what is new by its seq, what was there before and has been changed since by its rev.
func (s *SQLite) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	if err := checkLimit(limit); err != nil {
		return chat.Page{}, err
	}
	after = max(after, 0)
	var p chat.Page
	err := s.read(ctx, "read changes", func(tx *sql.Tx) error {
		w, err := watermark(ctx, tx, room)
		if err != nil {
			return err
		}
		q := pageQuery{ctx: ctx, tx: tx, room: room, w: w, want: chat.Range{All: true}}
		fresh, more, err := q.above(after, limit)
		if err != nil {
			return err
		}
		p = chat.Page{Rows: fresh, HasMore: more, AsOf: w}
		old, err := q.changedBelow(after, limit+1)
		if err == nil && len(old) > 0 {
			p.Rows, p.HasMore = mergePlaces(fresh, old, limit, more)
		}
		return err
	})
	return p, err
}

// changed is a row that has been changed since it was written, at its place among the changes.
type changed struct {
	chat.Record
	rev chat.Seq
}

func (q *pageQuery) changedBelow(after chat.Seq, limit int) ([]changed, error) {
	rows, err := q.tx.QueryContext(q.ctx, "SELECT "+rowColumns+`, rev FROM rows INDEXED BY rows_rev
		WHERE rev > seq AND room = ? AND rev > ? AND rev <= ? AND seq <= ? ORDER BY rev LIMIT ?`,
		string(q.room), int64(after), int64(q.w), int64(after), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []changed
	for rows.Next() {
		var rev int64
		r, err := scanRow(rows, &rev)
		if err != nil {
			return nil, err
		}
		out = append(out, changed{r, chat.Seq(rev)})
	}
	return out, rows.Err()
}

// mergePlaces merges new rows, at their seq, with changed ones, at their rev. A rev is the place of the record that made the change,
// so that no two are equal.
func mergePlaces(fresh []chat.Record, old []changed, limit int, more bool) ([]chat.Record, bool) {
	var out []chat.Record
	for len(fresh)+len(old) > 0 && len(out) < limit {
		if len(old) == 0 || len(fresh) > 0 && fresh[0].Seq < old[0].rev {
			out, fresh = append(out, fresh[0]), fresh[1:]
		} else {
			out, old = append(out, old[0].Record), old[1:]
		}
	}
	return out, more || len(fresh)+len(old) > 0
}

// ByID implements chat.Messages. The row may lie above W.
func (s *SQLite) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	var r chat.Record
	err := s.read(ctx, "look up an id", func(tx *sql.Tx) error {
		var err error
		r, err = scanRow(tx.QueryRowContext(ctx, "SELECT "+rowColumns+" FROM rows WHERE id = ? AND room = ?", string(id), string(room)))
		if errors.Is(err, sql.ErrNoRows) {
			return chat.ErrNotFound
		}
		return err
	})
	return r, err
}

// Seqs gives, of the ids that have rows in the room, the places of these, in one query; at most MaxRows ids.
func (s *SQLite) Seqs(ctx context.Context, room chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	if len(ids) > MaxRows {
		return nil, checkLimit(len(ids))
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, chat.Errorf(chat.CodeInvalid, "ids: %v", err)
	}
	out := make(map[chat.MessageID]chat.Seq)
	err = s.read(ctx, "look up ids", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT id, seq FROM rows WHERE id IN (SELECT value FROM json_each(?)) AND room = ?",
			string(list), string(room))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var seq int64
			if err := rows.Scan(&id, &seq); err != nil {
				return err
			}
			out[chat.MessageID(id)] = chat.Seq(seq)
		}
		return rows.Err()
	})
	return out, err
}

// scanRow reads rowColumns and what else was asked for.
func scanRow(row interface{ Scan(...any) error }, more ...any) (chat.Record, error) {
	var r chat.Record
	var sum int64
	err := row.Scan(append([]any{&r.Room, &r.Seq, &r.ID, &r.Kind, &r.User, &r.Subject, &r.At, &r.Sent, &sum, &r.Body}, more...)...)
	r.Sum = uint64(sum)
	return r, err
}
