package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// many makes n messages in seven rooms at offsets from+1 to from+n: several pieces, and rows that are left over.
func many(from, n int) (cs []chat.Change) {
	for i := from + 1; i <= from+n; i++ {
		cs = append(cs, chat.Change{Row: chat.Record{Seq: chat.MakeSeq(1, int64(i)), Kind: chat.KindMessage, Room: chat.RoomID(fmt.Sprint("r", i%7)),
			ID: chat.MessageID(fmt.Sprint("id", i)), User: "u", Body: []byte(`{"a":1}`)}})
	}
	return cs
}

func last(cs []chat.Change) chat.Mark { return chat.Mark{Seq: cs[len(cs)-1].Row.Seq} }

// adopted is a store that has taken on a log of one partition.
func adopted(t *testing.T) *store.SQLite {
	t.Helper()
	s := openAt(t, filepath.Join(t.TempDir(), "s.db"))
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// holds fails unless the store has exactly these rows, in their order, and W at w.
func holds(t *testing.T, s *store.SQLite, cs []chat.Change, w chat.Mark) {
	t.Helper()
	want := map[chat.RoomID][]chat.Record{}
	for i := range 7 {
		want[chat.RoomID(fmt.Sprint("r", i))] = nil
	}
	for _, c := range cs {
		want[c.Row.Room] = append(want[c.Row.Room], c.Row)
	}
	for room, rs := range want {
		p, err := s.Page(t.Context(), room, chat.Range{}, store.MaxRows)
		if err != nil || len(p.Rows) != len(rs) {
			t.Fatalf("room %s has %d rows, want %d: %v", room, len(p.Rows), len(rs), err)
		}
		for i, r := range p.Rows {
			if r.ID != rs[i].ID || r.Seq != rs[i].Seq {
				t.Fatalf("room %s, row %d: %s at %d, want %s at %d", room, i, r.ID, r.Seq, rs[i].ID, rs[i].Seq)
			}
		}
	}
	if st, err := s.State(t.Context()); err != nil || st.W[0].Seq != w.Seq {
		t.Fatalf("W %v, want %d: %v", st.W, w.Seq, err)
	}
}

// TestPiecesAgain: a batch of which a part is there already, and in which copies stand at later places, adds what is new and nothing else.
func TestPiecesAgain(t *testing.T) {
	s := adopted(t)
	all := many(0, 1000)
	if err := s.Save(t.Context(), 0, all[:333], last(all[:333])); err != nil {
		t.Fatal(err)
	}
	copies := many(1000, 400)
	for i := range copies { // copies of what is there, of what comes with them, and of both in the same piece
		copies[i].Row.ID = all[i*2].Row.ID
		copies[i].Row.Room = all[i*2].Row.Room
	}
	batch := append(append([]chat.Change(nil), all[100:]...), copies...)
	for range 2 { // the second time all of it is there
		if err := s.Save(t.Context(), 0, batch, last(batch)); err != nil {
			t.Fatal(err)
		}
		holds(t, s, all, last(batch))
	}
}

// TestPiecesBlame: whichever row of a large batch can not be stored is named, a place that another record has is a log that went back,
// and nothing of the batch is there.
func TestPiecesBlame(t *testing.T) {
	s := adopted(t)
	first := many(0, 300)
	if err := s.Save(t.Context(), 0, first, last(first)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 1, 63, 64, 65, 300, 498, 499} {
		bad := many(300, 500)
		bad[at].Row.Body = make([]byte, 2<<20)
		err := s.Save(t.Context(), 0, bad, last(bad))
		var never *chat.Unstorable
		if !errors.As(err, &never) || never.Index != at {
			t.Fatalf("an oversized body at %d: %v", at, err)
		}
		holds(t, s, first, last(first))

		taken := many(300, 500)
		taken[at].Row.Seq, taken[at].Row.Room = first[at%300].Row.Seq, first[at%300].Row.Room
		if err := s.Save(t.Context(), 0, taken, last(taken)); !errors.Is(err, chat.ErrRewound) {
			t.Fatalf("a taken place at %d: %v", at, err)
		}
		holds(t, s, first, last(first))
	}
}

// TestPiecesOfRooms: rooms and members come out as if saved one by one, wherever they stand among messages.
func TestPiecesOfRooms(t *testing.T) {
	s := adopted(t)
	cs := many(0, 700)
	made := chat.Record{Seq: cs[100].Row.Seq, Kind: chat.KindCreate, Room: "r3", ID: "made", User: "u", Body: []byte(`{"room":{"name":"Three","owner":"u"},"at":1}`)}
	cs[100] = chat.Change{Row: made, Room: &made}
	for i, state := range map[int]chat.MemberState{200: chat.StateJoined, 300: chat.StateLeft, 400: chat.StateJoined} {
		cs[i].Row.Room, cs[i].Row.Kind = "r3", chat.KindJoin
		cs[i].Member = &chat.Member{Room: "r3", User: chat.User{ID: "v", Name: fmt.Sprint("v", i)}, State: state, Joined: cs[i].Row.Seq, Rev: cs[i].Row.Seq}
	}
	if err := s.Save(t.Context(), 0, cs, last(cs)); err != nil {
		t.Fatal(err)
	}
	ms, _, err := s.Members(t.Context(), "r3", "", 10)
	if err != nil || len(ms) != 1 || ms[0].State != chat.StateJoined || ms[0].Rev != cs[400].Row.Seq || ms[0].User.Name != "v400" {
		t.Fatalf("members %+v, %v", ms, err)
	}
	r, w, err := s.Room(t.Context(), "r3")
	if err != nil || r.Members != 1 || r.Seq != made.Seq || w != last(cs).Seq {
		t.Fatalf("room %+v, W %d, %v", r, w, err)
	}
}

// TestPiecesEnd: a save whose context ends leaves nothing of a large batch.
func TestPiecesEnd(t *testing.T) {
	s := adopted(t)
	first := many(0, 300)
	if err := s.Save(t.Context(), 0, first, last(first)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	next := many(300, 2000)
	if err := s.Save(ctx, 0, next, last(next)); !errors.Is(err, chat.ErrUnavailable) {
		t.Fatalf("saved under a context that has ended: %v", err)
	}
	holds(t, s, first, last(first))
}
