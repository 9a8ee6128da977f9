package store_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// looked is CheckSQLite, and fails the test if a file has changed for it.
func looked(t *testing.T, dir, path string) (store.SQLiteReport, error) {
	t.Helper()
	before := enginetest.Files(t, dir)
	r, err := store.CheckSQLite(t.Context(), path)
	after := enginetest.Files(t, dir)
	for name := range after {
		if before[name] != after[name] {
			t.Errorf("the look changed %s", name)
		}
	}
	if !maps.Equal(before, after) {
		t.Errorf("before there were %d files, after the look %d", len(before), len(after))
	}
	return r, err
}

// leftOpen gives a folder with the files of a store as a process leaves them that is killed: what it holds is in the write-ahead log.
func leftOpen(t *testing.T) (dir string) {
	t.Helper()
	live, dir := t.TempDir(), t.TempDir()
	s := openAt(t, filepath.Join(live, "s.db"))
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "the-log", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "d"), os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "d")
}

// TestCheckSQLite: each state in which a store may be is told, and no file is changed for it.
func TestCheckSQLite(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir, path string)
		want    func(r store.SQLiteReport) bool
	}{
		"none": {func(*testing.T, string, string) {}, func(r store.SQLiteReport) bool { return r == store.SQLiteReport{} }},
		"an empty file": {func(t *testing.T, _, path string) { write(t, path, ""); chmod(t, path, 0o644) },
			func(r store.SQLiteReport) bool { return r == store.SQLiteReport{Made: true} }},
		"an empty file, and what is left beside it": {func(t *testing.T, _, path string) {
			write(t, path, "")
			for _, end := range []string{"-wal", "-shm", "-journal"} {
				write(t, path+end, "left")
			}
		}, func(r store.SQLiteReport) bool { return r == store.SQLiteReport{Made: true} }},
		"fresh": {func(t *testing.T, _, path string) { closeStore(t, openAt(t, path)) }, func(r store.SQLiteReport) bool {
			return r.Made && r.Schema == 3 && !r.Old && strings.HasPrefix(r.Store, "s-") && r.Log == "" && r.Later == ""
		}},
		"by a link": {func(t *testing.T, dir, path string) {
			from := leftOpen(t)
			if err := os.Symlink(filepath.Join(from, "s.db"), path); err != nil {
				t.Fatal(err)
			}
		}, func(r store.SQLiteReport) bool { return r.Log == "the-log" && r.Later == "" }},
		"an old schema": {func(t *testing.T, _, path string) {
			rawSQL(t, path, store.FirstSchema(), fmt.Sprintf("PRAGMA application_id = %d", store.ApplicationID), "PRAGMA user_version = 1",
				"INSERT INTO log VALUES (1, 'old-log', 1, 1)", "PRAGMA journal_mode = WAL")
			chmod(t, path, 0o640)
		}, func(r store.SQLiteReport) bool { return r.Schema == 1 && r.Old && r.Log == "old-log" && r.Store == "" }},
		"schema 2": {func(t *testing.T, _, path string) {
			rawSQL(t, path, store.FirstSchema(), store.SecondSchema(), fmt.Sprintf("PRAGMA application_id = %d", store.ApplicationID), "PRAGMA user_version = 2",
				"INSERT INTO log VALUES (1, 'old-log', 1, 1)", "INSERT INTO store VALUES (1, 's-name')", "DROP INDEX rows_rev", "PRAGMA journal_mode = WAL")
		}, func(r store.SQLiteReport) bool {
			return r.Schema == 2 && r.Old && r.Log == "old-log" && r.Store == "s-name" && r.Later == ""
		}},
		"an index gone": {func(t *testing.T, _, path string) {
			closeStore(t, openAt(t, path))
			rawSQL(t, path, "DROP INDEX rows_moves")
		}, func(r store.SQLiteReport) bool {
			return r.Schema == 3 && r.Store != "" && strings.Contains(r.Later, "the next start makes it")
		}},
		"killed": {func(t *testing.T, dir, path string) { copyTo(t, leftOpen(t), dir, "s.db", "s.db-wal", "s.db-shm") },
			func(r store.SQLiteReport) bool { return r.Schema == 3 && r.Log == "the-log" && r.Later == "" }},
		"killed, and a part of it copied": {func(t *testing.T, dir, path string) { copyTo(t, leftOpen(t), dir, "s.db", "s.db-wal") },
			func(r store.SQLiteReport) bool { return r.Made && strings.Contains(r.Later, "has no index") }},
		"a change was cut off": {cutOff, func(r store.SQLiteReport) bool { return r.Made && strings.Contains(r.Later, "was cut off") }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "s.db")
			c.prepare(t, dir, path)
			r, err := looked(t, dir, path)
			if err != nil || !c.want(r) {
				t.Errorf("%+v, %v", r, err)
			}
			if name != "an empty file, and what is left beside it" { // the look did not stand in the way of a start
				closeStore(t, openAt(t, path))
			}
		})
	}
}

