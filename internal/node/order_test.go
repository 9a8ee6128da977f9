package node_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Join, send, leave, join, send in one write, of a room that the node has not open, on either transport: done in this order. See
// cases.md 6.
func TestFiveEventsInOneBreath(t *testing.T) {
	t.Parallel()
	n := start(t)
	owner := n.guest("Owner")
	room := owner.create("room", false)
	owner.send(room, "before")
	n.stop()
	n.up() // so that it has to be opened
	breath := func(begin int, tag string) (packets []string) {
		for i, e := range []string{"room:join", "message:send", "room:leave", "room:join", "message:send"} {
			payload := map[string]any{"roomId": room, "clientId": newID()}
			if e == "message:send" {
				payload["text"] = fmt.Sprint(tag, i)
			}
			packets = append(packets, fmt.Sprintf(`42%d[%q,%s]`, begin+i, e, quoted(payload)))
		}
		return packets
	}
	s := n.websocket(nil, "")
	s.say(`40{"name":"Bob"}`)
	token := part(t, s.hear(`42["session"`), "token")
	var write []byte
	for _, p := range breath(10, "ws") {
		write = append(write, textFrame(p)...)
	}
	if _, err := s.Write(write); err != nil {
		t.Fatal(err)
	}
	oks, heard := 0, []string{}
	for oks < 5 {
		switch a := s.hear("4"); {
		case strings.HasPrefix(a, "431"):
			if oks++; !strings.Contains(a, `{"ok":true`) || !strings.HasPrefix(a, fmt.Sprintf("431%d", oks-1)) {
				t.Errorf("answer %d: %s", oks, a)
			}
		case strings.HasPrefix(a, `42["message:new"`):
			heard = append(heard, part(t, a, "text"))
		}
	}
	for len(heard) < 2 {
		heard = append(heard, part(t, s.hear(`42["message:new"`), "text"))
	}
	if fmt.Sprint(heard) != "[ws1 ws4]" {
		t.Errorf("heard %v", heard)
	}
	// the same as one body of polling, by a second socket of the same user, who is a member now
	p := n.polling(nil)
	p.say(`40{"token":` + quoted(token) + `}`)
	p.hear(`42["session"`)
	p.say(breath(20, "poll")...)
	for i := range 5 {
		if a := p.hear(fmt.Sprintf("432%d", i)); !strings.Contains(a, `{"ok":true`) {
			t.Errorf("answer %d by polling: %s", i, a)
		}
	}
	owner = n.connect(map[string]any{"token": owner.token})
	owner.must("room:open", map[string]any{"roomId": room})
	members := owner.must("room:members", map[string]any{"roomId": room})
	if members["count"] != 2.0 || strings.Count(quoted(members["members"]), `"Bob"`) != 1 {
		t.Errorf("members %s", quoted(members))
	}
	if got := texts(owner.must("message:list", map[string]any{"roomId": room})); fmt.Sprint(got) != "[before ws1 ws4 poll1 poll4]" {
		t.Errorf("history %v", got)
	}
	owner.send(room, "live")
	for !strings.Contains(p.hear(`42["message:new"`), `"live"`) {
		// its own come first
	}
	records := 0
	for _, m := range resumed(t, n, owner, room) {
		if m.User.Name == "Bob" && strings.HasPrefix(m.Name, "room:") {
			records++
		}
	}
	if records > 6 {
		t.Errorf("%d membership records of two times three", records)
	}
}

// resumed is everything a room's log has for a member, from its beginning.
func resumed(t *testing.T, n *running, p *person, room string) []event {
	t.Helper()
	last := p.must("message:list", map[string]any{"roomId": room})["asOf"]
	back := n.connect(map[string]any{"token": p.token, "since": map[string]any{room: json.Number("8796093022208")}})
	until(t, "the replay", func() bool {
		return slices.ContainsFunc(back.of(room, ""), func(e event) bool { return float64(e.Seq) >= last.(float64) }) // presence has no seq, and may come last
	})
	return back.of(room, "")
}
