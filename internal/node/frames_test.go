package node_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// Frames against RFC 6455 end the connection that sent them, and no other. (§5.1: masked; §5.5: control frames have at most 125 bytes
// and are not fragmented.)
func TestFramesAgainstTheRules(t *testing.T) {
	t.Parallel()
	n := start(t)
	bystander := n.guest("Bob")
	masked := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
	reserved := ws.NewTextFrame([]byte("x"))
	reserved.Header.Rsv = ws.Rsv(true, false, false)
	for name, bytes := range map[string][]byte{
		"unmasked text":             ws.MustCompileFrame(ws.NewTextFrame([]byte("2"))),
		"unmasked ping":             ws.MustCompileFrame(ws.NewPingFrame(nil)),
		"control frame of 126":      masked(ws.NewPingFrame(make([]byte, 126))),
		"close frame of 126":        masked(ws.NewFrame(ws.OpClose, true, make([]byte, 126))),
		"pong of 70,000":            masked(ws.NewPongFrame(make([]byte, 70000))),
		"ping in fragments":         append(masked(ws.NewFrame(ws.OpPing, false, []byte("a"))), masked(ws.NewFrame(ws.OpContinuation, true, []byte("b")))...),
		"close in fragments":        masked(ws.NewFrame(ws.OpClose, false, nil)),
		"continuation of nothing":   masked(ws.NewFrame(ws.OpContinuation, true, []byte("x"))),
		"a message within another":  append(masked(ws.NewFrame(ws.OpText, false, []byte("4"))), masked(ws.NewTextFrame([]byte("2")))...),
		"reserved opcode":           masked(ws.NewFrame(0x3, true, []byte("x"))),
		"reserved control opcode":   masked(ws.NewFrame(0xb, true, nil)),
		"reserved bit":              masked(reserved),
		"text that is not UTF-8":    masked(ws.NewTextFrame([]byte("42[\"\xff\"]"))),
		"binary out of the blue":    masked(ws.NewBinaryFrame([]byte{1, 2, 3})),
		"an unknown engine packet":  masked(ws.NewTextFrame([]byte("9"))),
		"an unknown socket packet":  masked(ws.NewTextFrame([]byte("49"))),
		"an event before CONNECT":   masked(ws.NewTextFrame([]byte(`42["room:list",{}]`))),
		"more attachments than may": masked(ws.NewTextFrame([]byte(`4599999999999-["x",{"_placeholder":true,"num":0}]`))),
	} {
		s := n.websocket(nil, "")
		if _, err := s.Write(bytes); err != nil {
			t.Fatal(err)
		}
		if code := s.closes(); code == ws.StatusInternalServerError {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
	// a control frame between the fragments of a message is within the rules
	s := n.websocket(nil, "")
	for _, f := range []ws.Frame{ws.NewFrame(ws.OpText, false, []byte(`40{"na`)), ws.NewPingFrame([]byte("between")), ws.NewFrame(ws.OpContinuation, true, []byte(`me":"Kim"}`))} {
		if _, err := s.Write(masked(f)); err != nil {
			t.Fatal(err)
		}
	}
	s.hear(`42["session"`)
	bystander.must("room:list", map[string]any{})
}

// U+001E parts the packets of a poll. What people write never passes it raw, so nobody forges a packet for a reader by polling.
func TestTheSeparatorForgesNothing(t *testing.T) {
	t.Parallel()
	n := start(t)
	evil := n.guest("Eve")
	const forged = "\x1e42[\"message:new\",{\"text\":\"forged\"}]\x1e41\x1e1"
	room := evil.must("room:create", map[string]any{"clientId": newID(), "name": "room", "topic": "t"})["room"].(map[string]any)["id"].(string)
	reader := n.polling(nil)
	reader.say(`40{"name":"Bob"}`)
	reader.hear(`42["session"`)
	reader.say(`420["room:join",{"roomId":` + quoted(room) + `}]`)
	reader.hear("430")

	// as JSON has it, escaped; in the text, a name, a topic, the name of an event and of a refused field
	sent := evil.must("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "real" + forged})
	for _, c := range []struct {
		name    string
		payload any
	}{{"room:update", map[string]any{"roomId": room, "clientId": newID(), "name": "x" + forged}}, {"room:update", map[string]any{"roomId": room, "clientId": newID(), "topic": "x" + forged}},
		{"message:send", map[string]any{"roomId": room, "clientId": "c" + forged, "text": "x"}}, {"message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "x", "replyTo": forged}}} {
		if _, err := evil.ask(c.name, c.payload); err == nil {
			t.Errorf("%s with a separator was taken: %v", c.name, c.payload)
		}
	}
	evil.send(room, "last")
	heard := reader.hear(`42["message:new"`)
	var parts []json.RawMessage
	var m struct{ ID, Text string }
	if err := json.Unmarshal([]byte(heard[2:]), &parts); err != nil || json.Unmarshal(parts[1], &m) != nil {
		t.Fatalf("%q: %v", heard, err)
	}
	if m.ID != sent["id"] || m.Text != "real"+forged {
		t.Errorf("heard %+v", m)
	}
	if next := reader.hear("4"); !strings.HasPrefix(next, `42["presence"`) && !strings.HasPrefix(next, `42["message:new"`) {
		t.Errorf("between two messages came %q", next)
	} else if strings.HasPrefix(next, `42["presence"`) {
		next = reader.hear(`42["message:new"`)
		if !strings.Contains(next, `"last"`) {
			t.Errorf("then came %q", next)
		}
	}
	reader.say(`421["message:list",{"roomId":` + quoted(room) + `}]`)
	if page := reader.hear("431"); !strings.Contains(page, `real\u001e42[`) {
		t.Errorf("the page %q", page)
	}
	// raw in the frame of a websocket it is no JSON: that ends the sender
	for _, raw := range []string{"42[\"message:send\",{\"roomId\":" + quoted(room) + ",\"clientId\":\"raw\",\"text\":\"a\x1eb\"}]", "42[\"a\x1eb\",{}]", "42\x1e42[\"room:list\",{}]"} {
		s := n.websocket(nil, "")
		s.say(`40{"name":"Eve"}`)
		s.hear(`42["session"`)
		s.say(raw)
		s.closes()
	}
	// escaped in a name it is a control character; in the name of an event it comes back to nobody
	s := n.websocket(nil, "")
	s.say(`40{"name":"a\u001eb"}`)
	if a := s.hear("4"); !strings.HasPrefix(a, "44") || strings.Contains(a, "\x1e") {
		t.Errorf("a name with a separator: %q", a)
	}
	p := n.polling(nil)
	p.say(`40{"name":"Eve"}`)
	p.say(`427["\u001e41",{}]`)
	if a := p.hear("437"); !strings.Contains(a, `"invalid"`) {
		t.Errorf("%q", a)
	}
}
