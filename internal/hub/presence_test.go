package hub_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// memPresence is what the nodes share; handle gives a node's side of it.
type memPresence struct {
	mu     sync.Mutex
	here   map[chat.RoomID]map[string]chat.Here
	down   bool
	forgot bool
	puts   int
}

type handle struct {
	*memPresence
	node string
}

func (p handle) Put(_ context.Context, h chat.Here) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return chat.ErrUnavailable
	}
	p.puts++
	if p.here[h.Room] == nil {
		p.here[h.Room] = map[string]chat.Here{}
	}
	if p.here[h.Room][p.node] = h; h.Count == 0 {
		delete(p.here[h.Room], p.node)
	}
	return nil
}

func (p handle) Union(_ context.Context, rooms []chat.RoomID) ([]chat.Here, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, chat.ErrUnavailable
	}
	var out []chat.Here
	for _, r := range rooms {
		for _, h := range p.here[r] {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b chat.Here) int { return cmp.Compare(a.Node, b.Node) })
	return out, nil
}

func (p handle) Beat(context.Context) ([]string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return nil, false, chat.ErrUnavailable
	}
	forgot := p.forgot
	p.forgot = false
	return nil, forgot, nil
}

func (p *memPresence) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// count gives what a node's entry says, or -1.
func (p *memPresence) count(room chat.RoomID, node string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, ok := p.here[room][node]; ok {
		return h.Count
	}
	return -1
}

func withPresence(t *testing.T, f func(*world, *memPresence)) {
	p := &memPresence{here: map[chat.RoomID]map[string]chat.Here{}}
	run(t, func(c *hub.Config) { c.Presence = handle{p, "n1"} }, func(w *world) { f(w, p) })
}

func told(joined, left []string, count int, stale string) string {
	names := func(us []string) string {
		var out []string
		for _, u := range us {
			out = append(out, fmt.Sprintf(`{"id":"%s","name":"name of %s","guest":false}`, u, u))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	return fmt.Sprintf(`presence {"roomId":"r","joined":%s,"left":%s,"count":%d%s}`, names(joined), names(left), count, stale)
}

func TestPresenceOfOneNode(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		w.room("r", "ann", "bob")
		ann, bob, bob2 := &socket{}, &socket{}, &socket{}
		w.attach("r", "ann", chat.AttachHead, ann)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		ann.wants(t, told([]string{"ann"}, nil, 1, ""))
		if n := p.count("r", "n1"); n != 1 {
			t.Errorf("200 ms after the first socket the entry counts %d", n)
		}
		w.attach("r", "bob", chat.AttachHead, bob)
		w.attach("r", "bob", chat.AttachHead, bob2)
		w.sleep(second)
		ann.wants(t, told([]string{"bob"}, nil, 2, ""))
		w.isHere(t, "r", map[chat.UserID]string{"ann": "here", "bob": "here", "cat": "away"})
		w.hub.Detach("r", bob)
		w.sleep(second)
		ann.wants(t)
		w.hub.Detach("r", bob2)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		ann.wants(t, told(nil, []string{"bob"}, 1, ""))
		w.hub.Detach("r", ann)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if n := p.count("r", "n1"); n != -1 {
			t.Errorf("the entry of an empty room counts %d", n)
		}
		w.isHere(t, "closed", map[chat.UserID]string{"ann": "not known"})
	})
}

func TestPresenceOfOtherNodes(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		w.room("r", "ann", "bob")
		ann := &socket{}
		w.attach("r", "ann", chat.AttachHead, ann)
		w.sleep(second)
		ann.got()
		other := handle{p, "n2"}
		put := func(us ...chat.User) {
			_ = other.Put(context.Background(), chat.Here{Room: "r", Node: "n2", Users: us, Count: len(us)})
		}
		put(user("ann"), user("bob"))
		w.sleep(second)
		ann.wants(t, told([]string{"bob"}, nil, 2, "")) // ann is on both, and counts once
		put(user("bob"))
		w.sleep(second)
		ann.wants(t)
		put()
		w.sleep(second)
		ann.wants(t, told(nil, []string{"bob"}, 1, ""))
		_ = other.Put(context.Background(), chat.Here{Room: "r", Node: "n2", Count: 300})
		w.sleep(second)
		ann.wants(t, told(nil, nil, 301, ""))
		put(user("bob"))
		w.sleep(second)
		ann.wants(t, told([]string{"ann", "bob"}, nil, 2, "")) // names again: all of them
	})
}

func TestPresenceEngineDown(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		w.room("r", "ann", "bob")
		ann, bob := &socket{}, &socket{}
		w.attach("r", "ann", chat.AttachHead, ann)
		_ = handle{p, "n2"}.Put(context.Background(), chat.Here{Room: "r", Node: "n2", Users: []chat.User{user("cat")}, Count: 1})
		w.sleep(2 * second)
		ann.got()
		p.set(func() { p.down = true })
		w.sleep(2 * second)
		ann.wants(t) // a short outage is not told
		w.sleep(3 * second)
		ann.wants(t, told(nil, []string{"cat"}, 1, `,"stale":true`))
		w.attach("r", "bob", chat.AttachHead, bob) // the node's own are told all the same
		w.sleep(second)
		ann.wants(t, told([]string{"bob"}, nil, 2, `,"stale":true`))
		p.set(func() { p.down, p.forgot, p.here["r"]["n1"] = false, true, chat.Here{} })
		w.sleep(5 * second)
		ann.wants(t, told([]string{"cat"}, nil, 3, ""))
		if n := p.count("r", "n1"); n != 2 {
			t.Errorf("5 s after all was forgotten the entry counts %d", n)
		}
	})
}

func TestPresenceIsCoalesced(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		var members []chat.UserID
		for i := range 300 {
			members = append(members, chat.UserID(fmt.Sprintf("u%03d", i)))
		}
		w.room("r", members...)
		first := &socket{}
		w.attach("r", members[0], chat.AttachHead, first)
		w.sleep(second)
		first.got()
		before := p.puts
		for _, u := range members[1:] {
			w.attach("r", u, chat.AttachHead, &socket{})
		}
		w.sleep(second)
		if n := p.puts - before; n != 1 {
			t.Errorf("%d writes for one burst", n)
		}
		first.wants(t, told(nil, nil, 300, "")) // above 200 only counts
	})
}

func TestPresenceEndsWithTheHub(t *testing.T) {
	p := &memPresence{here: map[chat.RoomID]map[string]chat.Here{}}
	run(t, func(c *hub.Config) { c.Presence = handle{p, "n1"} }, func(w *world) {
		w.room("r", "ann")
		w.attach("r", "ann", chat.AttachHead, &socket{})
		w.sleep(second)
	})
	if n := p.count("r", "n1"); n != -1 {
		t.Errorf("a hub that has ended counts %d users", n)
	}
}
