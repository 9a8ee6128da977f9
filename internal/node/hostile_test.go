package node_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

// Invitations that nobody asked for take no room of one's own away, and are bounded themselves.
func TestInvitationsDoNotCrowdOut(t *testing.T) {
	t.Parallel()
	n := start(t, "--rooms-per-user", "3")
	victim := n.guest("Victim")
	own := victim.create("own", true)
	sent, refused := 0, 0
	for i := range 4 {
		eve := n.guest(fmt.Sprint("Eve", i))
		for j := range 3 {
			room := eve.create(fmt.Sprint("spam", j), true)
			_, err := eve.ask("room:invite", map[string]any{"roomId": room, "userId": victim.user.ID})
			switch {
			case err == nil:
				sent++
				if _, err := eve.ask("room:invite", map[string]any{"roomId": room, "userId": victim.user.ID}); err != nil {
					t.Errorf("inviting the invited again: %v", err)
				}
			case refusedWith(err, chat.CodeRateLimited) && strings.Contains(err.Error(), "--rooms-per-user"):
				refused++
			default:
				t.Errorf("an invitation: %v", err)
			}
		}
	}
	if sent != 3 || refused != 9 {
		t.Errorf("%d invitations were taken and %d refused, of 12, at 3 a user", sent, refused)
	}
	victim.create("second", false)
	victim.create("third", false)
	if _, err := victim.ask("room:create", map[string]any{"clientId": newID(), "name": "fourth"}); !refusedWith(err, chat.CodeRateLimited) {
		t.Errorf("a fourth of three: %v", err)
	}
	listed := 0
	until(t, "all his rooms in the list, which is as of the store", func() bool {
		listed = 0
		for _, r := range victim.must("room:list", map[string]any{"limit": 100})["rooms"].([]any) {
			switch m := r.(map[string]any); {
			case m["state"] == "joined":
				listed++
			case m["id"] == own:
				t.Errorf("his own room is listed as %v", m["state"])
			}
		}
		return listed >= 3
	})
	if listed != 3 {
		t.Errorf("%d of his 3 rooms are listed as his", listed)
	}
}

// Odd numbers, places and types are refused as invalid, or mean what they say; none is answered `internal`, and the socket lives on.
func TestOddValues(t *testing.T) {
	t.Parallel()
	n := start(t, "--events-per-socket", "100000", "--events-per-user", "100000")
	p := n.guest("Eve")
	room, odd := p.create("room", false), p.create("odd", false)
	for i := range 3 {
		p.send(room, fmt.Sprint("m", i))
	}
	values := []string{"-1", "-9007199254740993", "9007199254740993", "18446744073709551616", "1e400", "1.5", "1.0", "1e2", "-0.0", `"5"`, "[]", "[1]", "{}", "true", `""`,
		`[[[]]]`, `{"toString":1}`}
	requests := map[string][]string{"message:list": {"before", "after", "around", "limit", "roomId"}, "room:open": {"since", "limit", "roomId"}, "room:join": {"limit", "clientId", "after"},
		"room:members": {"cursor", "limit"}, "room:list": {"cursor", "limit", "query", "mine"}, "message:send": {"clientId", "text", "replyTo", "roomId"},
		"room:create": {"clientId", "name", "topic", "private"}, "room:invite": {"userId", "clientId"}, "room:update": {"name", "topic", "clientId"}, "typing": {"isTyping", "roomId"},
		"room:leave": {"roomId", "clientId"}}
	for request, fields := range requests {
		for _, field := range fields {
			for _, v := range values {
				base := map[string]string{"roomId": quoted(odd), "clientId": quoted(newID()), "text": `"x"`, "name": `"n"`, "userId": `"u"`, "isTyping": "true"}
				if request == "room:create" {
					delete(base, "roomId")
				}
				base[field] = v
				var parts []string
				for k, v := range base {
					parts = append(parts, quoted(k)+":"+v)
				}
				_, err := p.ask(request, rawJSON("{"+strings.Join(parts, ",")+"}"))
				stringly := v[0] == '"' && (field == "text" || field == "topic" || field == "replyTo" || field == "query" || field == "name" || field == "cursor" || field == "userId" || field == "clientId" || field == "roomId")
				boolean := v == "true" && (field == "mine" || field == "private" || field == "isTyping")
				if !refusedWith(err, chat.CodeInvalid) && !stringly && !boolean || refusedWith(err, chat.CodeInternal) || refusedWith(err, chat.CodeUnavailable) {
					t.Errorf("%s with %s %s: %v", request, field, v, err)
				}
			}
		}
	}
	// places that no log has
	for place, want := range map[string]string{`"before":1`: "", `"before":9007199254740991`: "m0 m1 m2", `"after":0`: "m0 m1 m2", `"after":9007199254740991`: "", `"after":1`: "m0 m1 m2"} {
		m := p.must("message:list", rawJSON(`{"roomId":`+quoted(room)+`,`+place+`}`))
		if got := strings.Join(texts(m), " "); got != want {
			t.Errorf("%s: %q, want %q", place, got, want)
		}
	}
	for _, payload := range []string{`[]`, `null`, `7`, `"x"`, `{},{}`, `{"roomId":"lobby"},7`, ``} {
		s := n.websocket(nil, "")
		s.say(`40{"name":"Eve"}`)
		s.hear(`42["session"`)
		s.say(`420["room:list"` + strings.TrimSuffix(","+payload, ",") + `]`)
		if a := s.hear("430"); !strings.Contains(a, `"invalid"`) {
			t.Errorf("room:list %s: %s", payload, a)
		}
		s.Close()
	}
	if m := p.must("message:list", map[string]any{"roomId": room}); len(texts(m)) != 3 {
		t.Errorf("%v", texts(m))
	}
}

