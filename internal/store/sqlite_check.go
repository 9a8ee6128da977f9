package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	lib "modernc.org/sqlite/lib"
)

// SQLiteReport is what CheckSQLite found.
type SQLiteReport struct {
	Made   bool   // there is a file; without one the first start makes it
	Schema int    // 0: the file is empty, or it could not be told, see Later
	Old    bool   // Schema is one that the next start brings up to its own
	Store  string // the store's name; empty: none yet
	Log    string // the identity of the log that the store belongs to; empty: none yet
	Later  string // what only a start can look into, since it has to write for it; empty: nothing
}

// checkRounds is how often a look begins again because a node has started or stopped meanwhile.
const checkRounds = 3

// CheckSQLite looks at the store in the file at path for `hubbub doctor`, and changes nothing: no schema, no mode, and no file beside it
// is made. The error is OpenSQLite's sentence, when no node could use it. What only a write would find out is not found: a disk that is
// full, a file system without shared memory, a lock that is held for writing. It is not for the process that has the store open. A node that
// ends between the look for its files and their opening, within microseconds, may leave an empty write-ahead log, which harms nothing.
func CheckSQLite(ctx context.Context, path string) (SQLiteReport, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return SQLiteReport{}, nil
	case errors.Is(err, syscall.ENOTDIR):
		err = errNoDirectory
	case err == nil && info.IsDir():
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case err == nil:
		err = mayWrite(path, info)
	}
	if err != nil {
		return SQLiteReport{Made: true}, openError(path, err)
	}
	file, err := filepath.EvalSymlinks(path) // SQLite puts its files beside the real one
	if err != nil {
		return SQLiteReport{Made: true}, openError(path, err)
	}
	for round := 1; ; round++ {
		was := besides(file)
		r, err := was.look(ctx, file)
		if round < checkRounds && besides(file) != was {
			continue
		}
		r.Made = true
		if err != nil {
			err = openError(path, err)
		}
		return r, err
	}
}

// mayWrite says whether this user may write the file and set its mode, and make those that SQLite puts beside it. It asks the system and
// tries nothing.
func mayWrite(path string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to the user with the number %d: %w", st.Uid, fs.ErrPermission)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("its folder %s: %w", dir, err)
	}
	return nil
}

// beside is what lies at and beside a database file.
type beside struct {
	empty   bool
	live    bool // the write-ahead log and its index are there: a process has the store open, or was killed with it
	wal     bool // there is a write-ahead log with something in it
	journal bool // there is a rollback journal with something in it
	size    int64
	changed time.Time
}

func besides(path string) beside {
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			return -1
		}
		return info.Size()
	}
	wal := size(path + "-wal")
	b := beside{empty: size(path) <= 0, live: wal >= 0 && size(path+"-shm") >= 0, wal: wal > 0, journal: size(path+"-journal") > 0}
	if b.live { // SQLite's locks are taken: changes are no matter
		b.wal = true
		return b
	}
	if info, err := os.Stat(path); err == nil {
		b.size, b.changed = info.Size(), info.ModTime()
	}
	return b
}

// look chooses the way to read that writes nothing. SQLite would make the write-ahead log and its index even for a reader that may only
// read (see "Read-Only WAL-Mode Databases" of its documentation on WAL), and delete what is left beside an empty file. So:
//   - an empty file is not opened at all;
//   - with log and index there, the index is only read (readonly_shm): a reader beside the node, with its locks; where no process has them
//     open SQLite then makes an index in memory;
//   - with a rollback journal, the file is read under its locks;
//   - else no process has the file open, and it is read as one that nobody changes (immutable): without locks, and without a look for
//     other files. CheckSQLite looks whether that was still so afterwards.
func (b beside) look(ctx context.Context, path string) (r SQLiteReport, err error) {
	switch {
	case b.empty:
		return r, nil
	case b.live:
		return readSQLite(ctx, path, "readonly_shm")
	case b.journal && !b.wal:
		r, err = readSQLite(ctx, path, "")
		if resultCode(err) == lib.SQLITE_READONLY_ROLLBACK {
			return SQLiteReport{Later: "its last change was cut off: the next start undoes it"}, nil
		}
		return r, err
	}
	r, err = readSQLite(ctx, path, "immutable")
	if b.wal {
		r.Later = "its write-ahead log has no index: the next start reads it"
		if resultCode(err)&0xff == lib.SQLITE_CORRUPT { // what is damaged here may be whole there
			err = nil
		}
	}
	return r, err
}

// readSQLite reads what the file says of itself, through one connection; way is a parameter of SQLite's URI that is to be 1.
func readSQLite(ctx context.Context, path, way string) (r SQLiteReport, err error) {
	abs, err := filepath.Abs(path)
	if err != nil { // without a working directory; the relative name is as good
		abs = path
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(1000)", "query_only(1)", "temp_store(MEMORY)", "trusted_schema(0)"}}
	if way != "" {
		q.Set(way, "1")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String())
	if err != nil {
		return r, err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := r.read(ctx, db); err != nil || r.Schema != schemaVersion || r.Later != "" {
		return r, err
	}
	var save saveStmts // compiled, and never run: a table or a column that is missing is found
	return r, save.prepare(ctx, db)
}

// read reads in one transaction, and refuses what migrate refuses.
func (r *SQLiteReport) read(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // a read has nothing to commit
	if r.Schema, err = stamped(ctx, tx); err != nil || r.Schema == 0 {
		return err
	}
	r.Old = r.Schema < schemaVersion
	err = tx.QueryRowContext(ctx, "SELECT id FROM log").Scan(&r.Log)
	if (err == nil || errors.Is(err, sql.ErrNoRows)) && r.Schema >= 2 { // the first had no name
		err = tx.QueryRowContext(ctx, "SELECT name FROM store").Scan(&r.Store)
	}
	var there, whole bool // the table, and the indexes of it that statements name
	if err == nil && !r.Old {
		err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'rows'),
			(SELECT count(*) FROM sqlite_schema WHERE name IN ('rows_talk', 'rows_moves')) = 2`).Scan(&there, &whole)
		if err == nil && there && !whole {
			r.Later = "an index is missing: the next start makes it"
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}
