package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// hidden is a private room with one person of every role.
type hidden struct {
	room, message string
	people        map[string]*person
}

var roles = []string{"stranger", "invited", "member", "left", "owner"}

func (r *running) hidden() hidden {
	r.t.Helper()
	h := hidden{people: map[string]*person{}}
	for _, role := range roles {
		h.people[role] = r.guest(role)
	}
	owner := h.people["owner"]
	h.room = owner.create("Hidden", true)
	for _, role := range []string{"invited", "member", "left"} {
		owner.must("room:invite", map[string]any{"roomId": h.room, "userId": h.people[role].user.ID})
	}
	for _, role := range []string{"member", "left"} {
		h.people[role].must("room:join", map[string]any{"roomId": h.room})
	}
	h.people["left"].must("room:leave", map[string]any{"roomId": h.room})
	h.people["left"].await("room:left", func(event) bool { return true })
	h.message = fmt.Sprint(owner.send(h.room, "secret")["id"])
	return h
}

// Event × role in a private room: who may, who may not, and for whom the room does not exist. The requests are those of roomRequests;
// reads with every kind of place and a reply stand for themselves, too.
func TestEveryEventForEveryRole(t *testing.T) {
	t.Parallel()
	const missing = "AAAAAAAAAAAAAAAAAAAAAA"
	n := start(t)
	requests := map[string]func(h hidden, room string) (string, any){}
	for name, payload := range roomRequests {
		requests[name] = func(_ hidden, room string) (string, any) { return name, payload(room) }
	}
	for _, place := range []string{"before", "after", "around"} {
		requests["message:list "+place] = func(_ hidden, room string) (string, any) {
			return "message:list", map[string]any{"roomId": room, place: 1 << 43}
		}
	}
	requests["room:open since"] = func(_ hidden, room string) (string, any) {
		return "room:open", map[string]any{"roomId": room, "since": 1}
	}
	requests["message:send replyTo"] = func(h hidden, room string) (string, any) {
		return "message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "x", "replyTo": h.message}
	}
	requests["typing stop"] = func(_ hidden, room string) (string, any) {
		return "typing", map[string]any{"roomId": room, "isTyping": false}
	}
	allowed := func(request, role string) string {
		switch {
		case role == "stranger" || role == "left":
			return "not_found: "
		case request == "room:join", request == "room:leave" && role != "stranger", role == "owner":
			return "ok"
		case role == "member" && request != "room:update":
			return "ok"
		}
		return "forbidden: "
	}
	for name, ask := range requests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := n.hidden() // a request changes how one stands to it
			for _, role := range roles {
				p := h.people[role]
				event, payload := ask(h, h.room)
				got := outcome(t, p, event, payload)
				if !strings.HasPrefix(got, allowed(name, role)) {
					t.Errorf("%s: %q, want %s", role, got, allowed(name, role))
				}
				if event, payload = ask(h, missing); strings.HasPrefix(got, "not_found") {
					if absent := outcome(t, p, event, payload); absent != got {
						t.Errorf("%s: %q, but %q for a missing room", role, got, absent)
					}
				}
				if heard := p.of(h.room, ""); role == "stranger" && len(heard) != 0 || role == "left" && heard[len(heard)-1].Name != "room:left" {
					t.Errorf("%s hears %s", role, heard[len(heard)-1].raw)
				}
			}
		})
	}
	t.Run("since", func(t *testing.T) {
		t.Parallel()
		h := n.hidden()
		for _, role := range roles {
			p := h.people[role]
			back := n.connect(map[string]any{"token": p.token, "since": map[string]any{h.room: 1, missing: 1}})
			gap := back.await("gap", func(e event) bool { return e.RoomID == missing })
			if role == "member" || role == "owner" {
				back.await("message:new", func(e event) bool { return e.ID == h.message })
				continue
			}
			own := back.await("gap", func(e event) bool { return e.RoomID == h.room })
			if strings.ReplaceAll(string(own.raw), h.room, missing) != string(gap.raw) || own.Reason != "not_found" {
				t.Errorf("%s resumes: %s, a missing room %s", role, own.raw, gap.raw)
			}
		}
	})
	t.Run("replies from elsewhere", func(t *testing.T) {
		t.Parallel()
		h := n.hidden()
		for _, role := range roles {
			p := h.people[role]
			p.must("room:join", map[string]any{"roomId": "lobby"})
			ask := func(to string) string {
				return outcome(t, p, "message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "x", "replyTo": to})
			}
			if there, absent := ask(h.message), ask(missing); there != absent || !strings.HasPrefix(there, "not_found: ") {
				t.Errorf("%s: %q for a message of the private room, %q for none", role, there, absent)
			}
		}
	})
	t.Run("lists", func(t *testing.T) {
		t.Parallel()
		h := n.hidden()
		for _, role := range roles {
			p := h.people[role]
			sees := role != "stranger" && role != "left"
			for _, list := range []map[string]any{{"limit": 100}, {"query": "hidden", "limit": 100}, {"mine": true}} {
				found := func() bool { return strings.Contains(quoted(p.must("room:list", list)), h.room) }
				if sees { // of rooms that are not one's own alone the list is as of the store, a moment behind
					until(t, role+" sees the room", found)
				}
				if found() != sees {
					t.Errorf("%s with %v: found %v", role, list, !sees)
				}
			}
			if in := strings.Contains(string(p.again().session), h.room); in != sees {
				t.Errorf("%s: session names the room: %v", role, in)
			}
		}
	})
}

