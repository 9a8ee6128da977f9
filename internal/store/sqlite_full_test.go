package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/persist"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// limitPages bounds the file, as a full disk would.
func limitPages(t *testing.T, s *store.SQLite, n int) {
	t.Helper()
	if _, err := store.WriterSettings(t.Context(), s, fmt.Sprint("max_page_count = ", n)); err != nil {
		t.Fatal(err)
	}
}

func pageCount(t *testing.T, s *store.SQLite) (n int) {
	t.Helper()
	got, err := store.WriterSettings(t.Context(), s, "page_count")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(got[0], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFullIsTheStoresFault: no record is to blame for a full disk, and the error says so.
func TestFullIsTheStoresFault(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	rs := fill(t, s, 3)
	limitPages(t, s, pageCount(t, s))
	big := rs[2]
	big.Seq, big.ID, big.Body = big.Seq+1, "big", []byte(`{"a":"`+strings.Repeat("x", 100_000)+`"}`)
	err := s.Save(t.Context(), 0, []chat.Change{{Row: big}}, chat.Mark{Seq: big.Seq + 200})
	var never *chat.Unstorable
	if !errors.Is(err, chat.ErrStoreFailed) || !errors.Is(err, chat.ErrUnavailable) || errors.As(err, &never) {
		t.Errorf("saved on a full disk: %v", err)
	}
	if err := s.Bury(t.Context(), big, "too large"); !errors.Is(err, chat.ErrStoreFailed) {
		t.Errorf("buried on a full disk: %v", err)
	}
	limitPages(t, s, 1<<20)
	if err := s.Save(t.Context(), 0, []chat.Change{{Row: big}}, chat.Mark{Seq: big.Seq + 200}); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// TestNothingIsGivenUpForAFullDisk: the persister of a store without space pauses. Small things may still find a place in the file, the dead
// among them; none of what was acknowledged goes there, and with space again history has all of it.
func TestNothingIsGivenUpForAFullDisk(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	log, err := msglog.Open(msglog.Options{Dir: filepath.Join(dir, "log"), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := openAt(t, filepath.Join(dir, "s.db"))
	p := persist.New(log, s, persist.Options{Store: "s", Logger: slog.New(slog.DiscardHandler), Gather: -1,
		Back: persist.BackOff{First: time.Millisecond, Most: 20 * time.Millisecond}})
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	const messages = 400
	say := func(from, to int) {
		for i := from; i < to; i++ {
			text := fmt.Sprint("message ", i, strings.Repeat(" and more", 20))
			b := chat.Body{ID: chat.MakeMessageID("r", "u", fmt.Sprint(i)), RoomID: "r", User: chat.User{ID: "u"}, Text: &text}
			log.Append(chat.Record{Kind: chat.KindMessage, Room: "r", ID: b.ID, User: "u", Body: b.Encode()}, func(_ chat.Seq, err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	say(0, 50)
	saved := func(n int64) func() bool {
		return func() bool {
			st := p.State()
			return st.Phase == persist.Running && len(st.Partitions) == 1 && st.Partitions[0].W == chat.MakeSeq(1, n-1)
		}
	}
	until(t, "the first are saved", saved(50))
	limitPages(t, s, pageCount(t, s)+8)
	say(50, messages)
	until(t, "it has tried for a while", func() bool { return p.Stats().Failures > 40 })
	if st := p.State(); st.Phase != persist.Paused {
		t.Errorf("state %+v", st)
	}
	limitPages(t, s, 1<<20)
	until(t, "all is saved", saved(messages))
	dead, err := s.Dead(ctx, 100)
	if err != nil || len(dead) > 0 {
		t.Errorf("%d records were given up, %v", len(dead), err)
	}
	page, err := s.Page(ctx, "r", chat.Range{}, 1000)
	if err != nil || len(page.Rows) != messages {
		t.Errorf("%d rows of %d, %v", len(page.Rows), messages, err)
	}
	for _, r := range page.Rows {
		if r.Kind != chat.KindMessage {
			t.Fatalf("a tombstone stands at %d", r.Seq)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