// TestCheckRefusals: what a start refuses the look refuses with the same words, and leaves it as it is.
func TestCheckRefusals(t *testing.T) {
	for name, prepare := range unusable() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := prepare(t, dir)
			_, looks := looked(t, dir, path)
			s, starts := store.OpenSQLite(t.Context(), path, nil)
			if starts == nil {
				closeStore(t, s)
			}
			if looks == nil || starts == nil || looks.Error() != starts.Error() {
				t.Errorf("the look says\n%v\nand the start\n%v", looks, starts)
			}
		})
	}
}

// TestCheckFindsMissingTables: what a start would trip over is found, if in other words.
func TestCheckFindsMissingTables(t *testing.T) {
	for _, table := range []string{"log", "members", "rooms", "rows", "store"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "s.db")
		closeStore(t, openAt(t, path))
		rawSQL(t, path, "DROP TABLE "+table)
		if _, err := looked(t, dir, path); err == nil || !strings.Contains(err.Error(), path+" can not be opened") || !strings.Contains(err.Error(), "no such table: "+table) {
			t.Errorf("without %s: %v", table, err)
		}
	}
}

// unusable are files that no node can use.
func unusable() map[string]func(t *testing.T, dir string) (path string) {
	ours := func(statements ...string) func(t *testing.T, dir string) string {
		return func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "s.db")
			closeStore(t, openAt(t, path))
			rawSQL(t, path, statements...)
			return path
		}
	}
	return map[string]func(t *testing.T, dir string) string{
		"a directory": func(_ *testing.T, dir string) string { return dir },
		"a file as directory": func(t *testing.T, dir string) string {
			return filepath.Join(write(t, filepath.Join(dir, "file"), "x"), "s.db")
		},
		"not a database": func(t *testing.T, dir string) string {
			return write(t, filepath.Join(dir, "s.db"), strings.Repeat("this is a letter to my aunt\n", 100))
		},
		"another program's": func(t *testing.T, dir string) string {
			rawSQL(t, filepath.Join(dir, "s.db"), "CREATE TABLE cats (name TEXT)")
			return filepath.Join(dir, "s.db")
		},
		"another program's, with a write-ahead log": func(t *testing.T, dir string) string {
			rawSQL(t, filepath.Join(dir, "s.db"), "PRAGMA journal_mode = WAL", "CREATE TABLE cats (name TEXT)")
			return filepath.Join(dir, "s.db")
		},
		"a newer schema": ours("PRAGMA user_version = 99"),
		"damaged": func(t *testing.T, dir string) string {
			path := ours()(t, dir)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(data[100:4096], strings.Repeat("\xee", 4096)) // the schema's page, behind the file's header
			return write(t, path, string(data))
		},
	}
}

// cutOff leaves a database and its rollback journal as they are in the midst of a commit.
func cutOff(t *testing.T, dir, path string) {
	t.Helper()
	live := filepath.Join(t.TempDir(), "s.db")
	rawSQL(t, live, store.FirstSchema(), fmt.Sprintf("PRAGMA application_id = %d", store.ApplicationID), "PRAGMA user_version = 1")
	db, err := sql.Open("sqlite", live)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, s := range []string{"PRAGMA cache_size = 1", "BEGIN", // what does not fit the cache is written before the commit
		"INSERT INTO dead WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT 'r', i, 0, '', randomblob(2000) FROM n"} {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(t, filepath.Dir(live), dir, "s.db", "s.db-journal")
}

// copyTo copies files by name.
func copyTo(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, name), string(data))
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
