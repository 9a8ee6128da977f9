package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestMongoEditedRows: a row changed after `after` stands at its rev among the new ones, as in TestEditedRows.
func TestMongoEditedRows(t *testing.T) {
	s, database := freshMongo(t)
	fillStore(t, s, 10)
	at := func(n int64) int64 { return int64(chat.MakeSeq(1, n)) }
	rows := rawMongo(t, enginetest.Mongo(t), database).Collection("rows")
	edit := func(id string, seq, rev int64) {
		t.Helper()
		set := bson.D{{Key: "seq", Value: at(seq)}, {Key: "rev", Value: at(rev)}, {Key: "edited", Value: rev > seq}}
		if got, err := rows.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: set}}); err != nil || got.MatchedCount != 1 {
			t.Fatal(err)
		}
	}
	edit("id8", 18, 18)
	edit("id9", 19, 60) // a new one that was edited
	edit("id10", 20, 20)
	edit("id2", 2, 9)
	edit("id4", 4, 50)
	edit("id1", 1, 111) // above W
	for _, c := range []struct {
		after int64
		limit int
		want  string
		more  bool
	}{
		{0, 100, "id1 id2 id3 id4 id5 id6 id7 id8 id9 id10", false},
		{5, 100, "id6 id7 id2 id8 id9 id10 id4", false},
		{5, 3, "id6 id7 id2", true},
		{5, 6, "id6 id7 id2 id8 id9 id10", true},
		{19, 100, "id10 id4 id9", false},
		{20, 1, "id4", true},
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
}

// TestMongoSeqs: many ids, of one room.
func TestMongoSeqs(t *testing.T) {
	s, _ := freshMongo(t)
	rs := fillStore(t, s, 500)
	ids := []chat.MessageID{"none", `"quoted"`, "id0", "nul\x00"}
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
	if got, err := s.Seqs(t.Context(), "other", ids[:50]); err != nil || len(got) != 0 {
		t.Fatalf("another room: %v, %v", got, err)
	}
	if _, err = s.Seqs(t.Context(), "r", make([]chat.MessageID, store.MaxRows+1)); chat.AsError(err).Code != chat.CodeInvalid {
		t.Fatalf("too many ids: %v", err)
	}
}

// TestStrangeQuestions: what no store can hold is not there; it is no error of the engine.
func TestStrangeQuestions(t *testing.T) {
	s, _ := freshMongo(t)
	fillStore(t, s, 3)
	odd := "\x00"
	if p, err := s.Page(t.Context(), chat.RoomID(odd), chat.Range{}, 5); err != nil || len(p.Rows) != 0 {
		t.Errorf("a page: %+v, %v", p, err)
	}
	if _, err := s.ByID(t.Context(), "r", chat.MessageID(odd)); chat.AsError(err).Code != chat.CodeNotFound {
		t.Errorf("an id: %v", err)
	}
	if _, _, err := s.Room(t.Context(), chat.RoomID(odd)); chat.AsError(err).Code != chat.CodeNotFound {
		t.Errorf("a room: %v", err)
	}
	if list, _, err := s.Members(t.Context(), chat.RoomID(odd), "", 5); err != nil || len(list) != 0 {
		t.Errorf("members: %v, %v", list, err)
	}
	if list, _, err := s.RoomsOf(t.Context(), chat.UserID(odd), "", 5); err != nil || len(list) != 0 {
		t.Errorf("a user's rooms: %v, %v", list, err)
	}
	if p, err := s.Changed(t.Context(), chat.RoomID(odd), 0, 5); err != nil || len(p.Rows) != 0 {
		t.Errorf("changes: %+v, %v", p, err)
	}
	for _, q := range []chat.RoomQuery{{Asker: chat.UserID(odd), Limit: 5}, {Text: odd, Limit: 5}, {Text: strings.Repeat("x", 10_000), Limit: 5}, {Text: "\xff", Limit: 5}} {
		if rooms, _, err := s.List(t.Context(), q, ""); err != nil || len(rooms) != 0 {
			t.Errorf("rooms of %.9q: %v, %v", q.Text, rooms, err)
		}
	}
}

// TestFirstSchema: a file of the first version gets a name, once, and keeps what it has.
func TestFirstSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old news.db")
	rawSQL(t, path, store.FirstSchema(), fmt.Sprintf("PRAGMA application_id = %d", store.ApplicationID), "PRAGMA user_version = 1",
		"INSERT INTO log (one, id, generation, partitions) VALUES (1, 'l', 1, 1)")
	for range 2 {
		s := openAt(t, path)
		st, err := s.State(t.Context())
		if err != nil || st.Log.ID != "l" || !strings.HasPrefix(st.Store, "old_news-") {
			t.Fatalf("%+v, %v", st, err)
		}
		if again, err := openAt(t, path).State(t.Context()); err != nil || again.Store != st.Store {
			t.Fatalf("%+v, then %+v, %v", st, again, err)
		}
		closeStore(t, s)
	}
}

// fillStore is fill for either engine.
func fillStore(t testing.TB, s chat.Archive, n int) (rs []chat.Record) {
	t.Helper()
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	var cs []chat.Change
	for i := 1; i <= n; i++ {
		r := chat.Record{Seq: chat.MakeSeq(1, int64(i)), Kind: chat.KindMessage, Room: "r", ID: chat.MessageID(fmt.Sprint("id", i)), User: "u", Body: []byte(`{"a":1}`)}
		rs, cs = append(rs, r), append(cs, chat.Change{Row: r})
	}
	if err := s.Save(t.Context(), 0, cs, chat.Mark{Seq: rs[n-1].Seq + 100}); err != nil {
		t.Fatal(err)
	}
	return rs
}
