package history_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/store/storetest"
)

// talk fills two rooms: "r" has messages, joins between them, and a message of another room after each.
func (w *world) talk(n int) (rows []chat.Record) {
	w.add(change(chat.KindCreate, "r", "owner", "create"))
	rows = append(rows, w.recs[0])
	for i := range n {
		kind := chat.KindMessage
		if i%4 == 2 {
			kind = chat.KindJoin
		}
		w.add(change(kind, "r", chat.UserID(fmt.Sprint("u", i)), fmt.Sprint("m", i)))
		rows = append(rows, w.recs[len(w.recs)-1])
		w.add(change(chat.KindMessage, "other", "u", fmt.Sprint("o", i)))
	}
	return rows
}

func ids(rows []chat.Record) (out []chat.MessageID) {
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}

// Pages are exact over the seam of store and log, wherever W is: see cases.md 18.
func TestPagesOverTheSeam(t *testing.T) {
	w := newWorld(t, history.Options{})
	rows := w.talk(6)
	end := w.recs[len(w.recs)-1].Seq
	places := storetest.Places(rows)
	limits := []int{1, 2, 3, 6, 20}
	for saved := 0; saved <= len(w.recs); saved++ {
		if saved > 0 {
			w.save(saved)
		}
		for i, r := range storetest.Ranges(places) {
			for _, limit := range limits[(i+saved)%5:][:1] { // each range by another one, at each W; seam_test.go has them all
				got, err := w.Page(t.Context(), "r", r, limit)
				if err != nil {
					t.Fatal(err)
				}
				want := storetest.Expect(rows, r, limit, end)
				if !slices.Equal(ids(got.Rows), ids(want.Rows)) || got.HasMore != want.HasMore || got.Newer != want.Newer || got.Gap != nil {
					t.Fatalf("%d saved, %+v limit %d: %v more %v newer %v, want %v more %v newer %v", saved, r, limit, ids(got.Rows), got.HasMore,
						got.Newer, ids(want.Rows), want.HasMore, want.Newer)
				}
			}
		}
		for i := range rows {
			for _, j := range []int{i, len(rows) - 1} {
				p, err := w.Fill(t.Context(), "r", rows[i].Seq-1, rows[j].Seq)
				if err != nil || !slices.Equal(ids(p.Rows), ids(rows[i:j+1])) || p.Gap != nil {
					t.Fatalf("%d saved, fill %d to %d: %v, %v", saved, i, j, ids(p.Rows), err)
				}
			}
		}
	}
}

func TestPageSizesWithHalfSaved(t *testing.T) {
	for _, n := range []int{0, 1, 50, 100, 101, 200} {
		w := newWorld(t, history.Options{})
		rows := w.talk(n)
		w.save(max(1, len(w.recs)/2))
		end := w.recs[len(w.recs)-1].Seq
		var up, down []chat.MessageID
		for after := chat.AfterStart; ; {
			p, err := w.Page(t.Context(), "r", chat.Range{After: after}, 50)
			if err != nil {
				t.Fatal(err)
			}
			up = append(up, ids(p.Rows)...)
			if !p.HasMore {
				break
			}
			if len(p.Rows) == 0 {
				t.Fatal("an empty page promises more")
			}
			after = p.Rows[len(p.Rows)-1].Seq
		}
		for before := chat.Seq(0); ; {
			p, err := w.Page(t.Context(), "r", chat.Range{Before: before}, 50)
			if err != nil {
				t.Fatal(err)
			}
			down = append(ids(p.Rows), down...)
			if !p.HasMore {
				break
			}
			before = p.Rows[0].Seq
		}
		want := ids(storetest.Expect(rows, chat.Range{After: chat.AfterStart}, 10_000, end).Rows)
		if !slices.Equal(up, want) || !slices.Equal(down, want) {
			t.Errorf("%d: up %d, down %d, want %d messages", n, len(up), len(down), len(want))
		}
	}
}

