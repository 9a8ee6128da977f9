package store_test

import (
	"path/filepath"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
	"github.com/hubbub-chat/hubbub/internal/store/storetest"
)

func openAt(t *testing.T, path string) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	paths := map[storetest.Store]string{}
	open := func(t *testing.T, path string) storetest.Store {
		s := openAt(t, path)
		paths[s] = path
		return s
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) storetest.Store { return open(t, filepath.Join(t.TempDir(), "store.db")) },
		Reopen: func(t *testing.T, s storetest.Store) storetest.Store {
			if err := s.(*store.SQLite).Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, paths[s])
		},
		Beside: func(t *testing.T, s storetest.Store) storetest.Store { return openAt(t, paths[s]) },
		Dead: func(t *testing.T, s storetest.Store) (rs []chat.Record, reasons []string) {
			dead, err := s.(*store.SQLite).Dead(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range dead {
				rs, reasons = append(rs, d.Record), append(reasons, d.Reason)
			}
			return rs, reasons
		},
		Unstorable: func(seq chat.Seq) chat.Record {
			return chat.Record{Seq: seq, Kind: chat.KindMessage, Room: "r", ID: "huge", User: "u", Body: make([]byte, 2<<20)}
		},
		Sample: 4,
	})
}
