// Package presencetest holds what every engine of presence must pass.
package presencetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Harness is an empty engine that several nodes share.
type Harness struct {
	Node  func(name string) chat.Presence // a handle; once per name
	Pass  func(d time.Duration)           // lets that time pass, for the engine and for the test
	Flush func()                          // makes the engine forget everything
}

// In runs f with a fresh Harness: in a synctest bubble, or against a real server.
type In func(t *testing.T, f func(t *testing.T, h Harness))

// Run runs the whole suite.
func Run(t *testing.T, in In) {
	for _, c := range []struct {
		name string
		f    func(*testing.T, Harness)
	}{
		{"the union of all nodes", testUnion},
		{"put replaces", testReplace},
		{"count 0 removes", testRemove},
		{"more than 200 are counted", testMany},
		{"a silent node dies", testDies},
		{"beats keep alive", testBeats},
		{"forgotten is told once", testForgotten},
		{"a put of a dead node does not count", testPutOfTheDead},
		{"a flush is told to everyone", testFlush},
		{"what is given is the caller's", testCopies},
		{"an ended context", testEndedContext},
	} {
		t.Run(c.name, func(t *testing.T) { in(t, c.f) })
	}
}

func users(ids ...string) (out []chat.User) {
	for _, id := range ids {
		out = append(out, chat.User{ID: chat.UserID(id), Name: "Name of " + id, Guest: id == "bob"})
	}
	return out
}

func put(t *testing.T, p chat.Presence, room chat.RoomID, us ...string) {
	t.Helper()
	if err := p.Put(t.Context(), chat.Here{Room: room, Users: users(us...), Count: len(us)}); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func beat(t *testing.T, p chat.Presence, forgotten bool, alive ...string) {
	t.Helper()
	got, f, err := p.Beat(t.Context())
	if err != nil {
		t.Fatalf("beat: %v", err)
	}
	if f != forgotten {
		t.Errorf("forgotten is %v", f)
	}
	if fmt.Sprint(got) != fmt.Sprint(alive) {
		t.Errorf("alive are %v, want %v", got, alive)
	}
}

// see compares the union with want: "room node: user user" or "room node: 300".
func see(t *testing.T, p chat.Presence, rooms []chat.RoomID, want ...string) {
	t.Helper()
	hs, err := p.Union(t.Context(), rooms)
	if err != nil {
		t.Fatalf("union: %v", err)
	}
	var got []string
	for _, h := range hs {
		s := fmt.Sprintf("%s %s:", h.Room, h.Node)
		for _, u := range h.Users {
			s += " " + string(u.ID)
			if u != users(string(u.ID))[0] {
				t.Errorf("user %+v", u)
			}
		}
		if h.Users == nil {
			s += fmt.Sprint(" ", h.Count)
		} else if len(h.Users) != h.Count {
			t.Errorf("%d users, count %d", len(h.Users), h.Count)
		}
		got = append(got, s)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("union is %q, want %q", got, want)
	}
}

// two gives two living nodes.
func two(t *testing.T, h Harness) (a, b chat.Presence) {
	t.Helper()
	a, b = h.Node("a"), h.Node("b")
	beat(t, a, false, "a")
	beat(t, b, false, "a", "b")
	return a, b
}

func testUnion(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "bob", "ann")
	put(t, b, "x", "ann", "cid")
	put(t, b, "y", "dan")
	for _, p := range []chat.Presence{a, b} {
		see(t, p, []chat.RoomID{"y", "x", "nobody's"}, "y b: dan", "x a: ann bob", "x b: ann cid")
		see(t, p, nil)
	}
}

func testReplace(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann", "bob")
	put(t, b, "x", "cid")
	put(t, a, "x", "bob")
	see(t, b, []chat.RoomID{"x"}, "x a: bob", "x b: cid")
	if err := a.Put(t.Context(), chat.Here{Room: "x", Node: "b", Users: users("eve"), Count: 1}); err != nil { // only ever his own
		t.Fatal(err)
	}
	see(t, b, []chat.RoomID{"x"}, "x a: eve", "x b: cid")
}

func testRemove(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	put(t, b, "x", "ann")
	put(t, a, "x")
	put(t, a, "never was")
	see(t, b, []chat.RoomID{"x", "never was"}, "x b: ann")
}