// A copy whose first copy the store has is no second message, however late it comes; nor one whose first copy lies above W.
func TestCopiesAboveW(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "owner", "create"), change(chat.KindMessage, "r", "u", "a"), change(chat.KindMessage, "r", "u", "b"))
	w.save(3)
	w.add(change(chat.KindMessage, "r", "u", "a"), change(chat.KindMessage, "r", "u", "c"), change(chat.KindMessage, "r", "u", "b"),
		change(chat.KindMessage, "r", "u", "c"), change(chat.KindMessage, "r", "u", "d"))
	want := []chat.MessageID{"a", "b", "c", "d"}
	p, err := w.Page(t.Context(), "r", chat.Range{}, 10)
	if err != nil || !slices.Equal(ids(p.Rows), want) {
		t.Errorf("page %v, %v", ids(p.Rows), err)
	}
	since := w.recs[3].Seq // above W, at the copy of a: c must still be the first c
	p, err = w.Fill(t.Context(), "r", since, w.recs[7].Seq)
	if err != nil || !slices.Equal(ids(p.Rows), want[2:]) || p.Rows[0].Seq != w.recs[4].Seq {
		t.Errorf("fill %v, %v", ids(p.Rows), err)
	}
	since = w.recs[5].Seq // beyond the first c: its copy is not new
	p, err = w.Fill(t.Context(), "r", since, w.recs[7].Seq)
	if err != nil || !slices.Equal(ids(p.Rows), want[3:]) {
		t.Errorf("fill from beyond the first copy %v, %v", ids(p.Rows), err)
	}
	for _, id := range []chat.MessageID{"a", "d"} {
		if r, err := w.ByID(t.Context(), "r", id); err != nil || r.ID != id {
			t.Errorf("by id %s: %+v, %v", id, r, err)
		}
	}
	if _, err := w.ByID(t.Context(), "other", "d"); !errors.Is(err, chat.ErrNotFound) {
		t.Errorf("by id in another room: %v", err)
	}
}

func TestFillIsBounded(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "owner", "create"))
	for i := range 1100 {
		w.add(change(chat.KindMessage, "r", "u", fmt.Sprint("m", i)))
	}
	for _, saved := range []int{1, 600, 1101} {
		w.save(saved)
		end := w.recs[1100].Seq
		p, err := w.Fill(t.Context(), "r", w.recs[0].Seq, end)
		if err != nil || len(p.Rows) != 100 || p.Gap == nil || p.Gap.Reason != chat.GapLimit || p.Gap.From != w.recs[0].Seq || p.Gap.To != p.Rows[0].Seq-1 {
			t.Errorf("%d saved: %d rows, gap %+v, %v", saved, len(p.Rows), p.Gap, err)
		}
		if p, err := w.Fill(t.Context(), "r", w.recs[100].Seq, end); err != nil || len(p.Rows) != 1000 || p.Gap != nil {
			t.Errorf("%d saved, exactly 1,000: %d rows, gap %+v, %v", saved, len(p.Rows), p.Gap, err)
		}
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t, history.Options{})
	rows := w.talk(20)
	w.save(21)
	o, err := w.Open(t.Context(), "r")
	if err != nil || !o.View.Exists() || !o.All || o.AsOf.Seq != w.recs[20].Seq {
		t.Fatalf("%+v, %v", o, err)
	}
	var want []chat.MessageID
	for _, r := range rows {
		if r.Seq <= o.AsOf.Seq {
			want = append(want, r.ID)
		}
	}
	if !slices.Equal(ids(o.Rows), want) {
		t.Errorf("rows %v, want %v", ids(o.Rows), want)
	}
	if o, err := w.Open(t.Context(), "unknown"); err != nil || o.View.Exists() || o.AsOf.Seq != w.recs[20].Seq {
		t.Errorf("an unknown room: %+v, %v", o, err)
	}
}

