package store_test

import (
	"bytes"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// rawSQL runs statements on the file behind the store's back.
func rawSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestOpenRefusals: each way in which a store can not be opened is a sentence that names the file and what to do.
func TestOpenRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (path string)
		want    string
	}{
		"no directory": {func(t *testing.T, dir string) string { return filepath.Join(dir, "missing", "s.db") }, "its directory does not exist"},
		"a file as directory": {func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "file"), "x")
			return filepath.Join(dir, "file", "s.db")
		}, "its directory does not exist"},
		"a directory": {func(t *testing.T, dir string) string { return dir }, "is a directory"},
		"not a database": {func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "s.db"), strings.Repeat("this is a letter to my aunt\n", 100))
		}, "is not an SQLite database"},
		"another program's": {func(t *testing.T, dir string) string {
			rawSQL(t, filepath.Join(dir, "s.db"), "CREATE TABLE cats (name TEXT)")
			return filepath.Join(dir, "s.db")
		}, "belongs to another program"},
		"a newer schema": {func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "s.db")
			closeStore(t, openAt(t, path))
			rawSQL(t, path, "PRAGMA user_version = 99")
			return path
		}, "was written by a newer hubbub (schema 99, this one knows 3)"},
		"damaged": {func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "s.db")
			closeStore(t, openAt(t, path))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < 4096; i++ {
				data[i] = 0xee // the schema's page, behind the file's header
			}
			return write(t, path, string(data))
		}, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.prepare(t, t.TempDir())
			s, err := store.OpenSQLite(t.Context(), path, nil)
			if err == nil {
				closeStore(t, s)
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %q, want the path and %q", err, c.want)
			}
		})
	}
}

// TestForeignFileIsLeftAlone: what is not ours keeps its bytes and its mode.
func TestForeignFileIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cats.db")
	rawSQL(t, path, "CREATE TABLE cats (name TEXT)", "INSERT INTO cats VALUES ('Tom')")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenSQLite(t.Context(), path, nil); err == nil {
		t.Fatal("it was opened")
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the file was changed (%v)", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("its mode was changed: %v, %v", info.Mode(), err)
	}
}

// TestFilesArePrivate: the file and those that SQLite puts beside it are 0600, whatever was there.
func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	write(t, path, "") // an empty file is an empty store
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 2 { // at least the file and its write-ahead log
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
			t.Errorf("%s has mode %v (%v)", e.Name(), info.Mode(), err)
		}
	}
}

// TestOddNames: the characters that mean something in an address are part of the name here.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"a?mode=memory", "50%", "a#b", "with space", "ü&x=1", "%41"} {
		path := filepath.Join(t.TempDir(), name)
		closeStore(t, openAt(t, path))
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%q: not in the file of that name (%v)", name, err)
		}
	}
}

// TestClosed: a store that is closed answers `unavailable`, and closing twice does no harm.
func TestClosed(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	closeStore(t, s)
	_, err := s.Page(t.Context(), "r", chat.Range{}, 1)
	for _, err := range []error{err, s.Ping(t.Context()), s.Save(t.Context(), 0, nil, chat.Mark{})} {
		if err == nil || chat.AsError(err).Code != chat.CodeUnavailable {
			t.Errorf("got %v, want unavailable", err)
		}
	}
}

func closeStore(t *testing.T, s *store.SQLite) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