func testMany(t *testing.T, h Harness) {
	a, b := two(t, h)
	var ids []string
	for i := range 201 {
		ids = append(ids, fmt.Sprintf("u%03d", i))
	}
	put(t, a, "x", ids...)
	see(t, b, []chat.RoomID{"x"}, "x a: 201")
	put(t, a, "x", ids[:200]...)
	hs, err := b.Union(t.Context(), []chat.RoomID{"x"})
	if err != nil || len(hs) != 1 || len(hs[0].Users) != 200 || hs[0].Count != 200 {
		t.Errorf("union of 200: %+v, %v", hs, err)
	}
	if err := a.Put(t.Context(), chat.Here{Room: "x", Count: 5000}); err != nil {
		t.Fatal(err)
	}
	see(t, b, []chat.RoomID{"x"}, "x a: 5000")
}

func testDies(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	put(t, b, "x", "bob")
	h.Pass(5 * time.Second)
	beat(t, b, false, "a", "b")
	see(t, b, []chat.RoomID{"x"}, "x a: ann", "x b: bob")
	h.Pass(3 * time.Second) // a has been silent for 8 s
	see(t, b, []chat.RoomID{"x"}, "x b: bob")
	beat(t, b, false, "b")
}

func testBeats(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	for range 4 {
		h.Pass(4 * time.Second)
		beat(t, a, false, "a", "b")
		beat(t, b, false, "a", "b")
	}
	see(t, b, []chat.RoomID{"x"}, "x a: ann") // without another put
}

func testForgotten(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	put(t, a, "y", "ann")
	h.Pass(8 * time.Second)
	beat(t, a, true, "a")
	see(t, a, []chat.RoomID{"x", "y"}) // what was told before does not come back by itself
	put(t, a, "y", "ann")
	beat(t, b, true, "a", "b")
	beat(t, a, false, "a", "b")
	beat(t, b, false, "a", "b")
	see(t, b, []chat.RoomID{"x", "y"}, "y a: ann")
}

func testPutOfTheDead(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	h.Pass(8 * time.Second)
	beat(t, b, true, "b")
	put(t, a, "x", "ann")
	see(t, b, []chat.RoomID{"x"})
	beat(t, a, true, "a", "b") // a put must not hide from its node that the rest was forgotten
	put(t, a, "x", "ann")
	see(t, b, []chat.RoomID{"x"}, "x a: ann")
}

func testFlush(t *testing.T, h Harness) {
	a, b := two(t, h)
	put(t, a, "x", "ann")
	put(t, b, "x", "bob")
	h.Flush()
	see(t, a, []chat.RoomID{"x"})
	put(t, b, "x", "bob") // before its beat
	beat(t, a, true, "a")
	beat(t, b, true, "a", "b")
	put(t, a, "x", "ann")
	put(t, b, "x", "bob")
	see(t, a, []chat.RoomID{"x"}, "x a: ann", "x b: bob")
	beat(t, a, false, "a", "b")
}

func testCopies(t *testing.T, h Harness) {
	a, b := two(t, h)
	mine := users("ann", "cid")
	if err := a.Put(t.Context(), chat.Here{Room: "x", Users: mine, Count: 2}); err != nil {
		t.Fatal(err)
	}
	mine[0] = users("eve")[0]
	hs, err := b.Union(t.Context(), []chat.RoomID{"x"})
	if err != nil || len(hs) != 1 {
		t.Fatalf("union: %v, %v", hs, err)
	}
	hs[0].Users[1] = users("eve")[0]
	see(t, b, []chat.RoomID{"x"}, "x a: ann cid")
}

func testEndedContext(t *testing.T, h Harness) {
	a, _ := two(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Put(ctx, chat.Here{Room: "x", Users: users("ann"), Count: 1}); err == nil {
		t.Error("put gave no error")
	}
	if _, err := a.Union(ctx, []chat.RoomID{"x"}); err == nil {
		t.Error("union gave no error")
	}
	if _, _, err := a.Beat(ctx); err == nil {
		t.Error("beat gave no error")
	}
	see(t, a, []chat.RoomID{"x"})
}
