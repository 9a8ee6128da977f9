package faulty_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
	"github.com/hubbub-chat/hubbub/internal/store/faulty"
)

func TestLevels(t *testing.T) {
	dir := t.TempDir()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(dir, "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Adopt(t.Context(), chat.LogInfo{ID: "log", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "faults")
	s := faulty.Wrap(db, path)
	for i, c := range []struct {
		file          string
		reads, writes bool
	}{{"", true, true}, {"ok\n", true, true}, {"writes", true, false}, {"all", false, false}, {"ok 1ms", true, true}, {"nonsense", false, false},
		{"all 1", false, false}, {"ok", true, true}} {
		if c.file != "" {
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			stamp := time.Now().Add(time.Duration(i) * time.Second)
			if err := os.Chtimes(path, stamp, stamp); err != nil {
				t.Fatal(err)
			}
		}
		_, read := s.State(t.Context())
		write := s.Save(t.Context(), 0, nil, chat.Mark{})
		if (read == nil) != c.reads || (write == nil) != c.writes {
			t.Errorf("%q: reading %v, writing %v", c.file, read, write)
		}
		if write != nil && (!errors.Is(write, chat.ErrUnavailable) || !errors.Is(write, faulty.ErrInjected)) {
			t.Errorf("%q: %v", c.file, write)
		}
	}
}

func TestDelayHeedsTheContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults")
	if err := os.WriteFile(path, []byte("ok 1h"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := faulty.Wrap(nil, path).State(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
