package badinput_test

import (
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// packets is a row of Socket.IO: what somebody sends, one message each, those that begin with B binary. He is connected unless early
// says otherwise. want begins the answer; "closed" says that the connection ends, "ignored" that it goes on as if nothing had been sent.
type packets struct {
	name  string
	early bool
	send  []string
	want  string
}

func packetRows() []packets {
	const ph = `{"_placeholder":true,"num":`
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	return []packets{
		{"an event before CONNECT", true, []string{`42["room:list",{}]`}, "closed"},
		{"an event with an ack before CONNECT", true, []string{`420["room:list",{}]`}, "closed"},
		{"an ack before CONNECT", true, []string{`430[]`}, "closed"},
		{"DISCONNECT before CONNECT", true, []string{`41`}, "closed"},
		{"binary before CONNECT", true, []string{"Bx"}, "closed"},
		{"CONNECT with an array", true, []string{`40[]`}, "closed"},
		{"CONNECT with a text", true, []string{`40"Eve"`}, "closed"},
		{"CONNECT with null", true, []string{`40null`}, "closed"},
		{"CONNECT with broken JSON", true, []string{`40{"name":`}, "closed"},
		{"CONNECT with something behind it", true, []string{`40{"name":"Eve"}x`}, "closed"},
		{"CONNECT without anything", true, []string{`40`}, `44{"message":"auth needs a token, or a name`},
		{"CONNECT to an unknown namespace", true, []string{`40/admin,{"name":"Eve"}`}, `44/admin,{"message":"Invalid namespace"}`},
		{"CONNECT to a namespace of 1,000 letters", true, []string{`40/` + strings.Repeat("a", 1000)}, "closed"},
		{"CONNECT to a namespace with the separator", true, []string{"40/a\x1e41,"}, "closed"},
		{"CONNECT that is too large", true, []string{`40{"name":"` + strings.Repeat("x", payloadLimit-20) + `"}`}, `44{"message":`},
		{"the name is a number", true, []string{`40{"name":7}`}, `44{"message":"name: must be a string","data":{"code":"invalid"`},
		{"the name has U+0000", true, []string{`40{"name":"a\u0000"}`}, `44{"message":"the request: U+0000 is not allowed","data":{"code":"invalid"`},
		{"since is an array", true, []string{`40{"name":"Eve","since":[]}`}, `44{"message":"since: must be an object`},
		{"since is a text", true, []string{`40{"name":"Eve","since":{"lobby":"1"}}`}, `44{"message":"since: must be an object`},
		{"since beyond 2^53", true, []string{`40{"name":"Eve","since":{"lobby":9007199254740993}}`}, `44{"message":"since: must be an object`},
		{"log is a number", true, []string{`40{"name":"Eve","since":{"lobby":1},"log":7}`}, `44{"message":"log: must be a string`},
		{"auth of 40 levels", true, []string{`40{"name":"Eve","x":` + deep(40) + `}`}, `44{"message":"the request: nested too deep (--json-depth)`},
		{"two CONNECTs at once", true, []string{`40{"name":"Eve"}`, `40{"name":"Eve"}`}, "closed"},

		{"a second CONNECT", false, []string{`40{"name":"Mallory"}`}, "closed"},
		{"CONNECT_ERROR from a client", false, []string{`44{"message":"x"}`}, "closed"},
		{"DISCONNECT with a payload", false, []string{`41[]`}, "closed"},
		{"an event after DISCONNECT", false, []string{`41`, `42["room:list",{}]`}, "closed"},
		{"an event for an unknown namespace", false, []string{`42/admin,["room:list",{}]`}, "closed"},
		{"an ack for an unknown namespace", false, []string{`43/admin,1[]`}, "closed"},
		{"packet type 7", false, []string{`47["room:list",{}]`}, "closed"},
		{"no packet type", false, []string{`4`}, "closed"},
		{"an event that is an object", false, []string{`42{}`}, "closed"},
		{"an event without a name", false, []string{`42[]`}, "closed"},
		{"an event named null", false, []string{`42[null]`}, "closed"},
		{"an event named by an object", false, []string{`42[{"toString":1}]`}, "closed"},
		{"a reserved name", false, []string{`42["disconnect"]`}, "closed"},
		{"a reserved name, escaped", false, []string{`42["dis\u0063onnect"]`}, "closed"},
		{"trailing garbage", false, []string{`42["room:list",{}]]`}, "closed"},
		{"two JSON values", false, []string{`42["room:list"]["room:list"]`}, "closed"},
		{"JSON with a comment", false, []string{`42["room:list",{}/**/]`}, "closed"},
		{"JSON with NaN", false, []string{`42["room:list",{"limit":NaN}]`}, "closed"},
		{"the separator in a text", false, []string{"42[\"room:list\",\"\x1e\"]"}, "closed"},
		{"1,000 levels", false, []string{`42["room:list",` + deep(1000) + `]`}, "closed"},
		{"45,000 open brackets", false, []string{`42` + strings.Repeat("[", 45_000)}, "closed"},
		{"300 arguments", false, []string{`42["room:list"` + strings.Repeat(",1", 300) + `]`}, "closed"},
		{"an ack id of letters", false, []string{`42x["room:list",{}]`}, "closed"},
		{"an ack id of 17 digits", false, []string{`4210000000000000000["room:list",{}]`}, "closed"},
		{"an ack id above 2^53", false, []string{`429007199254740993["room:list",{}]`}, "closed"},
		{"a negative ack id", false, []string{`42-1["room:list",{}]`}, "closed"},
		{"an ack that is an object", false, []string{`431{}`}, "closed"},
		{"an ack that nobody asked for", false, []string{`43123[{"ok":true}]`, `439007199254740992[]`}, "ignored"},
		{"an ack without an id", false, []string{`43[]`}, "ignored"},
		{"a binary ack that nobody asked for", false, []string{`461-5[` + ph + `0}]`, "Bx"}, "ignored"},
		{"an event without anything", false, []string{`42`, `427`}, "ignored"},
		{"binary without a header", false, []string{"Bx"}, "closed"},
		{"no attachments", false, []string{`450-["room:list"]`}, "closed"},
		{"eleven attachments", false, []string{`4511-["room:list"]`}, "closed"},
		{"a billion attachments", false, []string{`451000000000-["room:list"]`}, "closed"},
		{"a fraction of an attachment", false, []string{`451.5-["room:list"]`}, "closed"},
		{"attachments without a payload", false, []string{`451-`}, "closed"},
		{"text while attachments are missing", false, []string{`452-["room:list",` + ph + `0}]`, "Bx", `42["room:list",{}]`}, "closed"},
		{"one attachment too many", false, []string{`451-["room:list",` + ph + `0}]`, "Bx", "Bx"}, "closed"},
		{"a placeholder out of range", false, []string{`451-["room:list",` + ph + `1}]`, "Bx"}, "closed"},
		{"a negative placeholder", false, []string{`451-["room:list",` + ph + `-1}]`, "Bx"}, "closed"},
		{"a placeholder that is a text", false, []string{`451-["room:list",` + ph + `"0"}]`, "Bx"}, "closed"},
		{"binary in a request", false, []string{`451-7["message:send",` + ph + `0}]`, "Bx"}, `437[{"ok":false,"error":{"code":"invalid"`},
		{"an unknown event", false, []string{`427["room:delete",{}]`}, `437[{"ok":false,"error":{"code":"invalid","message":"there is no event of this name"`},
		{"an event named by a number", false, []string{`427[1,{}]`}, `437[{"ok":false,"error":{"code":"invalid"`},
		{"an event of the server's side", false, []string{`427["message:new",{}]`}, `437[{"ok":false,"error":{"code":"invalid"`},
		{"__proto__ for an event", false, []string{`427["__proto__",{}]`}, `437[{"ok":false,"error":{"code":"invalid"`},
	}
}

func socketDoor(t *testing.T, w *world, token string) int {
	for _, p := range packetRows() {
		t.Run(p.name, func(t *testing.T) {
			c := w.websocket(t, "")
			if !p.early {
				c.say(`40{"token":"` + token + `"}`)
				c.hear(`42["session"`)
			}
			for _, m := range p.send {
				if b, ok := strings.CutPrefix(m, "B"); ok {
					c.Write(part(ws.OpBinary, true, b))
				} else {
					c.try(m)
				}
			}
			switch p.want {
			case "closed":
				c.end()
			case "ignored":
				c.say(`429["room:list",{}]`)
				c.hear(`439[{"ok":true`)
			default:
				c.hear(p.want)
				if !p.early {
					c.say(`429["room:list",{}]`)
					c.hear(`439[{"ok":true`)
				}
			}
		})
	}
	return len(packetRows())
}
