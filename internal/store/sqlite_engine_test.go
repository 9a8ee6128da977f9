package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// fill saves n messages of room "r" at offsets 1 to n, and W behind them.
func fill(t *testing.T, s *store.SQLite, n int) []chat.Record {
	t.Helper()
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	var cs []chat.Change
	var rs []chat.Record
	for i := 1; i <= n; i++ {
		r := chat.Record{Seq: chat.MakeSeq(1, int64(i)), Kind: chat.KindMessage, Room: "r", ID: chat.MessageID(fmt.Sprint("id", i)), User: "u", Body: []byte(`{"a":1}`)}
		rs, cs = append(rs, r), append(cs, chat.Change{Row: r})
	}
	if err := s.Save(t.Context(), 0, cs, chat.Mark{Seq: rs[n-1].Seq + 100}); err != nil {
		t.Fatal(err)
	}
	return rs
}

// TestEditedRows: a row changed after `after` stands at its rev among the new ones. No record of today edits, so the test does it in
// the file: the schema is there from the start.
func TestEditedRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := openAt(t, path)
	rs := fill(t, s, 10)
	at := func(n int64) int64 { return int64(chat.MakeSeq(1, n)) }
	rawSQL(t, path, // 2 edited between 7 and 8 (as if 8 were at 18), 4 at the end, 9 too, 1 above W
		fmt.Sprintf("UPDATE rows SET seq = seq + 10, rev = rev + 10 WHERE seq > %d", at(7)),
		fmt.Sprintf("UPDATE rows SET rev = %d WHERE id = 'id2'", at(9)),
		fmt.Sprintf("UPDATE rows SET rev = %d WHERE id = 'id4'", at(50)),
		fmt.Sprintf("UPDATE rows SET rev = %d WHERE id = 'id9'", at(60)),
		fmt.Sprintf("UPDATE rows SET rev = %d WHERE id = 'id1'", at(111)))
	for _, c := range []struct {
		after int64
		limit int
		want  string
		more  bool
	}{
		{0, 100, "id1 id2 id3 id4 id5 id6 id7 id8 id9 id10", false}, // all are new to him: each once, at its seq
		{5, 100, "id6 id7 id2 id8 id9 id10 id4", false},             // 9 is new, 2 and 4 are edits
		{5, 3, "id6 id7 id2", true},
		{5, 6, "id6 id7 id2 id8 id9 id10", true},
		{5, 7, "id6 id7 id2 id8 id9 id10 id4", false},
		{19, 100, "id10 id4 id9", false},
		{20, 1, "id4", true},
		{50, 100, "id9", false},
		{60, 100, "", false},
	} {
		p, err := s.Changed(t.Context(), "r", chat.Seq(at(c.after)), c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range p.Rows {
			got = append(got, string(r.ID))
		}
		if strings.Join(got, " ") != c.want || p.HasMore != c.more {
			t.Errorf("after %d, limit %d: %v, more %v; want %s, %v", c.after, c.limit, got, p.HasMore, c.want, c.more)
		}
	}
	if len(rs) != 10 {
		t.Fatal("the table above is of ten rows")
	}
}

// TestSeqs: one query for many ids, of one room.
func TestSeqs(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	rs := fill(t, s, 500)
	ids := []chat.MessageID{"none", `"quoted"`, "id0"}
	for _, r := range rs[:400] {
		ids = append(ids, r.ID)
	}
	got, err := s.Seqs(t.Context(), "r", ids)
	if err != nil || len(got) != 400 {
		t.Fatalf("%d of 400, %v", len(got), err)
	}
	for _, r := range rs[:400] {
		if got[r.ID] != r.Seq {
			t.Fatalf("%s at %d, want %d", r.ID, got[r.ID], r.Seq)
		}
	}
	for _, room := range []chat.RoomID{"other", ""} {
		if got, err := s.Seqs(t.Context(), room, ids); err != nil || len(got) != 0 {
			t.Fatalf("room %q: %v, %v", room, got, err)
		}
	}
	if got, err := s.Seqs(t.Context(), "r", nil); err != nil || len(got) != 0 {
		t.Fatalf("no ids: %v, %v", got, err)
	}
	_, err = s.Seqs(t.Context(), "r", make([]chat.MessageID, store.MaxRows+1))
	if chat.AsError(err).Code != chat.CodeInvalid {
		t.Fatalf("too many ids: %v", err)
	}
}

// TestLockedFile: while another process holds the write lock, readers read, a save ends with its context or soon after, nothing of it
// is there, and afterwards it works.
func TestLockedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	s := openAt(t, path)
	rs := fill(t, s, 3)
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	next := rs[2]
	next.Seq, next.ID = next.Seq+1, "next"
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = s.Save(ctx, 0, []chat.Change{{Row: next}}, chat.Mark{Seq: next.Seq + 200})
	if !errors.Is(err, chat.ErrUnavailable) {
		t.Fatalf("saved under another's lock: %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Fatalf("a save with 50 ms took %v", took)
	}
	p, err := s.Page(t.Context(), "r", chat.Range{}, 10)
	if err != nil || len(p.Rows) != 3 {
		t.Fatalf("reading meanwhile: %d rows, %v", len(p.Rows), err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), 0, []chat.Change{{Row: next}}, chat.Mark{Seq: next.Seq + 200}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ByID(t.Context(), "r", "next"); err != nil || got.Seq != next.Seq {
		t.Fatalf("afterwards: %+v, %v", got, err)
	}
}

// TestDurable: the settings that the promises rest on are in force on the connection that writes, not only asked for.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	got, err := store.WriterSettings(t.Context(), openAt(t, path), "journal_mode", "synchronous", "busy_timeout")
	if err != nil || strings.Join(got, " ") != "wal 2 1000" { // 2: FULL
		t.Fatalf("%v, %v", got, err)
	}
}
