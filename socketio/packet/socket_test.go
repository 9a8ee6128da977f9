package packet_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

func TestDecodeSocketAccepts(t *testing.T) {
	for _, c := range []struct {
		text, ns, id, name, args string
		attachments              int
	}{
		{text: `0`, ns: "/"},
		{text: `0{"token":"x"}`, ns: "/"},
		{text: `0/custom`, ns: "/custom"},
		{text: `0/custom,`, ns: "/custom"},
		{text: `0/custom,{}`, ns: "/custom"},
		{text: `0/,{}`, ns: "/"},
		{text: `0/`, ns: "/"},
		{text: `1`, ns: "/"},
		{text: `1/custom,`, ns: "/custom"},
		{text: `2`, ns: "/"},
		{text: `3`, ns: "/"},
		{text: `27`, ns: "/", id: "7"},
		{text: `2["a"]`, ns: "/", name: "a"},
		{text: `2 [ "a" , 1 ] `, ns: "/", name: "a", args: `1`},
		{text: `2["a",1,"2",{"3":[true]}]`, ns: "/", name: "a", args: `1|"2"|{"3":[true]}`},
		{text: `2/c,12["a",{"b":"]},"}]`, ns: "/c", id: "12", name: "a", args: `{"b":"]},"}`},
		{text: `2/a,b["a"]`, ns: "", name: ""},
		{text: `2007["a"]`, ns: "/", id: "007", name: "a"},
		{text: `29007199254740992["a"]`, ns: "/", id: "9007199254740992", name: "a"},
		{text: `2[12,"x"]`, ns: "/", name: "12", args: `"x"`},
		{text: `2[-1.5]`, ns: "/", name: "-1.5"},
		{text: `2["\u0061\"",[],[ ],{}]`, ns: "/", name: `a"`, args: `[]|[ ]|{}`},
		{text: `30[]`, ns: "/", id: "0"},
		{text: `31[1,[2,[3]]]`, ns: "/", id: "1", args: `1|[2,[3]]`},
		{text: `4{"message":"no"}`, ns: "/"},
		{text: `51-["a",{"_placeholder":true,"num":0}]`, ns: "/", name: "a", args: `{"_placeholder":true,"num":0}`, attachments: 1},
		{text: `510-["a"]`, ns: "/", name: "a", attachments: 10},
		{text: `52-/c,9["a",{"x":[{"num":1,"_placeholder":true}]}]`, ns: "/c", id: "9", name: "a",
			args: `{"x":[{"num":1,"_placeholder":true}]}`, attachments: 2},
		{text: `61-5[{"_placeholder":true,"num":0}]`, ns: "/", id: "5", args: `{"_placeholder":true,"num":0}`, attachments: 1},
	} {
		p, err := packet.DecodeSocket([]byte(c.text), packet.SocketLimits{})
		if c.ns == "" {
			if err == nil {
				t.Errorf("%s: accepted", c.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		var args []string
		for _, a := range p.Args {
			args = append(args, string(a))
		}
		if p.Namespace != c.ns || p.ID != c.id || p.Name != c.name || strings.Join(args, "|") != c.args || p.Attachments != c.attachments {
			t.Errorf("%s: got %+v, args %q", c.text, p, args)
		}
		if p.Type != packet.SocketType(c.text[0]-'0') {
			t.Errorf("%s: type %d", c.text, p.Type)
		}
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

// malformed are packets that no client may send, and what is wrong with each.
var malformed = map[string]error{
	``:                  packet.ErrSocketType,
	`7`:                 packet.ErrSocketType,
	`abc`:               packet.ErrSocketType,
	`0[]`:               packet.ErrSocketPayload,
	`0null`:             packet.ErrSocketPayload,
	`0"x"`:              packet.ErrSocketPayload,
	`0{"a":1}x`:         packet.ErrSocketPayload,
	`1{}`:               packet.ErrSocketPayload,
	`1"x"`:              packet.ErrSocketPayload,
	`2{}`:               packet.ErrSocketPayload,
	`2[]`:               packet.ErrSocketPayload,
	`2[null]`:           packet.ErrSocketPayload,
	`2[{}]`:             packet.ErrSocketPayload,
	`2"a"`:              packet.ErrSocketPayload,
	`2["a"`:             packet.ErrSocketPayload,
	`2["a"]]`:           packet.ErrSocketPayload,
	`2["a",]`:           packet.ErrSocketPayload,
	`2abc["a"]`:         packet.ErrSocketPayload,
	`2-1["a"]`:          packet.ErrSocketPayload,
	"2[\"a\",\"\x1e\"]": packet.ErrSocketPayload,
	"2[\"a\",\"\xff\"]": packet.ErrSocketPayload,
	`2["a"` + strings.Repeat(",1", 257) + `]`: packet.ErrSocketPayload,
	`3{}`:                                    packet.ErrSocketPayload,
	`4[]`:                                    packet.ErrSocketPayload,
	`2["connect"]`:                           packet.ErrSocketReserved,
	`2["connect_error"]`:                     packet.ErrSocketReserved,
	`2["disconnect"]`:                        packet.ErrSocketReserved,
	`2["disconnecting"]`:                     packet.ErrSocketReserved,
	`2["newListener"]`:                       packet.ErrSocketReserved,
	`2["removeListener"]`:                    packet.ErrSocketReserved,
	`2["\u0063onnect"]`:                      packet.ErrSocketReserved,
	`29007199254740993["a"]`:                 packet.ErrSocketAckID,
	`2` + strings.Repeat("1", 400) + `["a"]`: packet.ErrSocketAckID,
	`2["a",` + nested(64) + `]`:              packet.ErrSocketDepth,
	`2` + strings.Repeat("[", 100000):        packet.ErrSocketDepth,
	`5["a"]`:                                 packet.ErrSocketAttachments,
	`5-["a"]`:                                packet.ErrSocketAttachments,
	`50-["a"]`:                               packet.ErrSocketAttachments,
	`501-["a"]`:                              packet.ErrSocketAttachments,
	`511-["a"]`:                              packet.ErrSocketAttachments,
	`599999999999999999999-["a"]`:            packet.ErrSocketAttachments,
	`5-1-["a"]`:                              packet.ErrSocketAttachments,
	`51.5-["a"]`:                             packet.ErrSocketAttachments,
	`51e0-["a"]`:                             packet.ErrSocketAttachments,
	`51`:                                     packet.ErrSocketAttachments,
	`51["a"]`:                                packet.ErrSocketAttachments,
	`51-`:                                    packet.ErrSocketPayload,
	`61-/c,`:                                 packet.ErrSocketPayload,
	"0/a\x1eb":                               packet.ErrSocketNamespace,
	"0/a\xff":                                packet.ErrSocketNamespace,
	`0/` + strings.Repeat("a", 300):          packet.ErrSocketNamespace,
	`51-["a",{"_placeholder":true,"num":1}]`: packet.ErrSocketPlaceholder,
	`51-["a",{"_placeholder":true,"num":-1}]`:                packet.ErrSocketPlaceholder,
	`51-["a",{"_placeholder":true,"num":"0"}]`:               packet.ErrSocketPlaceholder,
	`51-["a",{"_placeholder":true,"num":0.5}]`:               packet.ErrSocketPlaceholder,
	`51-["a",{"_placeholder":true,"num":1e99}]`:              packet.ErrSocketPlaceholder,
	`51-["a",{"_placeholder":true}]`:                         packet.ErrSocketPlaceholder,
	`51-["a",{"\u005fplaceholder":true}]`:                    packet.ErrSocketPlaceholder,
	`51-["a",[{"x":{"_placeholder":true,"num":0,"num":7}}]]`: packet.ErrSocketPlaceholder,
}

func TestDecodeSocketRefuses(t *testing.T) {
	for text, want := range malformed {
		if _, err := packet.DecodeSocket([]byte(text), packet.SocketLimits{}); !errors.Is(err, want) {
			t.Errorf("%.60q: got %v, want %v", text, err, want)
		}
	}
}

func TestSocketLimits(t *testing.T) {
	limits := packet.SocketLimits{Attachments: 2, Depth: 3}
	for text, ok := range map[string]bool{
		`52-["a"]`: true, `53-["a"]`: false, `2["a",[[]]]`: true, `2["a",[[[]]]]`: false, `2["a","[[[[[["]`: true,
	} {
		if _, err := packet.DecodeSocket([]byte(text), limits); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is cut out of an array must not reach into its neighbour.
func TestDecodeSocketArgsDoNotOverlap(t *testing.T) {
	p, err := packet.DecodeSocket([]byte(`2["a",1,2]`), packet.SocketLimits{})
	if err != nil {
		t.Fatal(err)
	}
	_ = append(p.Args[0], "xxx"...)
	if string(p.Args[1]) != "2" {
		t.Errorf("second argument became %q", p.Args[1])
	}
}

func TestAppendSocketHeader(t *testing.T) {
	for _, c := range []struct {
		typ         packet.SocketType
		attachments int
		ns, id      string
		want        string
	}{
		{packet.SocketConnect, 0, "/", "", "0"},
		{packet.SocketConnect, 0, "/custom", "", "0/custom,"},
		{packet.SocketAck, 3, "/", "456", "3456"},
		{packet.SocketBinaryAck, 2, "/", "789", "62-789"},
		{packet.SocketBinaryEvent, 10, "/c", "1", "510-/c,1"},
	} {
		if got := packet.AppendSocketHeader(nil, c.typ, c.attachments, c.ns, c.id); string(got) != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "message:new", "a\"b\\c", "<é>", "\x1e\x00", "\u2028", "bad\xff"} {
		got := packet.AppendString(nil, s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q: %s, %v", s, got, err)
		}
		if strings.ContainsRune(string(got), 0x1e) {
			t.Errorf("%q: the separator passed raw", s)
		}
	}
}

func TestAppendJSONEscapesTheSeparator(t *testing.T) {
	if got := packet.AppendJSON(nil, []byte("\"a\x1eb\x1e\"")); string(got) != `"a\u001eb\u001e"` {
		t.Errorf("got %s", got)
	}
}