// `since` and its like: refused with the whole CONNECT where it is malformed, a gap where it names what is not there, never a stall.
func TestSinceIsNotTrusted(t *testing.T) {
	t.Parallel()
	n := start(t)
	owner := n.guest("Owner")
	room := owner.create("room", false)
	owner.send(room, "one")
	for _, since := range []string{`[]`, `7`, `"x"`, `{"` + room + `":-1}`, `{"` + room + `":1.5}`, `{"` + room + `":9007199254740993}`, `{"` + room + `":"1"}`, `{"` + room + `":null}`,
		`{"` + room + `":[1]}`, `{"":1}`, `{"no room":1}`, `{"` + strings.Repeat("x", 65) + `":1}`} {
		_, err := client.Dial(deadline(t), n.addr, rawJSON(`{"token":`+quoted(owner.token)+`,"since":`+since+`}`), func(string, json.RawMessage) {})
		if err == nil || !strings.Contains(err.Error(), `"invalid"`) {
			t.Errorf("since %.60s: %v", since, err)
		}
	}
	for seq, reason := range map[string]string{"9007199254740991": "reset", "4611686018427387904": "", "1": ""} {
		c := map[string]any{"token": owner.token, "since": map[string]any{room: json.Number(seq)}}
		if seq == "4611686018427387904" {
			if _, err := client.Dial(deadline(t), n.addr, c, func(string, json.RawMessage) {}); err == nil {
				t.Error("2^62 was taken")
			}
			continue
		}
		back := n.connect(c)
		if reason != "" {
			if g := back.await("gap", func(e event) bool { return e.RoomID == room }); g.Reason != reason {
				t.Errorf("since %s: %s", seq, g.raw)
			}
			continue
		}
		back.await("message:new", func(e event) bool { return e.Text == "one" })
	}
	// as many rooms as fit: the first 500 are looked at, the others are told to be opened anew, and who waits is answered
	many := map[string]any{room: 1}
	for i := range 900 {
		many[fmt.Sprintf("%022d", i)] = 1
	}
	back := n.connect(map[string]any{"token": owner.token, "since": many, "pid": "p1.forged.forged~x"})
	back.must("room:list", map[string]any{})
	until(t, "every room is told of", func() bool {
		told := 0
		for id := range many {
			told += min(len(back.of(id, "gap")), 1)
		}
		return told >= 900
	})
}

