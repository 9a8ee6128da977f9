package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func testRoom(t *testing.T, h Harness) {
	s := open(t, h)
	_, _, err := s.Room(ctxOf(t), "r")
	if !errors.Is(err, chat.ErrNotFound) {
		t.Fatalf("a room that is not there: %v", err)
	}
	create := record(at(1), chat.KindCreate, "r", "own", "c", func(b *chat.Body) {
		b.Room = &chat.RoomInfo{Name: "Näme", Topic: "t", Private: true, Owner: "own"}
	})
	name, topic := "Other", ""
	update := record(at(5), chat.KindUpdate, "r", "own", "u", func(b *chat.Body) { b.Name, b.Topic = &name, &topic })
	save(t, s, create)
	want := chat.Room{ID: "r", Name: "Näme", Topic: "t", Private: true, Owner: "own", Created: 1001, Members: 1, Seq: at(1), Rev: at(1)}
	for _, w := range []chat.Seq{at(1), at(5)} {
		if w == at(5) {
			save(t, s, record(at(3), chat.KindJoin, "r", "bob", "j"), update)
			want.Name, want.Topic, want.Members, want.Rev = "Other", "", 2, at(5)
		}
		got, asOf, err := s.Room(ctxOf(t), "r")
		must(t, err)
		if got != want || asOf != w {
			t.Fatalf("got %+v as of %d\nwant %+v", got, asOf.Offset(), want)
		}
	}
}

// house fills a store with rooms: names as given, ids r0, r1 … in this order; those whose name ends in "!" are private.
func house(t *testing.T, h Harness, names ...string) Store {
	t.Helper()
	s := open(t, h)
	var rs []chat.Record
	for i, name := range names {
		rs = append(rs, record(at(i+1), chat.KindCreate, chat.RoomID(fmt.Sprint("r", i)), "own", "c", func(b *chat.Body) {
			b.Room = &chat.RoomInfo{Name: name, Private: strings.HasSuffix(name, "!"), Owner: "own"}
		}))
	}
	save(t, s, rs...)
	return s
}

// listAll walks the list by pages of a size.
func listAll(t *testing.T, s Store, q chat.RoomQuery) string {
	t.Helper()
	var out []string
	for c := chat.Cursor(""); ; {
		rooms, next, err := s.List(ctxOf(t), q, c)
		must(t, err)
		if len(rooms) > q.Limit || len(rooms) == 0 && next != "" || len(out) > MaxPage {
			t.Fatalf("%d rooms of at most %d, and a cursor %q", len(rooms), q.Limit, next)
		}
		for _, r := range rooms {
			out = append(out, string(r.ID))
		}
		if c = next; c == "" {
			return strings.Join(out, " ")
		}
	}
}

func testList(t *testing.T, h Harness) {
	s := house(t, h, "b", "a", "c!", "b", "a", "d!", "e")
	save(t, s, record(at(20), chat.KindJoin, "r2", "member", "1"),
		record(at(21), chat.KindInvite, "r5", "own", "2", func(b *chat.Body) { b.Invitee = "guest" }),
		record(at(22), chat.KindJoin, "r2", "gone", "3"), record(at(23), chat.KindLeave, "r2", "gone", "4"))
	for _, c := range []struct {
		asker chat.UserID
		want  string
	}{
		{"", "r1 r4 r0 r3 r6"}, {"stranger", "r1 r4 r0 r3 r6"}, {"gone", "r1 r4 r0 r3 r6"},
		{"member", "r1 r4 r0 r3 r2 r6"}, {"guest", "r1 r4 r0 r3 r5 r6"}, {"own", "r1 r4 r0 r3 r2 r5 r6"},
	} {
		for _, limit := range []int{1, 2, 3, 5, 6, 7, 100} {
			if got := listAll(t, s, chat.RoomQuery{Asker: c.asker, Limit: limit}); got != c.want {
				t.Fatalf("%s by %d: got %s, want %s", c.asker, limit, got, c.want)
			}
		}
	}
	save(t, s, record(at(30), chat.KindLeave, "r2", "own", "5")) // an owner sees his room all the same, see chat.View.CanSee
	if got := listAll(t, s, chat.RoomQuery{Asker: "own", Limit: 9}); got != "r1 r4 r0 r3 r2 r5 r6" {
		t.Fatalf("an owner who left: %s", got)
	}
}

