package presence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/presence"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// eventually polls until what holds, for 10 s: the promise for presence (DESIGN.md §2, G8).
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for late := time.After(10 * time.Second); !holds(); {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func beat(t testing.TB, p *presence.Redis) (alive string, forgotten bool) {
	t.Helper()
	names, forgotten, err := p.Beat(t.Context())
	must(t, err)
	return fmt.Sprint(names), forgotten
}

func putOne(t testing.TB, p *presence.Redis, room chat.RoomID) {
	t.Helper()
	must(t, p.Put(t.Context(), chat.Here{Room: room, Users: []chat.User{{ID: "ann", Name: "Ann"}}, Count: 1}))
}

func union(t testing.TB, p *presence.Redis, rooms ...chat.RoomID) string {
	t.Helper()
	hs, err := p.Union(t.Context(), rooms)
	must(t, err)
	var out []string
	for _, h := range hs {
		out = append(out, fmt.Sprintf("%s@%s", h.Room, h.Node))
	}
	return strings.Join(out, " ")
}

// TestRedisNewLife: a node that crashed and is back under its name has nobody here before it tells so.
func TestRedisNewLife(t *testing.T) {
	c, name := dial(t, enginetest.Redis(t)), enginetest.Name(t)
	a, b := node(t, c, name, "a"), node(t, c, name, "b")
	beat(t, a)
	beat(t, b)
	putOne(t, a, "x")
	again := node(t, c, name, "a")
	putOne(t, again, "y") // counts from the first beat on
	if _, forgotten := beat(t, again); forgotten {
		t.Error("a first beat said that something was forgotten")
	}
	if got := union(t, b, "x", "y"); got != "y@a" {
		t.Errorf("union %q", got)
	}
	if n, err := c.Do(t.Context(), c.B().Exists().Key(keysOf(t, c, name, "here:x")...).Build()).AsInt64(); err == nil && n != 0 {
		t.Error("who saw a stale entry left it")
	}
	if got := union(t, b, "y"); got != "y@a" {
		t.Errorf("after the sweep: %q", got)
	}
	if _, forgotten := beat(t, a); !forgotten { // the earlier process was only asleep
		t.Error("a node whose name was taken was not told")
	}
}

// keysOf gives the keys of a deployment that end so, or one that does not exist.
func keysOf(t testing.TB, c rueidis.Client, deployment, end string) []string {
	t.Helper()
	keys, err := c.Do(t.Context(), c.B().Keys().Pattern("{"+deployment+"*"+end).Build()).AsStrSlice()
	must(t, err)
	return append(keys, deployment+" no such key")
}

// TestRedisPutBeforeTheFirstBeat: Redis did not take a node's first beat, but what it put. The others see a node that does not live, and
// take that out; its first beat then says so, or nobody would see it for minutes.
func TestRedisPutBeforeTheFirstBeat(t *testing.T) {
	c, name := dial(t, enginetest.NewRedis(t).Addr()), enginetest.Name(t)
	a, b := node(t, c, name, "a"), node(t, c, name, "b")
	beat(t, b)
	var rooms []chat.RoomID
	for i := range 50 { // several in a partition
		rooms = append(rooms, chat.RoomID(fmt.Sprint("r", i)))
	}
	for _, room := range rooms {
		putOne(t, a, room)
	}
	if got := union(t, b, rooms[len(rooms)-1]); got != "" {
		t.Errorf("union %q of a node that does not live", got)
	}
	if _, forgotten := beat(t, a); !forgotten {
		t.Error("it was not told")
	}
	for _, room := range rooms {
		putOne(t, a, room)
	}
	if got := union(t, b, rooms...); strings.Count(got, "@a") != len(rooms) {
		t.Errorf("union %q", got)
	}
	if _, forgotten := beat(t, a); forgotten {
		t.Error("it was told twice")
	}
}

func TestRedisClose(t *testing.T) {
	c, name := dial(t, enginetest.Redis(t)), enginetest.Name(t)
	a, b := node(t, c, name, "a"), node(t, c, name, "b")
	beat(t, a)
	beat(t, b)
	putOne(t, a, "x")
	must(t, a.Close())
	if alive, _ := beat(t, b); alive != "[b]" {
		t.Errorf("alive are %s", alive)
	}
	if got := union(t, b, "x"); got != "" {
		t.Errorf("union %q", got)
	}
}

// TestRedisPeers: every living node shows its badge, a dead one does not.
func TestRedisPeers(t *testing.T) {
	c, name := dial(t, enginetest.Redis(t)), enginetest.Name(t)
	a, b := node(t, c, name, "a"), node(t, c, name, "b")
	if peers, err := a.Peers(t.Context()); err != nil || len(peers) != 0 {
		t.Errorf("before all beats: %v, %v", peers, err)
	}
	beat(t, a)
	beat(t, b)
	if peers, err := a.Peers(t.Context()); err != nil || fmt.Sprint(peers) != "map[a:badge of a b:badge of b]" {
		t.Errorf("%v, %v", peers, err)
	}
	must(t, b.Close())
	if peers, err := a.Peers(t.Context()); err != nil || fmt.Sprint(peers) != "map[a:badge of a]" {
		t.Errorf("after b left: %v, %v", peers, err)
	}
}

// TestRedisLosesOneRoom: what is lost singly, as when a node of a cluster comes back empty, is noticed by a beat.
func TestRedisLosesOneRoom(t *testing.T) {
	c, name := dial(t, enginetest.Redis(t)), enginetest.Name(t)
	a := node(t, c, name, "a")
	beat(t, a)
	for i := range 100 {
		putOne(t, a, chat.RoomID(fmt.Sprint("r", i)))
	}
	must(t, a.Put(t.Context(), chat.Here{Room: "r7"}))
	for range 300 { // each room has had its turn
		if _, forgotten := beat(t, a); forgotten {
			t.Fatal("forgotten, though nothing was lost")
		}
	}
	must(t, c.Do(t.Context(), c.B().Del().Key(keysOf(t, c, name, "here:r42")...).Build()).Error())
	forgotten := false
	for range 300 {
		_, f := beat(t, a)
		forgotten = forgotten || f
	}
	if !forgotten {
		t.Error("the loss of a room was not noticed")
	}
}

func TestRedisRoomsExpire(t *testing.T) {
	c, name := dial(t, enginetest.Redis(t)), enginetest.Name(t)
	a := node(t, c, name, "a")
	beat(t, a)
	putOne(t, a, "x")
	keys := keysOf(t, c, name, "")
	for _, key := range keys[:len(keys)-1] {
		if ttl, err := c.Do(t.Context(), c.B().Ttl().Key(key).Build()).AsInt64(); err != nil || ttl <= 0 || ttl > 3600 {
			t.Errorf("%s expires in %d s, %v", key, ttl, err)
		}
	}
	if len(keys) != 4 {
		t.Errorf("keys %q", keys)
	}
}

// TestRedisHarmed: flushed, killed, paused: within 10 s, each node is told, tells again, and all agree.
func TestRedisHarmed(t *testing.T) {
	server := enginetest.NewRedis(t)
	a, b := node(t, dial(t, server.Addr()), "hubbub", "a"), node(t, dial(t, server.Addr()), "hubbub", "b")
	rooms := []chat.RoomID{"x", "y"}
	live := func(p *presence.Redis) { // what a hub does every 2 s
		_, forgotten, err := p.Beat(t.Context())
		if err != nil || !forgotten {
			return
		}
		for _, room := range rooms {
			_ = p.Put(t.Context(), chat.Here{Room: room, Count: 300})
		}
	}
	for _, p := range []*presence.Redis{a, b} {
		beat(t, p)
		putOne(t, p, "x")
		putOne(t, p, "y")
	}
	c := dial(t, server.Addr())
	for name, harm := range map[string]func(){
		"flushed": func() { must(t, c.Do(t.Context(), c.B().Flushall().Build()).Error()) },
		"killed":  func() { must(t, server.Kill(), server.Restart()) },
		"paused": func() {
			must(t, server.Pause())
			if _, _, err := a.Beat(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
				t.Errorf("a beat while it is paused: %v", err)
			}
			must(t, server.Continue())
		},
	} {
		t.Run(name, func(t *testing.T) {
			harm()
			eventually(t, "both see all of it", func() bool {
				live(a)
				live(b)
				for _, p := range []*presence.Redis{a, b} {
					hs, err := p.Union(t.Context(), rooms)
					if err != nil || len(hs) != 4 {
						return false
					}
				}
				return true
			})
		})
	}
}

func TestNewRedisRefuses(t *testing.T) {
	c := dial(t, enginetest.Redis(t))
	for name, o := range map[string]presence.RedisOptions{
		"no connection": {Name: "x", Node: "a"},
		"no name":       {Client: c, Node: "a"},
		"braces":        {Client: c, Name: "{x}", Node: "a"},
		"no node":       {Client: c, Name: "x"},
		"long node":     {Client: c, Name: "x", Node: strings.Repeat("a", 301)},
		"long badge":    {Client: c, Name: "x", Node: "a", Badge: strings.Repeat("a", 1001)},
	} {
		if _, err := presence.NewRedis(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
