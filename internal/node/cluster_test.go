package node_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

const clusterSecret = "the secret of a test's cluster, long enough"

// engineArgs give the flags of a deployment of its own on the real engines; its topics are deleted when the test ends.
func engineArgs(t *testing.T, name string) []string {
	t.Helper()
	kafka := enginetest.Kafka(t)
	t.Cleanup(func() { enginetest.ForgetTopics(t, kafka, name) })
	return []string{"--log", kafka + "/" + name + "?partitions=4", "--bus", enginetest.Redis(t) + "?name=" + name,
		"--store", enginetest.Mongo(t) + "/" + name, "--secret", clusterSecret, "--allow-single-broker"}
}

// nodes starts n nodes of one deployment in the same moment.
func nodes(t *testing.T, n int, more ...string) []*running {
	t.Helper()
	args := append(engineArgs(t, enginetest.Name(t)), more...)
	all := make([]*running, n)
	var wg sync.WaitGroup
	for i := range all {
		all[i] = &running{t: t, data: t.TempDir(), args: args}
		wg.Go(all[i].up)
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, r := range all {
		t.Cleanup(func() { r.stop() })
	}
	return all
}

// Clients on three nodes in one room, all sending at once: the same order everywhere, equal to history.
func TestThreeNodesHaveOneOrder(t *testing.T) {
	all := nodes(t, 3)
	var people []*person
	for i, n := range all {
		for j := range 2 {
			p := n.guest(fmt.Sprint("p", i, j))
			p.must("room:join", map[string]any{"roomId": "lobby"})
			people = append(people, p)
		}
	}
	const each = 30
	var wg sync.WaitGroup
	for i, p := range people {
		wg.Go(func() {
			for k := range each {
				if _, err := p.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": fmt.Sprint(i, "-", k)}); err != nil {
					t.Errorf("%d-%d: %v", i, k, err)
				}
			}
		})
	}
	wg.Wait()
	for _, p := range people {
		until(t, "all have heard all", func() bool { return len(p.of("lobby", "message:new")) >= each*len(people) })
	}
	var want []string
	page := people[0].must("message:list", map[string]any{"roomId": "lobby", "limit": 100})
	for {
		want = append(texts(page), want...)
		if page["hasMore"] != true {
			break
		}
		first := page["messages"].([]any)[0].(map[string]any)["seq"]
		page = people[0].must("message:list", map[string]any{"roomId": "lobby", "before": first, "limit": 100})
	}
	if len(want) != each*len(people) {
		t.Fatalf("history has %d messages, %d were acked", len(want), each*len(people))
	}
	for i, p := range people {
		var got []string
		for _, e := range p.of("lobby", "message:new") {
			got = append(got, e.Text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("person %d heard %d messages in another order than history's %d", i, len(got), len(want))
		}
	}
}

// A new node serves a room that it has never seen, and a client resumes on it from a seq older than every cache.
func TestANewNodeKnowsTheRoom(t *testing.T) {
	all := nodes(t, 1, "--room-tail", "5")
	ann, bob := all[0].guest("Ann"), all[0].guest("Bob")
	room := ann.create("den", false)
	asOf := bob.must("room:join", map[string]any{"roomId": room})["asOf"]
	bob.Close()
	for i := range 120 {
		ann.send(room, fmt.Sprint("m", i))
	}
	fresh := &running{t: t, data: t.TempDir(), args: all[0].args}
	fresh.up()
	t.Cleanup(func() { fresh.stop() })
	back := fresh.connect(map[string]any{"token": bob.token, "since": map[string]any{room: asOf}, "log": bob.log})
	back.await("message:new", func(e event) bool { return e.Text == "m119" })
	if got := back.of(room, "message:new"); len(got) != 120 || got[0].Text != "m0" {
		t.Errorf("the resume brought %d messages", len(got))
	}
	if gaps := back.of(room, "gap"); len(gaps) > 0 {
		t.Errorf("gaps: %v", gaps)
	}
	recent := texts(back.must("message:list", map[string]any{"roomId": room, "limit": 50}))
	if len(recent) != 50 || recent[49] != "m119" || recent[0] != "m70" {
		t.Errorf("recent history: %v", recent)
	}
	old := back.must("message:list", map[string]any{"roomId": room, "after": asOf, "limit": 50})
	if got := texts(old); len(got) != 50 || got[0] != "m0" {
		t.Errorf("old history: %v", got)
	}
	ann.send(room, "across")
	back.await("message:new", func(e event) bool { return e.Text == "across" })
}

// What is on one node reaches the other: who is here, typing, an invitation, a membership that ends.
func TestPeopleOfTwoNodesMeet(t *testing.T) {
	all := nodes(t, 2)
	ann, bob := all[0].guest("Ann"), all[1].guest("Bob")
	room := ann.create("private", true)
	ann.must("room:invite", map[string]any{"roomId": room, "clientId": newID(), "userId": bob.user.ID})
	bob.await("room:invited", func(e event) bool { return strings.Contains(string(e.raw), room) })
	bob.must("room:join", map[string]any{"roomId": room, "clientId": newID()})
	ann.await("room:joined", func(e event) bool { return e.User.ID == bob.user.ID })
	until(t, "both nodes say that two are here", func() bool {
		for _, p := range []*person{ann, bob} {
			m, err := p.ask("room:members", map[string]any{"roomId": room})
			if err != nil {
				return false
			}
			here := 0
			for _, x := range m["members"].([]any) {
				if x.(map[string]any)["here"] == true {
					here++
				}
			}
			if here != 2 {
				return false
			}
		}
		return true
	})
	bob.must("typing", map[string]any{"roomId": room, "isTyping": true})
	ann.await("typing", func(e event) bool { return e.RoomID == room && e.User.ID == bob.user.ID })
	ann.send(room, "last")
	bob.await("message:new", func(e event) bool { return e.Text == "last" })
	bob.must("room:leave", map[string]any{"roomId": room, "clientId": newID()})
	ann.await("room:left", func(e event) bool { return e.User.ID == bob.user.ID })
	ann.send(room, "secret")
	if _, err := bob.ask("message:list", map[string]any{"roomId": room}); !refusedWith(err, "not_found") {
		t.Errorf("a former member reads on: %v", err)
	}
	for _, e := range bob.of(room, "message:new") {
		if e.Text == "secret" {
			t.Error("a former member hears on")
		}
	}
}
