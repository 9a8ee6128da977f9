package badinput_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// storeFile is the file of history.
const storeFile = "history.db"

// lose removes the store's files.
func lose(t *testing.T, d dir) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		d.remove(t, storeFile+suffix)
	}
}

// statement runs SQL on the store of a node that is not running, or that is.
func (d dir) statement(t *testing.T, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+d.path(storeFile)+"?_pragma=busy_timeout(5000)")
	if err == nil {
		_, err = db.Exec(text)
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// saved gives how far the store has the log.
func (d dir) saved(t *testing.T) (w int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+d.path(storeFile)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err == nil {
		err = db.QueryRow("SELECT coalesce(max(seq), 0) FROM marks").Scan(&w)
		db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// otherDamages are what may become of the store, the key file and the directory.
func otherDamages() []damage {
	store := func(change func([]byte) []byte) func(*testing.T, dir) {
		return func(t *testing.T, d dir) { d.edit(t, storeFile, change) }
	}
	sql := func(text string) func(*testing.T, dir) {
		return func(t *testing.T, d dir) { d.statement(t, text) }
	}
	key := func(text string) func(*testing.T, dir) {
		return func(t *testing.T, d dir) { d.edit(t, "secret", to(text)) }
	}
	closed := func(name string) func(*testing.T, dir) { // for everybody but root, who is not asked here
		return func(t *testing.T, d dir) { d.give(t, name) }
	}
	return []damage{
		{"store: not a database", store(to(strings.Repeat("not a database ", 1000))), []string{storeFile, "not an SQLite database", "--store"}},
		{"store: the header flipped", store(flip(3)), []string{storeFile, "not an SQLite database"}},
		{"store: another program's", sql("PRAGMA application_id = 7"), []string{storeFile, "another program"}},
		{"store: a newer schema", sql("PRAGMA user_version = 99"), []string{storeFile, "newer hubbub"}},
		{"store: cut in half", store(half), []string{storeFile, "damaged"}},
		{"store: the first pages wiped", store(zero(100, 8000)), []string{storeFile, "damaged"}},
		{"store: empty", func(t *testing.T, d dir) { lose(t, d); d.touch(t, storeFile, "") }, nil},
		{"store: gone", lose, nil},
		{"store: garbage beside it", func(t *testing.T, d dir) { d.touch(t, storeFile+"-wal", strings.Repeat("garbage", 1000)) }, nil},
		{"store: a directory", func(t *testing.T, d dir) { lose(t, d); d.mkdir(t, storeFile) }, []string{storeFile, "is a directory"}},
		{"store: of another log", sql("UPDATE log SET id = 'ffffffffffffffffffffffffffffffff'"), []string{"belongs to the log"}},
		{"store: of a log that was longer", sql("UPDATE marks SET seq = seq + 1000"), []string{"ends at", "before"}},
		{"store: of a log with another past", sql("UPDATE marks SET proof = proof + 1"), []string{degraded, `"log":"down"`, "not the one the store was saved from"}},
		{"store: of a generation to come", sql("UPDATE log SET generation = 7"), []string{"generation"}},
		{"store: a mark of no number", sql("UPDATE marks SET seq = 'far'"), []string{degraded, `"store":"down"`, "far"}},
		{"store: a table gone", sql("DROP TABLE rows"), []string{storeFile, "no such table"}},
		{"store: an index gone", sql("DROP INDEX rows_talk"), nil},
		{"store: without its name", sql("DELETE FROM store"), nil},
		{"store: not ours to write", closed(storeFile), []string{storeFile, "not writable", "--store"}},
		{"key: empty", key(""), []string{"secret", "too short"}},
		{"key: too short", key("hunter2"), []string{"secret", "too short"}},
		{"key: spaces", key(strings.Repeat(" ", 64)), []string{"secret", "too short"}},
		{"key: a directory", func(t *testing.T, d dir) { d.remove(t, "secret"); d.mkdir(t, "secret") }, []string{"key file", "directory"}},
		{"key: not ours to read", closed("secret"), []string{"key file", "permission denied"}},
		{"log: not ours to read", func(t *testing.T, d dir) { d.give(t, d.segment(t, -1)) }, []string{"permission denied"}},
		{"manifest: not ours to read", closed("log/log.json"), []string{"log.json", "permission denied"}},
		{"log: the directory is not ours", closed("log"), []string{"log", "not permitted"}},
		{"data: the directory is not ours", closed("."), []string{"--data"}},
	}
}

func (d dir) touch(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d dir) mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(d.path(name), 0o700); err != nil {
		t.Fatal(err)
	}
}

// give takes a file away from who runs hubbub: by its mode, or, since root may do everything, by its owner.
func (d dir) give(t *testing.T, name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if err := os.Chmod(d.path(name), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(d.path(name), 0o700) })
		return
	}
	err := filepath.WalkDir(string(d), func(path string, _ os.DirEntry, err error) error {
		if err == nil && path != d.path(name) {
			err = os.Chown(path, nobody, nobody)
		}
		return err
	})
	if err == nil {
		err = os.Chown(filepath.Dir(string(d)), nobody, nobody)
	}
	openWay(t, string(d))
	if err != nil {
		t.Fatal(err)
	}
}

// openWay lets everybody reach a path below the directory of temporary files.
func openWay(t *testing.T, path string) {
	t.Helper()
	for at := filepath.Dir(path); len(at) > len(filepath.Clean(os.TempDir())); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// state gives every file of a directory.
func (d dir) state(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	_ = filepath.WalkDir(string(d), func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			b, _ := os.ReadFile(path)
			name, _ := filepath.Rel(string(d), path)
			all[name] = b
		}
		return nil
	})
	return all
}

// copyOf makes a copy of a data directory.
func (d dir) copyOf(t *testing.T) dir {
	t.Helper()
	out := dir(filepath.Join(t.TempDir(), "data"))
	if err := os.CopyFS(string(out), os.DirFS(string(d))); err != nil {
		t.Fatal(err)
	}
	for name := range d.state(t) {
		if err := os.Chmod(out.path(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// sameLog says whether nothing sound of the log was changed by a start that was refused: a torn end may be cut.
func sameLog(t *testing.T, before, after map[string][]byte) {
	t.Helper()
	for name, b := range before {
		if strings.HasPrefix(name, "log/") && strings.HasSuffix(name, ".seg") && !bytes.HasPrefix(b, bytes.TrimRight(after[name], "\x00")) {
			t.Errorf("a start that was refused has changed %s", name)
		}
	}
}
