package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const roomColumns = "id, name, topic, private, owner, created, members, seq, rev"

// Room implements chat.Directory.
func (s *SQLite) Room(ctx context.Context, id chat.RoomID) (chat.Room, chat.Seq, error) {
	var room chat.Room
	var w chat.Seq
	err := s.read(ctx, "read a room", func(tx *sql.Tx) error {
		var err error
		if w, err = watermark(ctx, tx, id); err != nil {
			return err
		}
		room, err = scanRoom(tx.QueryRowContext(ctx, "SELECT "+roomColumns+" FROM rooms WHERE id = ?", string(id)))
		if errors.Is(err, sql.ErrNoRows) {
			return chat.ErrNotFound
		}
		return err
	})
	return room, w, err
}

// List implements chat.Directory. Names are ordered by their bytes.
func (s *SQLite) List(ctx context.Context, q chat.RoomQuery, c chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	if err := checkLimit(q.Limit); err != nil {
		return nil, "", err
	}
	scope := []string{"rooms", string(q.Asker), q.Text}
	at, resumed, err := parseCursor(scope, c, 2)
	if err != nil {
		return nil, "", err
	}
	query := "SELECT " + roomColumns + ` FROM rooms WHERE (private = 0 OR owner = ?1 OR EXISTS (SELECT 1 FROM members m
		WHERE m.room = rooms.id AND m.user = ?1 AND m.state IN (1, 2))) AND (?2 = '' OR instr(folded, ?2) > 0)`
	args := []any{string(q.Asker), foldCase(q.Text), q.Limit + 1}
	if resumed {
		query += " AND (name, id) > (?4, ?5)"
		args = append(args, at[0], at[1])
	}
	var rooms []chat.Room
	err = s.scan(ctx, "list rooms", query+" ORDER BY name, id LIMIT ?3", args, func(rows *sql.Rows) error {
		room, err := scanRoom(rows)
		rooms = append(rooms, room)
		return err
	})
	if err != nil || len(rooms) <= q.Limit {
		return rooms, "", err
	}
	last := rooms[q.Limit-1]
	return rooms[:q.Limit], newCursor(scope, last.Name, string(last.ID)), nil
}

// Members implements chat.Directory.
func (s *SQLite) Members(ctx context.Context, room chat.RoomID, c chat.Cursor, limit int) ([]chat.Member, chat.Cursor, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", err
	}
	scope := []string{"members", string(room)}
	at, _, err := parseCursor(scope, c, 1)
	if err != nil {
		return nil, "", err
	}
	var out []chat.Member
	err = s.scan(ctx, "list members", "SELECT "+memberColumns+` FROM members m WHERE room = ? AND user > ? AND state IN (1, 2)
		ORDER BY user LIMIT ?`, []any{string(room), at[0], limit + 1}, func(rows *sql.Rows) error {
		var m chat.Member
		err := rows.Scan(memberFields(&m)...)
		out = append(out, m)
		return err
	})
	if err != nil || len(out) <= limit {
		return out, "", err
	}
	return out[:limit], newCursor(scope, string(out[limit-1].User.ID)), nil
}

// RoomsOf implements chat.Directory. A membership in a room that the store does not know is left out.
func (s *SQLite) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", err
	}
	scope := []string{"roomsOf", string(u)}
	at, _, err := parseCursor(scope, c, 1)
	if err != nil {
		return nil, "", err
	}
	var out []chat.Membership
	err = s.scan(ctx, "list a user's rooms", "SELECT "+memberColumns+", "+prefixed("r.", roomColumns)+` FROM members m JOIN rooms r ON r.id = m.room
		WHERE m.user = ? AND m.room > ? AND m.state IN (1, 2) ORDER BY m.room LIMIT ?`,
		[]any{string(u), at[0], limit + 1}, func(rows *sql.Rows) error {
			var m chat.Membership
			err := rows.Scan(append(memberFields(&m.Member), roomFields(&m.Room)...)...)
			out = append(out, m)
			return err
		})
	if err != nil || len(out) <= limit {
		return out, "", err
	}
	return out[:limit], newCursor(scope, string(out[limit-1].Room.ID)), nil
}

// scan runs one query in a read transaction and f for each of its rows.
func (s *SQLite) scan(ctx context.Context, what, query string, args []any, f func(rows *sql.Rows) error) error {
	return s.read(ctx, what, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := f(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

const memberColumns = "m.room, m.user, m.name, m.guest, m.state, m.joined, m.rev"

func memberFields(m *chat.Member) []any {
	return []any{&m.Room, &m.User.ID, &m.User.Name, &m.User.Guest, &m.State, &m.Joined, &m.Rev}
}

func roomFields(r *chat.Room) []any {
	return []any{&r.ID, &r.Name, &r.Topic, &r.Private, &r.Owner, &r.Created, &r.Members, &r.Seq, &r.Rev}
}

func scanRoom(row interface{ Scan(...any) error }) (chat.Room, error) {
	var r chat.Room
	err := row.Scan(roomFields(&r)...)
	return r, err
}

func prefixed(prefix, columns string) string {
	return prefix + strings.ReplaceAll(columns, ", ", ", "+prefix)
}

// foldCase gives the one spelling that all spellings of a text share which differ in case alone, as strings.EqualFold sees it. SQLite's
// own LIKE knows the case of ASCII only; and instr, on folded text, has no wildcards that would have to be escaped.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
