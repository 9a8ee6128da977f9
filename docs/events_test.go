package docs_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// stage is a node and the people on it, and every answer that they got.
type stage struct {
	t       *testing.T
	node    *running
	people  []*person
	answers []answered
}

type answered struct {
	request string
	answer  object
}

func (s *stage) enter(auth object) *person {
	s.t.Helper()
	p := s.node.connect(s.t, auth)
	s.people = append(s.people, p)
	return p
}

// ask keeps the answer for the judge, whatever it is.
func (s *stage) ask(p *person, request string, payload object) object {
	s.t.Helper()
	a := p.ask(request, payload)
	s.answers = append(s.answers, answered{request, a})
	data, _ := a["data"].(object)
	return data
}

// poison puts a record into the log of a stopped node that no client may be shown: a mark stands in its place.
func poison(t *testing.T, data, room string) {
	t.Helper()
	log, err := msglog.Open(msglog.Options{Dir: data + "/log", ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	log.Append(chat.Record{Kind: chat.KindMessage, Room: chat.RoomID(room), ID: "poison", User: "somebody", Sent: time.Now().UnixMilli(),
		Body: []byte("{\"id\":\"poison\",\"text\":\"a\x00b\"}")}, func(_ chat.Seq, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// Every event and every answer of a running node has the fields that protocol.md gives it, of the types it gives them, and no others; and
// every event and field of protocol.md comes from a running node.
func TestEventsAndAnswersAreAsDocumented(t *testing.T) {
	g := protocolGrammar(t)
	s := &stage{t: t, node: start(t, t.TempDir())}
	room := s.everyday()
	before := s.people
	s.node.stop() // tells that it drains
	poison(t, s.node.data, room)
	s.node = start(t, s.node.data)
	s.afterwards(room)
	for _, p := range before {
		p.await("status", func(d object) bool { return d["draining"] == true })
	}

	f := &fit{g, map[*field]bool{}}
	events, requests := g.fields(&shape{name: "Events"}), g.fields(&shape{name: "Requests"})
	for _, p := range s.people {
		for _, e := range p.heard() {
			i := slices.IndexFunc(events, func(f *field) bool { return f.name == e.name })
			if i < 0 {
				t.Errorf("the event %s is not documented", e.name)
				continue
			}
			f.met[events[i]] = true
			for _, c := range f.complain(e.name, e.data, events[i].is) {
				t.Error(c)
			}
		}
	}
	for _, a := range s.answers {
		f.judge(t, a, requests)
	}
	unmet := f.unmet("Events", &shape{name: "Events"}, map[*shape]bool{})
	for _, r := range requests {
		unmet = append(unmet, f.unmet(r.name, r.data, map[*shape]bool{})...)
	}
	// What takes a failing engine: TestObjectsAreTheStructsOfTheCode holds these against the code.
	rare := []string{"Session.roomsUnknown", "Events.presence.stale", "Page.gap"}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(unmet))) {
		if !slices.Contains(rare, name) {
			t.Errorf("%s is documented, and never came in this test", name)
		}
	}
}

func (f *fit) judge(t *testing.T, a answered, requests []*field) {
	t.Helper()
	i := slices.IndexFunc(requests, func(f *field) bool { return f.name == a.request })
	if i < 0 {
		t.Fatalf("the request %s is not documented", a.request)
	}
	is := &shape{isOpen: true, object: []*field{{name: "ok", is: &shape{name: "boolean"}}, {name: "data", is: requests[i].data}}}
	if a.answer["ok"] != true {
		is.object[1] = &field{name: "error", is: &shape{name: "Failure"}}
	}
	for _, c := range f.complain(a.request, a.answer, is) {
		t.Error(c)
	}
}

// named says whether a list of users has one of that id.
func named(list any, id string) bool {
	users, _ := list.([]any)
	return slices.ContainsFunc(users, func(u any) bool { o, _ := u.(object); return o["id"] == id })
}

// everyday is what people do with each other; it gives the room in which they do it.
func (s *stage) everyday() (room string) {
	ada, bob := s.enter(object{"name": "Ada"}), s.enter(object{"name": "Bob"})
	made := s.ask(ada, "room:create", object{"clientId": newID(), "name": "Tea", "topic": "and biscuits", "private": true})
	room, _ = made["room"].(object)["id"].(string)
	s.ask(ada, "room:invite", object{"roomId": room, "userId": bob.id()})
	bob.await("room:invited", func(d object) bool { return d["seq"] == nil })
	ada.await("room:invited", func(d object) bool { return d["seq"] != nil })
	s.enter(object{"token": bob.await("session", func(object) bool { return true })["token"]}) // invited
	s.ask(bob, "room:join", object{"roomId": room, "clientId": newID(), "limit": 10})
	ada.await("presence", func(d object) bool { return named(d["joined"], bob.id()) }) // else he comes and goes between two, and neither is told
	s.ask(bob, "typing", object{"roomId": room, "isTyping": true})
	ada.await("typing", func(object) bool { return true })
	first := s.ask(ada, "message:send", object{"roomId": room, "clientId": newID(), "text": "hello"})
	s.ask(bob, "message:send", object{"roomId": room, "clientId": newID(), "text": "hi", "replyTo": first["id"]})
	ada.await("message:new", func(d object) bool { return d["text"] == "hi" })
	s.ask(ada, "room:update", object{"roomId": room, "clientId": newID(), "name": "Coffee", "topic": ""})
	s.ask(ada, "room:update", object{"roomId": room, "clientId": newID(), "topic": "none"})
	bob.await("room:updated", func(d object) bool { return d["topic"] == "none" })
	s.ask(ada, "room:open", object{"roomId": room, "since": made["asOf"], "limit": 1})
	for _, more := range []object{{}, {"before": first["seq"]}, {"after": 0}, {"around": first["seq"], "limit": 1}} {
		more["roomId"] = room
		s.ask(ada, "message:list", more)
	}
	s.ask(ada, "room:members", object{"roomId": room, "limit": 1})
	s.ask(ada, "room:list", object{"mine": true})
	s.ask(bob, "room:create", object{"clientId": newID(), "name": "Public"})
	for _, more := range []object{{}, {"query": "pub"}, {"limit": 1}} {
		s.ask(ada, "room:list", more)
	}
	s.ask(bob, "room:leave", object{"roomId": room, "clientId": newID()})
	ada.await("room:left", func(object) bool { return true })
	ada.await("presence", func(d object) bool { return named(d["left"], bob.id()) })
	s.ask(ada, "message:send", object{"roomId": room, "clientId": "x y", "text": "refused"})
	s.ask(bob, "message:list", object{"roomId": room})
	s.flood(bob)
	return room
}

// flood asks more often than a socket may: at least one refusal says when to come again.
func (s *stage) flood(p *person) {
	const asked = 1500
	answers := make(chan json.RawMessage, asked)
	for range asked {
		p.Emit("typing", object{"roomId": "lobby", "isTyping": false}, func(a json.RawMessage, _ error) { answers <- a })
	}
	for range asked {
		var a object
		if err := json.Unmarshal(<-answers, &a); err != nil {
			s.t.Fatal(err)
		}
		s.answers = append(s.answers, answered{"typing", a})
	}
}

// afterwards is what comes of the past: a resume, a gap, a mark in place of a message, the end of a token.
func (s *stage) afterwards(room string) {
	ada := s.people[0].await("session", func(object) bool { return true })
	s.enter(object{"token": ada["token"], "log": ada["log"], "since": object{room: 1, "no-such-room": 1}}).
		await("message:deleted", func(d object) bool { return d["roomId"] == room })
	again := s.enter(object{"token": ada["token"], "log": "another", "since": object{room: 1}})
	again.await("gap", func(d object) bool { return d["reason"] == "reset" && d["to"] == 0.0 })
	s.ask(again, "room:open", object{"roomId": room})
	s.ask(again, "message:list", object{"roomId": room})
	late := s.enter(object{"token": s.node.token(s.t, "late", -28*time.Second)})
	late.await("session:expired", func(object) bool { return true })
}