// With the store away, the log above W answers what it has all of, and nothing else.
func TestWithoutTheStore(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.talk(4)
	w.save(len(w.recs))
	last := w.recs[len(w.recs)-1].Seq
	w.add(change(chat.KindCreate, "new", "u", "create new"), change(chat.KindMessage, "new", "u", "first"), change(chat.KindMessage, "r", "u", "late"))
	for _, room := range []chat.RoomID{"r", "new"} {
		if _, err := w.Page(t.Context(), room, chat.Range{All: true}, 10); err != nil {
			t.Fatal(err)
		}
	}
	w.away.down = true
	if _, err := w.Page(t.Context(), "r", chat.Range{}, 10); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("an old room's page: %v", err)
	}
	if _, err := w.Open(t.Context(), "r"); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("opening an old room: %v", err)
	}
	if _, _, err := w.RoomsOf(t.Context(), "u", "", 10); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("somebody's rooms: %v", err)
	}
	if p, err := w.Fill(t.Context(), "r", last, w.recs[len(w.recs)-1].Seq); err != nil || !slices.Equal(ids(p.Rows), []chat.MessageID{"late"}) {
		t.Errorf("what came since W: %v, %v", ids(p.Rows), err)
	}
	if p, err := w.Page(t.Context(), "new", chat.Range{}, 10); err != nil || !slices.Equal(ids(p.Rows), []chat.MessageID{"first"}) || p.HasMore {
		t.Errorf("a room made since: %v, %v", ids(p.Rows), err)
	}
	if o, err := w.Open(t.Context(), "new"); err != nil || o.AsOf.Seq >= w.recs[len(w.recs)-3].Seq || o.View.Exists() {
		t.Errorf("opening it: %+v, %v", o, err)
	}
}

func TestRoomsOfOverW(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "a", "u", "1"), change(chat.KindCreate, "b", "x", "2"), change(chat.KindJoin, "b", "u", "3"), change(chat.KindCreate, "c", "x", "4"))
	for saved := 0; saved <= 4; saved++ {
		if saved > 0 {
			w.save(saved)
		}
		got, _, err := w.RoomsOf(t.Context(), "u", "", 10)
		if err != nil || len(got) != 2 || got[0].Room.Name != "room a" || got[1].Room.Name != "room b" || got[1].Member.State != chat.StateJoined {
			t.Fatalf("%d saved: %+v, %v", saved, got, err)
		}
	}
	w.add(change(chat.KindLeave, "a", "u", "5"), change(chat.KindInvite, "c", "u", "6"), change(chat.KindUpdate, "b", "x", "renamed"))
	for saved := 4; saved <= 7; saved++ {
		w.save(saved)
		first, next, err := w.RoomsOf(t.Context(), "u", "", 1)
		if err != nil || len(first) != 1 || first[0].Room.ID != "b" || first[0].Room.Name != "renamed" || next == "" {
			t.Fatalf("%d saved: %+v, %v", saved, first, err)
		}
		second, next, err := w.RoomsOf(t.Context(), "u", next, 1)
		if err != nil || len(second) != 1 || second[0].Room.ID != "c" || second[0].Member.State != chat.StateInvited || next != "" {
			t.Fatalf("%d saved, second page: %+v, %v", saved, second, err)
		}
	}
	if _, _, err := w.RoomsOf(t.Context(), "u", "not base64 !", 1); !errors.Is(err, chat.Errorf(chat.CodeInvalid, "")) {
		t.Errorf("a forged cursor: %v", err)
	}
}

// More above W than may be kept is unavailable, never a hole; when the store has caught up it is all there again.
func TestTooMuchAboveW(t *testing.T) {
	w := newWorld(t, history.Options{Records: 10})
	w.add(change(chat.KindCreate, "r", "owner", "create"))
	w.save(1)
	for i := range 20 {
		w.add(change(chat.KindMessage, "r", "u", fmt.Sprint("m", i)))
	}
	if _, err := w.Page(t.Context(), "r", chat.Range{}, 5); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	w.save(15)
	if p, err := w.Page(t.Context(), "r", chat.Range{}, 5); err != nil || p.Rows[4].ID != "m19" {
		t.Errorf("%v, %v", ids(p.Rows), err)
	}
}