func testListSearch(t *testing.T, h Harness) {
	s := house(t, h, "100% Fun", "under_score", `back\slash`, "Größe", "ΣΊΣΥΦΟΣ", "plain", "[a-z]*?", "fun 100", "secret fun!")
	for _, c := range []struct{ text, want string }{
		{"fun", "r0 r7"}, {"FUN", "r0 r7"}, {"%", "r0"}, {"_", "r1"}, {`\`, "r2"}, {"GRÖ", "r3"}, {"größe", "r3"},
		{"σίσυφος", "r4"}, {"*", "r6"}, {"[a-z]", "r6"}, {".", ""}, {"n", "r0 r7 r5 r1"}, {"' OR 1=1 --", ""}, {" ", "r0 r7"}, {"secret", ""},
	} {
		for _, limit := range []int{1, 2, 10} {
			if got := listAll(t, s, chat.RoomQuery{Text: c.text, Limit: limit}); got != c.want {
				t.Fatalf("%q by %d: got %q, want %q", c.text, limit, got, c.want)
			}
		}
	}
}

func testMembers(t *testing.T, h Harness) {
	s := house(t, h, "a", "b")
	var rs []chat.Record
	for i := range 9 {
		u := chat.UserID(fmt.Sprint("u", 8-i))
		rs = append(rs, record(at(10+i), chat.KindJoin, "r0", u, "j", func(b *chat.Body) { b.User.Guest = i%2 == 0 }))
	}
	rs = append(rs, record(at(30), chat.KindLeave, "r0", "u3", "l"), record(at(31), chat.KindInvite, "r0", "own", "i", func(b *chat.Body) { b.Invitee = "v" }))
	save(t, s, rs...)
	want := chat.NewView(chat.Room{}, nil).Fold(record(at(1), chat.KindCreate, "r0", "own", "c"))
	for _, r := range rs {
		want = want.Fold(r)
	}
	for limit := 1; limit < 12; limit++ {
		var got []chat.Member
		for c := chat.Cursor(""); ; {
			ms, next, err := s.Members(ctxOf(t), "r0", c, limit)
			must(t, err)
			if len(ms) > limit || len(ms) < limit && next != "" || len(got) > MaxPage {
				t.Fatalf("%d members of at most %d, and a cursor %q", len(ms), limit, next)
			}
			got = append(got, ms...)
			if c = next; c == "" {
				break
			}
		}
		if !slices.Equal(got, people(want)) {
			t.Fatalf("by %d:\n got %+v\nwant %+v", limit, got, people(want))
		}
	}
}

func testRoomsOf(t *testing.T, h Harness) {
	s := house(t, h, "a", "b!", "c", "d", "e")
	save(t, s, record(at(10), chat.KindJoin, "r3", "u", "1"), record(at(11), chat.KindJoin, "r0", "u", "2"), record(at(12), chat.KindJoin, "r2", "u", "3"),
		record(at(13), chat.KindLeave, "r2", "u", "4"), record(at(14), chat.KindInvite, "r1", "own", "5", func(b *chat.Body) { b.Invitee = "u" }))
	for limit := 1; limit < 5; limit++ {
		var got []string
		for c := chat.Cursor(""); ; {
			ms, next, err := s.RoomsOf(ctxOf(t), "u", c, limit)
			must(t, err)
			if len(ms) > limit || len(ms) < limit && next != "" || len(got) > MaxPage {
				t.Fatalf("%d rooms of at most %d, and a cursor %q", len(ms), limit, next)
			}
			for _, m := range ms {
				got = append(got, fmt.Sprintf("%s/%s/%s/%d/%d/%d", m.Room.ID, m.Room.Name, m.Member.User.ID, m.Member.State, m.Member.Joined.Offset(), m.Room.Members))
				if m.Member.Room != m.Room.ID {
					t.Fatalf("%+v", m)
				}
			}
			if c = next; c == "" {
				break
			}
		}
		if want := "r0/a/u/2/11/2 r1/b!/u/1/0/1 r3/d/u/2/10/2"; strings.Join(got, " ") != want {
			t.Fatalf("by %d: got %q, want %q", limit, got, want)
		}
	}
}

// testNoRoom: memberships of rooms that the store does not know (their create records were unstorable) are left out of a user's rooms
// without a page breaking off; and a room that comes later counts who is there already.
func testNoRoom(t *testing.T, h Harness) {
	s := open(t, h)
	var rs []chat.Record
	for i := range 8 {
		room := chat.RoomID(fmt.Sprint("r", i))
		if i == 4 || i == 7 {
			rs = append(rs, record(at(10*i+1), chat.KindCreate, room, "own", "c"))
		}
		rs = append(rs, record(at(10*i+2), chat.KindJoin, room, "u", "j"))
	}
	save(t, s, rs...)
	for limit := 1; limit < 4; limit++ {
		var got []string
		for c := chat.Cursor(""); ; {
			ms, next, err := s.RoomsOf(ctxOf(t), "u", c, limit)
			must(t, err)
			for _, m := range ms {
				got = append(got, string(m.Room.ID))
			}
			if len(ms) < limit && next != "" {
				t.Fatalf("by %d: a page of %d promises more", limit, len(ms))
			}
			if c = next; c == "" {
				break
			}
		}
		if !slices.Equal(got, []string{"r4", "r7"}) {
			t.Fatalf("by %d: %v", limit, got)
		}
	}
	late := record(at(100), chat.KindCreate, "r0", "own", "c", func(b *chat.Body) { b.Room.Owner = "~system" })
	late.Subject = "" // as the lobby's: nobody joins with it
	save(t, s, late)
	if room, _, err := s.Room(ctxOf(t), "r0"); err != nil || room.Members != 1 {
		t.Fatalf("the late room: %+v, %v", room, err)
	}
}

// testCursors: a cursor is one of this list, unchanged, or it is `invalid`.
func testCursors(t *testing.T, h Harness) {
	s := house(t, h, "a", "b", "c")
	save(t, s, record(at(10), chat.KindJoin, "r0", "u", "1"), record(at(11), chat.KindJoin, "r1", "u", "2"))
	_, rooms, err := s.List(ctxOf(t), chat.RoomQuery{Limit: 1}, "")
	must(t, err)
	_, members, err := s.Members(ctxOf(t), "r0", "", 1)
	must(t, err)
	_, of, err := s.RoomsOf(ctxOf(t), "u", "", 1)
	must(t, err)
	if rooms == "" || members == "" || of == "" {
		t.Fatal("there should be more")
	}
	forged := []chat.Cursor{"x", "AAAA", "!", chat.Cursor(strings.Repeat("A", 10_000)), rooms + "A", rooms[:len(rooms)-1], "B" + rooms[1:] + "B"}
	for _, c := range append(forged, members, of) {
		_, _, err := s.List(ctxOf(t), chat.RoomQuery{Limit: 1}, c)
		wantCode(t, fmt.Sprintf("list %q", c), err, chat.CodeInvalid)
	}
	for _, c := range append(forged, rooms, of) {
		_, _, err := s.Members(ctxOf(t), "r0", c, 1)
		wantCode(t, fmt.Sprintf("members %q", c), err, chat.CodeInvalid)
	}
	for _, c := range append(forged, rooms, members) {
		_, _, err := s.RoomsOf(ctxOf(t), "u", c, 1)
		wantCode(t, fmt.Sprintf("roomsOf %q", c), err, chat.CodeInvalid)
	}
	_, _, err = s.List(ctxOf(t), chat.RoomQuery{Text: "a", Limit: 1}, rooms)
	wantCode(t, "a cursor of another search", err, chat.CodeInvalid)
	_, _, err = s.Members(ctxOf(t), "r1", members, 1)
	wantCode(t, "a cursor of another room", err, chat.CodeInvalid)
	_, _, err = s.RoomsOf(ctxOf(t), "own", of, 1)
	wantCode(t, "another user's cursor", err, chat.CodeInvalid)
}