// A clientId is a name within one room and user: it neither answers another's request nor another room's; within them it stands for
// one content.
func TestClientIDsOfOthers(t *testing.T) {
	t.Parallel()
	n := start(t)
	ada, eve := n.guest("Ada"), n.guest("Eve")
	first, second := ada.create("first", false), ada.create("second", false)
	eve.must("room:join", map[string]any{"roomId": first})
	id := newID()
	send := func(p *person, room, text string) (string, error) {
		m, err := p.ask("message:send", map[string]any{"roomId": room, "clientId": id, "text": text})
		return fmt.Sprint(m["id"]), err
	}
	one, err := send(ada, first, "mine")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{one: true}
	for what, ask := range map[string]func() (string, error){"another's": func() (string, error) { return send(eve, first, "hers") },
		"another room's": func() (string, error) { return send(ada, second, "there") }} {
		got, err := ask()
		if err != nil || seen[got] {
			t.Errorf("%s message with the clientId: %v, %v", what, got, err)
		}
		seen[got] = true
	}
	if again, err := send(ada, first, "mine"); err != nil || again != one {
		t.Errorf("the retry: %v, %v", again, err)
	}
	if _, err := send(ada, first, "other"); !refusedWith(err, chat.CodeConflict) {
		t.Errorf("other content: %v", err)
	}
	for name, payload := range map[string]map[string]any{"room:invite": {"userId": "somebody"}, "room:update": {"topic": "t"}, "room:leave": {}, "room:join": {}} {
		payload["roomId"], payload["clientId"] = first, id
		if _, err := ada.ask(name, payload); !refusedWith(err, chat.CodeConflict) {
			t.Errorf("%s with the clientId of a message: %v", name, err)
		}
	}
	create := map[string]any{"clientId": id, "name": "by the same clientId"}
	mine, hers := ada.must("room:create", create), eve.must("room:create", create)
	if a, b := mine["room"].(map[string]any)["id"], hers["room"].(map[string]any)["id"]; a == b {
		t.Errorf("two people made the room %v", a)
	}
	if got := texts(ada.must("message:list", map[string]any{"roomId": first})); strings.Join(got, " ") != "mine hers" {
		t.Errorf("history %v", got)
	}
	// nobody becomes the owner of what is there, nor of the lobby, by naming its id
	for _, room := range []string{"lobby", first} {
		if _, err := eve.ask("room:update", map[string]any{"roomId": room, "clientId": newID(), "name": "Eve's"}); !refusedWith(err, chat.CodeForbidden) {
			t.Errorf("renaming %s: %v", room, err)
		}
	}
	for _, user := range []string{"~system", "", "a\u202eb", "a\nb", strings.Repeat("x", 129)} {
		if _, err := ada.ask("room:invite", map[string]any{"roomId": first, "userId": user}); !refusedWith(err, chat.CodeInvalid) {
			t.Errorf("inviting %q: %v", user, err)
		}
	}
}

// Who asks for room after room, there or not, fills no table that others need.
func TestProbingRoomsCostsOthersNothing(t *testing.T) {
	t.Parallel()
	n := start(t, "--open-rooms", "50", "--events-per-socket", "100000", "--events-per-user", "100000")
	eve, ada := n.guest("Eve"), n.guest("Ada")
	room := ada.create("room", false)
	for i := range 300 {
		_, err := eve.ask("message:list", map[string]any{"roomId": fmt.Sprintf("missing-%d", i)})
		if !refusedWith(err, chat.CodeNotFound) && !refusedWith(err, chat.CodeOverloaded) {
			t.Fatalf("a missing room: %v", err)
		}
	}
	ada.send(room, "an open room is not touched")
	until(t, "a new room can be opened", func() bool {
		_, err := ada.ask("room:create", map[string]any{"clientId": newID(), "name": "another"})
		if err != nil && !refusedWith(err, chat.CodeOverloaded) {
			t.Fatal(err)
		}
		return err == nil
	})
}
