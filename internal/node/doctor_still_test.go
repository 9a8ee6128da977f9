package node_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// asDoctor makes TestDoctorBesideANodeChangesNothing the doctor of that data directory; the node's address stands behind a space.
const asDoctor = "HUBBUB_TEST_DOCTOR"

// examineStill is examine, and fails the test if anything in the data directory has changed for it.
func examineStill(t *testing.T, data, listen string) (report string, grave, slight int) {
	t.Helper()
	before := enginetest.Files(t, data)
	report, grave, slight = examine(t, "--data", data, "--listen", listen)
	after := enginetest.Files(t, data)
	for name := range after {
		if before[name] != after[name] {
			t.Errorf("the look changed %s", name)
		}
	}
	if !maps.Equal(before, after) {
		t.Errorf("before the look there were %v, and then %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
	return report, grave, slight
}

// The doctor says that it changes nothing: whatever the data directory holds, all of it is afterwards as it was.
func TestDoctorChangesNoFile(t *testing.T) {
	t.Parallel()
	used := start(t)
	ann := used.lobby(t, "")
	for i := range 20 {
		ann.send("lobby", fmt.Sprint("message ", i))
	}
	used.saves(t)
	killed := filepath.Join(t.TempDir(), "killed") // as a loss of power leaves it: SQLite's other files are there
	if err := os.CopyFS(killed, os.DirFS(used.data)); err != nil {
		t.Fatal(err)
	}
	used.stop()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, data string)
		grave   int
		store   string // what is said of the store
	}{
		"empty":         {func(*testing.T, string) {}, 0, "not made yet: the first start makes it"},
		"an empty file": {func(t *testing.T, data string) { put(t, filepath.Join(data, "history.db"), "") }, 0, "empty: the first start fills it"},
		"fresh":         {func(t *testing.T, data string) { fresh(t, data) }, 0, "schema 3"},
		"used":          {func(t *testing.T, data string) { copied(t, used.data, data) }, 0, ann.log},
		"killed":        {func(t *testing.T, data string) { copied(t, killed, data) }, 0, ann.log},
		"an old schema": {func(t *testing.T, data string) {
			copied(t, used.data, data)
			alter(t, data, "DROP TABLE store", "PRAGMA user_version = 1")
		}, 0, "schema 1: the next start brings it up to date"},
		"a newer schema": {func(t *testing.T, data string) {
			copied(t, used.data, data)
			alter(t, data, "PRAGMA user_version = 99")
		}, 1, "by a newer hubbub (schema 99"},
		"another program's": {func(t *testing.T, data string) { alter(t, data, "CREATE TABLE cats (name TEXT)") }, 1, "belongs to another program"},
		"no database": {func(t *testing.T, data string) {
			put(t, filepath.Join(data, "history.db"), strings.Repeat("a letter ", 1000))
		}, 1, "is not an SQLite database"},
		"damaged": {func(t *testing.T, data string) { copied(t, used.data, data); damage(t, data) }, 2, "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(data, 0o755); err != nil { // a start would close it to others
				t.Fatal(err)
			}
			c.prepare(t, data)
			report, grave, slight := examineStill(t, data, nobody(t))
			if _, of, _ := strings.Cut(report, "\nstore "); grave != c.grave || slight != 0 || !strings.Contains(of, c.store) {
				t.Errorf("%d grave, %d slight, and %q is to be said:\n%s", grave, slight, c.store, report)
			}
		})
	}
}

// Beside a node that runs the same holds. The doctor is a process of its own here, as in life: within one process SQLite shares its locks.
func TestDoctorBesideANodeChangesNothing(t *testing.T) {
	if data, addr, ok := strings.Cut(os.Getenv(asDoctor), " "); ok {
		report, grave, slight := examineStill(t, data, addr)
		fmt.Printf("%d grave, %d slight\n%s", grave, slight, report)
		return
	}
	t.Parallel()
	n := start(t)
	ann := n.lobby(t, "", "before")
	n.saves(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDoctorBesideANodeChangesNothing$")
	cmd.Env = append(os.Environ(), asDoctor+"="+n.data+" "+n.addr)
	out, err := cmd.CombinedOutput()
	report := string(out)
	if err != nil || !strings.HasPrefix(report, "0 grave, 0 slight\n") || !strings.Contains(line(report, "store"), ann.log) || !strings.Contains(report, "is well") {
		t.Errorf("%v:\n%s", err, report)
	}
	ann.send("lobby", "after")
	ann.await("message:new", func(e event) bool { return e.Text == "after" })
	n.saves(t)
}

// fresh makes a data directory as the first start does.
func fresh(t *testing.T, data string) {
	t.Helper()
	n := &running{t: t, data: data}
	n.up()
	n.stop()
}

func copied(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// alter runs statements on the store behind its back.
func alter(t *testing.T, data string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "history.db"))
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

// damage spoils a record of the log and the schema of the store.
func damage(t *testing.T, data string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	spoilt := 0
	for _, path := range append(all, filepath.Join(data, "history.db")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(b, []byte("message 10")); filepath.Base(path) == "history.db" {
			copy(b[100:4096], bytes.Repeat([]byte{0xee}, 4096))
		} else if i < 0 {
			continue
		} else {
			b[i]++
		}
		spoilt++
		put(t, path, string(b))
	}
	if spoilt != 2 {
		t.Fatalf("%d files are spoilt", spoilt)
	}
}
