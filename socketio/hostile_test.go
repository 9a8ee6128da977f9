package socketio_test

import (
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// hostile are messages of a client in the main namespace. Those that begin with B are binary.
var hostile = []struct {
	name   string
	send   []string
	closed bool // else ignored: the connection lives on
}{
	{"event without payload", []string{`42`}, false},
	{"event without payload, with an ack id", []string{`427`}, false},
	{"ack without payload", []string{`43`}, false},
	{"ack without id", []string{`43[]`}, false},
	{"ack nobody waits for", []string{`43123[1]`, `439007199254740992[]`}, false},
	{"binary ack nobody waits for", []string{`461-5[{"_placeholder":true,"num":0}]`, "Bx"}, false},
	{"event nobody handles", []string{`42["what"]`, `42["what",null]`}, false},
	{"number as a name", []string{`42[1,2]`}, false},
	{"placeholder in a text event", []string{`42["what",{"_placeholder":true,"num":99}]`}, false},
	{"unknown namespace", []string{`40/nowhere`}, false},
	{"deep but allowed", []string{`42["what",` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `]`}, false},

	{"no packet type", []string{`4`}, true},
	{"unknown type", []string{`4abc`}, true},
	{"type 7", []string{`47`}, true},
	{"second CONNECT", []string{`40`}, true},
	{"CONNECT with an array", []string{`40/custom,[]`}, true},
	{"CONNECT with null", []string{`40/custom,null`}, true},
	{"CONNECT_ERROR", []string{`44{"message":"x"}`}, true},
	{"CONNECT_ERROR without payload", []string{`44`}, true},
	{"DISCONNECT with a payload", []string{`41{}`}, true},
	{"event after DISCONNECT", []string{`41`, `42["what"]`}, true},
	{"event for a namespace not joined", []string{`42/custom,["what"]`}, true},
	{"event for a namespace that does not exist", []string{`42/nowhere,["what"]`}, true},
	{"ack for a namespace not joined", []string{`43/custom,1[]`}, true},
	{"disconnect from a namespace not joined", []string{`41/custom`}, true},
	{"binary event for a namespace not joined", []string{`451-/custom,["what"]`}, true},
	{"separator in a namespace", []string{"40/a\x1e41"}, true},
	{"endless namespace", []string{`40/` + strings.Repeat("a", 1000)}, true},
	{"event that is an object", []string{`42{}`}, true},
	{"event without a name", []string{`42[]`}, true},
	{"event named null", []string{`42[null]`}, true},
	{"ack that is an object", []string{`431{}`}, true},
	{"trailing garbage", []string{`42["what"]x`}, true},
	{"broken JSON", []string{`42["what"`}, true},
	{"separator in a string", []string{"42[\"what\",\"\x1e\"]"}, true},
	{"letters for an ack id", []string{`42abc["what"]`}, true},
	{"silly ack id", []string{`42` + strings.Repeat("9", 500) + `["what"]`}, true},
	{"reserved name", []string{`42["disconnect"]`}, true},
	{"reserved name, escaped", []string{`42["dis\u0063onnect"]`}, true},
	{"too deep", []string{`42["what",` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `]`}, true},
	{"very deep", []string{`42` + strings.Repeat(`[`, 900000)}, true},
	{"very many values", []string{`42["what"` + strings.Repeat(`,1`, 400000) + `]`}, true},
	{"no attachments", []string{`450-["what"]`}, true},
	{"too many attachments", []string{`4511-["what"]`}, true},
	{"fraction of an attachment", []string{`451.5-["what"]`}, true},
	{"attachments without dash", []string{`451["what"]`}, true},
	{"attachments without payload", []string{`451-`}, true},
	{"binary without a header", []string{"Bx"}, true},
	{"binary beyond the attachments", []string{`451-["what"]`, "Bx", "Bx"}, true},
	{"text while attachments are missing", []string{`452-["what"]`, "Bx", `42["what"]`}, true},
	{"placeholder out of range", []string{`451-["what",{"_placeholder":true,"num":1}]`, "Bx"}, true},
	{"negative placeholder", []string{`451-["what",{"_placeholder":true,"num":-1}]`, "Bx"}, true},
	{"placeholder with text", []string{`451-["what",{"_placeholder":true,"num":"0"}]`, "Bx"}, true},
	{"attachments too large together", []string{`453-["what"]`, "B" + strings.Repeat("x", 900000), "B" + strings.Repeat("x", 900000),
		"B" + strings.Repeat("x", 900000)}, true},
}

func TestHostilePackets(t *testing.T) {
	f := serve(t, socketio.Options{MaxEvent: 2_000_000})
	f.Of("/custom")
	f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	ends := make(chan string, 1)
	bystander := f.join(t)
	f.root.OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { ends <- reason }) })
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			s := f.join(t)
			for _, m := range c.send {
				if b, ok := strings.CutPrefix(m, "B"); ok {
					s.SendBinary([]byte(b))
				} else {
					s.Send(m)
				}
			}
			if c.closed {
				s.WantClosed()
			} else {
				s.Send(`429["ping"]`)
				for answer := ""; answer != `439[]`; answer = s.Next() {
				}
				s.Close()
			}
			reason := get(t, ends)
			if refused := reason == string(engineio.ParseError); refused && !c.closed {
				t.Errorf("ended with %q", reason)
			}
			bystander.Send(`421["ping"]`)
			bystander.Want(`431[]`)
		})
	}
	if left := len(f.root.Sockets()); left != 1 {
		t.Errorf("%d sockets left, want the bystander", left)
	}
}

// The same through polling: a body with a bad packet ends the session, and what stood before it was handled.
func TestHostilePolling(t *testing.T) {
	f := serve(t, socketio.Options{})
	seen, ends := make(chan string, 8), make(chan string, 1)
	f.root.OnAny(func(e *socketio.Event) { seen <- e.Name })
	f.root.OnConnection(func(s *socketio.Socket) { s.OnDisconnect(func(reason string) { ends <- reason }) })
	p := rawclient.OpenPoll(t, f.base)
	p.Post("40")
	p.Packets(1)
	p.Post(`42["one"]`, `42["two"]`, `42{}`, `42["three"]`)
	if one, two, reason := get(t, seen), get(t, seen), get(t, ends); one != "one" || two != "two" || reason != "parse error" {
		t.Errorf("got %s %s %s", one, two, reason)
	}
	if len(seen) != 0 {
		t.Errorf("%s was handled behind a bad packet", <-seen)
	}
}

// Whatever a connected client sends, the server neither panics nor harms another client.
func FuzzMessages(f *testing.F) {
	for _, c := range hostile {
		if text := c.send[0]; len(text) < 2000 && text[0] == '4' {
			f.Add(text[1:])
		}
	}
	fix := serve(f, socketio.Options{})
	fix.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
	fix.root.OnAny(func(e *socketio.Event) { _ = e.Ack(e.Values()...) })
	f.Fuzz(func(t *testing.T, text string) {
		bystander := fix.join(t)
		defer bystander.Close()
		c := fix.join(t)
		c.Send("4" + text)
		c.Send(`421["ping"]`)
		for _, _, err := c.Read(); err == nil; _, _, err = c.Read() {
			c.Close()
		}
		bystander.Send(`421["ping"]`)
		bystander.Want(`431[]`)
	})
}
