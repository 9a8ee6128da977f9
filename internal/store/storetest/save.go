package storetest

import (
	"errors"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// testCopies: an id has one row for ever, and what is not that very row has no effect.
func testCopies(t *testing.T, h Harness) {
	s := open(t, h)
	create := record(at(1), chat.KindCreate, "r", "own", "a")
	join, leave := record(at(2), chat.KindJoin, "r", "bob", "j"), record(at(3), chat.KindLeave, "r", "bob", "l")
	name := "second"
	update := record(at(4), chat.KindUpdate, "r", "own", "u", func(b *chat.Body) { b.Name = &name })
	save(t, s, create, join, leave, update)
	copyOf := func(r chat.Record, seq chat.Seq) chat.Record { r.Seq = seq; return r }
	old := "first again"
	stale := record(at(8), chat.KindUpdate, "r", "own", "u", func(b *chat.Body) { b.Name = &old }) // the id is taken
	save(t, s, copyOf(create, at(5)), copyOf(join, at(6)), copyOf(leave, at(7)), stale)
	same(t, "rows", page(t, s, "r", chat.Range{All: true}, 10).Rows, []chat.Record{create, join, leave, update})
	v := view(t, s, "r")
	if v.IsMember("bob") || v.Room().Name != "second" || v.Room().Rev != at(4) || v.Members() != 1 {
		t.Fatalf("copies had effects: %+v", v.Room())
	}
	again := record(at(9), chat.KindJoin, "r", "bob", "j2") // another request is another id
	save(t, s, again)
	if m := view(t, s, "r").Member("bob"); m.Joined != at(9) || m.Rev != at(9) || m.User.Name != "Name of bob" {
		t.Fatalf("joined again: %+v", m)
	}
}

// testRewound: a place has one id, whatever its kind; another one there means that the log went back, which is no fault of the record.
func testRewound(t *testing.T, h Harness) {
	s := open(t, h)
	save(t, s, record(at(1), chat.KindCreate, "r", "u", "a"), record(at(2), chat.KindMessage, "r", "u", "b"))
	err := s.Save(ctxOf(t), 0, changes(record(at(3), chat.KindMessage, "r", "u", "c"), record(at(2), chat.KindMessage, "r", "u", "d")),
		chat.Mark{Seq: at(3)})
	var never *chat.Unstorable
	if !errors.Is(err, chat.ErrRewound) || errors.As(err, &never) {
		t.Fatalf("a place taken twice: %v", err)
	}
	for _, moved := range []chat.Record{record(at(2), chat.KindJoin, "r", "u", "e"), record(at(1), chat.KindMessage, "r", "u", "f")} {
		if err := s.Save(ctxOf(t), 0, changes(moved), chat.Mark{Seq: at(3)}); !errors.Is(err, chat.ErrRewound) {
			t.Fatalf("a place taken by another kind: %v", err)
		}
	}
	other := record(at(2), chat.KindMessage, "elsewhere", "u", "d")
	must(t, s.Save(ctxOf(t), 0, changes(other), chat.Mark{Seq: at(3)})) // in another room the place is free
}

// testUnstorable: what can never be held is named, and a tombstone takes its place.
func testUnstorable(t *testing.T, h Harness) {
	s := open(t, h)
	bad := h.Unstorable(at(3))
	good := []chat.Record{record(at(1), chat.KindCreate, "r", "u", "a"), record(at(2), chat.KindMessage, "r", "u", "b")}
	err := s.Save(ctxOf(t), 0, changes(append(good, bad)...), chat.Mark{Seq: at(3)})
	var never *chat.Unstorable
	if !errors.As(err, &never) || never.Index != 2 && never.Index != -1 || never.Reason == "" {
		t.Fatalf("a record that can not be held: %v", err)
	}
	if st, err := s.State(ctxOf(t)); err != nil || st.W[0].Seq >= at(3) {
		t.Fatalf("W moved over it: %+v, %v", st, err)
	}
	err = s.Save(ctxOf(t), 0, changes(bad), chat.Mark{Seq: at(3)})
	if !errors.As(err, &never) || never.Index > 0 {
		t.Fatalf("alone: %v", err)
	}
	stone := record(at(3), chat.KindTombstone, "r", "u", "c", func(b *chat.Body) { b.Deleted, b.Reason = true, "unstorable" })
	save(t, s, append(good, stone)...)
	same(t, "rows", page(t, s, "r", chat.Range{}, 10).Rows, []chat.Record{good[1], stone})
}

// testFold: the states of a membership, in every order that the log can have.
func testFold(t *testing.T, h Harness) {
	s := open(t, h)
	kinds := map[byte]chat.Kind{'j': chat.KindJoin, 'l': chat.KindLeave, 'i': chat.KindInvite}
	n := 0
	for _, script := range []string{"j", "l", "i", "jj", "jl", "ji", "lj", "ll", "li", "ij", "il", "ii", "jlj", "jli", "jil", "ilj", "ijl", "iji", "jlil", "jljl"} {
		room := chat.RoomID("room-" + script)
		rs := []chat.Record{record(at(n), chat.KindCreate, room, "own", "create")}
		want := chat.NewView(chat.Room{}, nil).Fold(rs[0])
		for i, k := range []byte(script) {
			n++
			user := chat.UserID("bob")
			if k == 'i' {
				user = "own"
			}
			r := record(at(n), kinds[k], room, user, string(rune('a'+i)), func(b *chat.Body) {
				if k == 'i' {
					b.Invitee = "bob"
				}
			})
			rs, want = append(rs, r), want.Fold(r)
		}
		n++
		save(t, s, rs...)
		sameView(t, view(t, s, room), want)
	}
}
