package store

import (
	"context"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// WriterSettings reads pragmas on the connection that writes.
func WriterSettings(ctx context.Context, s *SQLite, names ...string) ([]string, error) {
	var out []string
	for _, name := range names {
		var v string
		if err := s.writer.QueryRowContext(ctx, "PRAGMA "+name).Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// NewCursor and ParseCursor are the codec of cursors.
func NewCursor(scope []string, place ...string) chat.Cursor { return newCursor(scope, place...) }

// ParseCursor is parseCursor.
func ParseCursor(scope []string, c chat.Cursor, n int) ([]string, bool, error) {
	return parseCursor(scope, c, n)
}

// OpenError is openError: what a root user's test can not bring about is asked of it directly.
func OpenError(path string, err error) error { return openError(path, err) }

// DropMongo removes a store's database.
func DropMongo(ctx context.Context, s *Mongo) error { return s.state.Database().Drop(ctx) }

// SaveUnchecked writes rows without asking first whether they can be held: what a server says of those is then seen.
func SaveUnchecked(ctx context.Context, s *Mongo, cs []chat.Change) error {
	_, err := s.saveRows(ctx, cs)
	return err
}

// FirstSchema is the schema of the files of the first version.
func FirstSchema() string { return steps()[0] }

// SecondSchema is what the second version added.
func SecondSchema() string { return steps()[1] }

// PageQuery is how a page below a place is asked for.
func PageQuery(all bool) string {
	q := pageQuery{want: chat.Range{All: all}}
	return q.query(rowColumns, " room = ?1 AND seq < ?2") + " ORDER BY seq DESC LIMIT ?3"
}

// ApplicationID is what marks a file as ours.
const ApplicationID = applicationID
