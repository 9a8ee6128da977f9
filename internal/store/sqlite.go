package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// MaxRows is the most rows, rooms or members that one call may ask for.
const MaxRows = 10_000

// readers is how many reads run at once; more wait, for as long as their context allows.
const readers = 4

// SQLite is a store in one file: chat.Archive, chat.Messages and chat.Directory. Writes go through one connection, one transaction per
// call, and are on disk when they return (WAL, synchronous=FULL); reads have their own connections and see one moment each. It is safe
// for concurrent use. An error that is neither the caller's (`invalid`), ErrNotFound, ErrRewound nor *chat.Unstorable wraps
// chat.ErrUnavailable: it may be gone the next time.
type SQLite struct {
	writer *sql.DB
	reader *sql.DB
	save   saveStmts
}

var (
	_ chat.Archive   = (*SQLite)(nil)
	_ chat.Messages  = (*SQLite)(nil)
	_ chat.Directory = (*SQLite)(nil)
)

// OpenSQLite opens the store in the file at path, and makes it (mode 0600) if it is not there. The errors are sentences for the
// operator: no such directory, not writable, not a database, a newer schema, another program's file. A file of an older schema is brought
// up, which takes seconds for a million messages, and logger (nil: nobody) is told.
func OpenSQLite(ctx context.Context, path string, logger *slog.Logger) (*SQLite, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	writer, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return nil, openError(path, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, openError(path, errors.Join(err, writer.Close()))
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s := &SQLite{writer: writer, reader: reader}
	if err := s.start(ctx, path, logger); err != nil {
		return nil, openError(path, errors.Join(err, s.Close()))
	}
	return s, nil
}

// start touches nothing of the file before it is known to be ours. SQLite gives the file's mode to those that it puts beside it.
func (s *SQLite) start(ctx context.Context, path string, logger *slog.Logger) error {
	if err := migrate(ctx, s.writer, logger); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	var mode string
	if err := s.writer.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("this file system allows no write-ahead log (journal mode %q)", mode)
	}
	// Of several that open a new file at once the first one's name stays.
	if _, err := s.writer.ExecContext(ctx, "INSERT INTO store (one, name) VALUES (1, ?) ON CONFLICT (one) DO NOTHING", storeName(fileBase(path))); err != nil {
		return err
	}
	if err := s.save.prepare(ctx, s.writer); err != nil {
		return err
	}
	return s.Ping(ctx)
}

// Close ends all connections; calls after it fail.
func (s *SQLite) Close() error {
	return errors.Join(s.reader.Close(), s.writer.Close()) // the writer last: it checkpoints
}

// Ping says whether the file can be read.
func (s *SQLite) Ping(ctx context.Context) error {
	return s.read(ctx, "ping", func(tx *sql.Tx) error {
		_, err := partitions(ctx, tx)
		return err
	})
}

// read runs f in one read transaction: all that f reads is of one moment.
func (s *SQLite) read(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return failed(what, err)
	}
	defer tx.Rollback() // a read has nothing to commit
	if err := f(tx); err != nil {
		return failed(what, err)
	}
	return nil
}

// write runs f in one immediate transaction and commits it.
func (s *SQLite) write(ctx context.Context, what string, f func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return failed(what, err)
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(tx); err != nil {
		return failed(what, err)
	}
	if err := tx.Commit(); err != nil {
		return failed(what, err)
	}
	return nil
}

// failed makes err what callers may rely on: answers stay as they are, everything else is unavailability with its cause.
func failed(what string, err error) error {
	var answer *chat.Error
	var never *chat.Unstorable
	if errors.As(err, &answer) || errors.As(err, &never) || errors.Is(err, chat.ErrRewound) {
		return err
	}
	if atFault(resultCode(err)) {
		err = fmt.Errorf("%w: %w", chat.ErrStoreFailed, err)
	}
	return fmt.Errorf("sqlite: %s: %w: %w", what, chat.ErrUnavailable, err)
}

// atFault says of a result code that it tells of the file or the machine, and nothing of what was to be written.
func atFault(code int) bool {
	switch code & 0xff { // the primary code
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_NOMEM:
		return true
	}
	return false
}

// resultCode gives SQLite's extended result code of err, 0 if it has none.
func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// checkLimit refuses a limit that no caller of ours asks for.
func checkLimit(limit int) error {
	if limit < 1 || limit > MaxRows {
		return chat.Errorf(chat.CodeInvalid, "a limit must lie between 1 and %d", MaxRows)
	}
	return nil
}