// After a leave nothing of the room arrives any more, on none of the user's sockets: no record, no typing, nobody's coming and going.
func TestALeaveIsForAllSockets(t *testing.T) {
	t.Parallel()
	n := start(t)
	ada, bob := n.guest("Ada"), n.guest("Bob")
	room := ada.create("room", true)
	ada.must("room:invite", map[string]any{"roomId": room, "userId": bob.user.ID})
	asOf := bob.must("room:join", map[string]any{"roomId": room})["asOf"]
	second := bob.again()
	second.must("room:open", map[string]any{"roomId": room})
	third := n.connect(map[string]any{"token": bob.token, "since": map[string]any{room: asOf}})
	third.must("room:open", map[string]any{"roomId": room})
	sockets := []*person{bob, second, third}
	ada.send(room, "one")
	for _, p := range sockets {
		p.await("message:new", func(e event) bool { return e.Text == "one" })
	}
	second.must("room:leave", map[string]any{"roomId": room})
	var seen []int
	for _, p := range sockets {
		p.await("room:left", func(e event) bool { return e.User.ID == bob.user.ID })
		seen = append(seen, len(p.of(room, "")))
	}
	ada.send(room, "two")
	ada.must("typing", map[string]any{"roomId": room, "isTyping": true})
	cy := n.guest("Cy")
	ada.must("room:invite", map[string]any{"roomId": room, "userId": cy.user.ID})
	cy.must("room:join", map[string]any{"roomId": room})
	ada.await("presence", func(e event) bool { return strings.Contains(string(e.raw), string(cy.user.ID)) })
	cy.must("room:leave", map[string]any{"roomId": room})
	ada.must("room:update", map[string]any{"roomId": room, "clientId": newID(), "topic": "three"})
	ada.await("presence", func(e event) bool { return strings.Contains(string(e.raw), `"left":[{"id":`+quoted(cy.user.ID)) })
	for i, p := range sockets {
		p.must("room:list", map[string]any{}) // a round trip behind it
		if heard := p.of(room, ""); len(heard) != seen[i] {
			t.Errorf("socket %d hears after the leave: %s", i, heard[seen[i]].raw)
		}
		if _, err := p.ask("message:list", map[string]any{"roomId": room}); !refusedWith(err, chat.CodeNotFound) {
			t.Errorf("socket %d reads: %v", i, err)
		}
	}
}
