package node_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// requests that name a room, each as one would ask it about the given room.
var roomRequests = map[string]func(room string) map[string]any{
	"room:join":    func(r string) map[string]any { return map[string]any{"roomId": r, "clientId": newID()} },
	"room:open":    func(r string) map[string]any { return map[string]any{"roomId": r} },
	"room:leave":   func(r string) map[string]any { return map[string]any{"roomId": r, "clientId": newID()} },
	"room:members": func(r string) map[string]any { return map[string]any{"roomId": r} },
	"room:invite":  func(r string) map[string]any { return map[string]any{"roomId": r, "userId": "somebody"} },
	"room:update":  func(r string) map[string]any { return map[string]any{"roomId": r, "clientId": newID(), "topic": "new"} },
	"message:send": func(r string) map[string]any {
		return map[string]any{"roomId": r, "clientId": newID(), "text": "hello"}
	},
	"message:list": func(r string) map[string]any { return map[string]any{"roomId": r} },
	"typing":       func(r string) map[string]any { return map[string]any{"roomId": r, "isTyping": true} },
}

// outcome is what an answer says to a program: ok, or the code and the sentence.
func outcome(t *testing.T, p *person, name string, payload any) string {
	t.Helper()
	switch _, err := p.ask(name, payload); f := err.(type) {
	case nil:
		return "ok"
	case *client.Failure:
		return f.Code + ": " + f.Message
	default:
		t.Fatalf("%s: %v", name, err)
		return ""
	}
}

// A private room and a missing one answer alike, to everyone for whom the room is not there: for every request, as resume, in lists.
func TestPrivateRoomsDoNotExistForStrangers(t *testing.T) {
	n := start(t)
	owner := n.guest("Owner")
	room := owner.create("Hidden", true)
	owner.send(room, "a secret")
	missing := "AAAAAAAAAAAAAAAAAAAAAA"
	gone := n.guest("Left")
	owner.must("room:invite", map[string]any{"roomId": room, "userId": gone.user.ID})
	gone.must("room:join", map[string]any{"roomId": room})
	gone.must("room:leave", map[string]any{"roomId": room})
	for name, p := range map[string]*person{"stranger": n.guest("Stranger"), "left": gone} {
		for request, payload := range roomRequests {
			there, absent := outcome(t, p, request, payload(room)), outcome(t, p, request, payload(missing))
			if there != absent || there[:10] != "not_found:" {
				t.Errorf("%s, %s: %q for the private room, %q for a missing one", name, request, there, absent)
			}
		}
		for _, list := range []map[string]any{{}, {"query": "hidden"}, {"mine": true}} {
			for _, r := range p.must("room:list", list)["rooms"].([]any) {
				if r.(map[string]any)["id"] == room {
					t.Errorf("%s finds the private room with %v", name, list)
				}
			}
		}
		gaps := map[string]map[string]any{}
		for _, r := range []string{room, missing} {
			back := n.connect(map[string]any{"token": p.token, "since": map[string]any{r: 1}, "log": p.log})
			g := back.await("gap", func(e event) bool { return e.RoomID == r })
			gap := map[string]any{}
			if err := json.Unmarshal(g.raw, &gap); err != nil {
				t.Fatal(err)
			}
			delete(gap, "roomId")
			gaps[r] = gap
			back.must("room:list", map[string]any{})
			if heard := back.of(room, ""); len(heard) > 1 {
				t.Errorf("%s hears of the room: %s", name, heard[1].raw)
			}
			back.Close()
		}
		if !reflect.DeepEqual(gaps[room], gaps[missing]) || gaps[room]["reason"] != "not_found" {
			t.Errorf("%s resumes: %v for the private room, %v for a missing one", name, gaps[room], gaps[missing])
		}
	}
}

// What each role may do in a private room.
func TestRolesInAPrivateRoom(t *testing.T) {
	n := start(t)
	owner, member, invited := n.guest("Owner"), n.guest("Member"), n.guest("Invited")
	room := owner.create("Hidden", true)
	for _, p := range []*person{member, invited} {
		owner.must("room:invite", map[string]any{"roomId": room, "userId": p.user.ID})
		if e := p.await("room:invited", func(event) bool { return true }); e.Seq != 0 {
			t.Errorf("the invitation of one who is no member has a seq: %s", e.raw)
		}
	}
	member.must("room:join", map[string]any{"roomId": room})
	want := map[string]map[string]string{
		"owner":   {"room:open": "ok", "room:members": "ok", "room:update": "ok", "message:send": "ok", "message:list": "ok", "typing": "ok"},
		"member":  {"room:open": "ok", "room:members": "ok", "room:update": "forbidden", "message:send": "ok", "message:list": "ok", "typing": "ok"},
		"invited": {"room:open": "forbidden", "room:members": "forbidden", "room:update": "forbidden", "message:send": "forbidden", "message:list": "forbidden", "typing": "forbidden"},
	}
	for name, p := range map[string]*person{"owner": owner, "member": member, "invited": invited} {
		for request, code := range want[name] {
			if got := outcome(t, p, request, roomRequests[request](room)); len(got) < len(code) || got[:len(code)] != code {
				t.Errorf("%s, %s: %q, want %s", name, request, got, code)
			}
		}
	}
	if heard := invited.of(room, "message:new"); len(heard) != 0 {
		t.Errorf("the invited hears %s", heard[0].raw)
	}
	mine := invited.must("room:list", map[string]any{"mine": true})["rooms"].([]any)
	if len(mine) != 1 || mine[0].(map[string]any)["state"] != "invited" {
		t.Errorf("the invited lists %v", mine)
	}
	invited.must("room:join", map[string]any{"roomId": room})
	owner.await("room:joined", func(e event) bool { return e.User.ID == invited.user.ID })
}
