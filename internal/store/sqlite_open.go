package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	lib "modernc.org/sqlite/lib"
)

// prepareFile makes the file if it is missing, so that a new one never exists with a mode wider than 0600.
func prepareFile(path string) error {
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return openError(path, errNoDirectory)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return openError(path, err)
	}
	if err := f.Close(); err != nil {
		return openError(path, err)
	}
	return nil
}

// dsn gives the driver's address of the file. Names with ?, # or % in them work, since the address is a URI.
func dsn(path string, writes bool) string {
	abs, err := filepath.Abs(path)
	if err != nil { // without a working directory; the relative name is as good
		abs = path
	}
	q := url.Values{"_pragma": {
		"busy_timeout(1000)", // ms; another process may look into the file
		"synchronous(FULL)",
		"journal_size_limit(67108864)",
		"wal_autocheckpoint(16000)", // pages of 4 KiB: a checkpoint syncs the file, and its pages are often the same
		"cache_size(-8192)",
		"temp_store(MEMORY)",
		"trusted_schema(0)",
	}}
	if writes {
		q.Set("_txlock", "immediate")
	} else {
		q.Add("_pragma", "query_only(1)")
	}
	return (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String()
}

var (
	errNoDirectory = errors.New("no such directory")
	errForeign     = errors.New("another program's database")
)

// newerSchema is the refusal of a file that a later program has written.
type newerSchema struct{ has int }

func (n newerSchema) Error() string { return fmt.Sprintf("schema %d", n.has) }

// openError makes the sentence that an operator reads, with the cause wrapped.
func openError(path string, err error) error {
	var newer newerSchema
	code := resultCode(err) & 0xff // the primary code
	switch {
	case errors.Is(err, errNoDirectory):
		return fmt.Errorf("the store %s can not be opened: its directory does not exist; make it, or name another file with --store: %w", path, err)
	case errors.As(err, &newer):
		return fmt.Errorf("the store %s was written by a newer hubbub (schema %d, this one knows %d); run that one, or restore a backup: %w",
			path, newer.has, schemaVersion, err)
	case errors.Is(err, errForeign):
		return fmt.Errorf("the store %s belongs to another program; name another file with --store: %w", path, err)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("the store %s is a directory; name a file with --store: %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), code == lib.SQLITE_READONLY, code == lib.SQLITE_PERM:
		return fmt.Errorf("the store %s is not writable for this user; change its owner or mode, or name another file with --store: %w", path, err)
	case code == lib.SQLITE_NOTADB:
		return fmt.Errorf("the store %s is not an SQLite database; name another file with --store: %w", path, err)
	case code == lib.SQLITE_CORRUPT:
		return fmt.Errorf("the store %s is damaged; restore a backup, what it misses comes back from the log: %w", path, err)
	case code == lib.SQLITE_BUSY:
		return fmt.Errorf("the store %s is locked by another process; stop that one first: %w", path, err)
	}
	return fmt.Errorf("the store %s can not be opened: %w", path, err)
}

// fileBase gives a file's name without directory and extension, in characters that also fit the name of a consumer group.
func fileBase(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	base = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, base)
	if base == "" {
		return "store"
	}
	return base[:min(len(base), 38)]
}
