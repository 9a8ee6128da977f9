package packet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

func TestPlaceholder(t *testing.T) {
	for raw, want := range map[string]int{
		`{"_placeholder":true,"num":0}`:                                   0,
		` {"num" : 3 , "_placeholder" : true} `:                           3,
		`{"_placeholder":true,"num":1,"more":{"a":[1]}}`:                  1,
		`{"_placeholder":false,"_placeholder":true,"num":2}`:              2,
		`{"_placeholder":true,"_placeholder":false,"num":2}`:              -1,
		`{"_placeholder":"true","num":0}`:                                 -1,
		`{"_placeholder":true,"num":"0"}`:                                 -1,
		`{"num":0}`:                                                       -1,
		`[{"_placeholder":true,"num":0}]`:                                 -1,
		`{"a":{"_placeholder":true,"num":0}}`:                             -1,
		`"_placeholder"`:                                                  -1,
		`{}`:                                                              -1,
		`{"_placeholder":true,"num":0,"a":{"_placeholder":true,"num":9}}`: 0,
	} {
		num, ok := packet.Placeholder([]byte(raw))
		if ok != (want >= 0) || ok && num != want {
			t.Errorf("%s: got %d %v, want %d", raw, num, ok, want)
		}
	}
}

func TestAppendShifted(t *testing.T) {
	raw := `{"a":[{"_placeholder":true,"num":1}, {"num":0,"_placeholder":true,"x":1}],"b":"_placeholder"}`
	got, err := packet.AppendShifted([]byte("x"), []byte(raw), 2, 5)
	want := `x{"a":[{"_placeholder":true,"num":6}, {"_placeholder":true,"num":5}],"b":"_placeholder"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := packet.AppendShifted(nil, []byte(raw), 1, 0); !errors.Is(err, packet.ErrSocketPlaceholder) {
		t.Errorf("an index beyond the attachments: %v", err)
	}
}

// What the decoder accepts comes out of the encoder and back in unchanged, and holds no separator.
func FuzzDecodeSocket(f *testing.F) {
	for _, s := range []string{
		`0`, `0/c,{"a":1}`, `1/c`, `2["a",1,"2",{"3":[true]}]`, `2/c,12["a"]`, `3456[1]`, `4{"message":"x"}`, `42`,
		`52-/c,9["a",{"_placeholder":true,"num":0},{"x":[{"num":1,"_placeholder":true}]}]`, `61-0[{"_placeholder":true,"num":0}]`,
		`2["\u0063onnect"]`, `599-["a"]`, `2[[[[[[`, `2["a",{"a":"\\\""}]`, "2[\"\x1e\"]", `2[1e5]`, `2["a",[ ] , { } ]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := packet.DecodeSocket(text, packet.SocketLimits{})
		if errors.Is(err, packet.ErrSocketPayload) && strings.HasSuffix(err.Error(), "not JSON") && len(text) > 1 && text[1] >= 'A' && utf8.Valid(text) && json.Valid(text[1:]) {
			t.Fatalf("%q is said to be no JSON", text)
		}
		if err != nil {
			return
		}
		if bytes.IndexByte(text, 0x1e) >= 0 {
			t.Fatalf("accepted a separator: %q", text)
		}
		if p.Data != nil && !json.Valid(p.Data) {
			t.Fatalf("accepted %q", p.Data)
		}
		out := packet.AppendSocketHeader(nil, p.Type, p.Attachments, p.Namespace, p.ID)
		out = packet.AppendJSON(out, p.Data)
		q, err := packet.DecodeSocket(out, packet.SocketLimits{})
		if err != nil || q.Type != p.Type || q.Namespace != p.Namespace || q.ID != p.ID || q.Name != p.Name ||
			!bytes.Equal(q.Data, p.Data) || len(q.Args) != len(p.Args) || q.Attachments != p.Attachments {
			t.Fatalf("%q became %q: %+v, %v", text, out, q, err)
		}
		checkArgs(t, p)
	})
}

// checkArgs compares the values cut out by hand with those the standard library finds.
func checkArgs(t *testing.T, p packet.SocketPacket) {
	t.Helper()
	if p.Data == nil || p.Type == packet.SocketConnect || p.Type == packet.SocketConnectError {
		return
	}
	var want []json.RawMessage
	if err := json.Unmarshal(p.Data, &want); err != nil {
		t.Fatal(err)
	}
	if p.Type == packet.SocketEvent || p.Type == packet.SocketBinaryEvent {
		want = want[1:]
	}
	if len(want) != len(p.Args) {
		t.Fatalf("%d values, want %d", len(p.Args), len(want))
	}
	for i := range want {
		if !bytes.Equal(want[i], p.Args[i]) {
			t.Fatalf("value %d is %q, want %q", i, p.Args[i], want[i])
		}
	}
	for _, a := range p.Args {
		if num, ok := packet.Placeholder(a); ok && p.Attachments > 0 && num >= p.Attachments {
			t.Fatalf("placeholder %d of %d", num, p.Attachments)
		}
	}
}

func FuzzAppendShifted(f *testing.F) {
	f.Add([]byte(`[{"_placeholder":true,"num":1},{"a":{"num":0,"_placeholder":true}}]`), 3)
	f.Add([]byte(`{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":9}}`), 0)
	f.Fuzz(func(t *testing.T, raw []byte, shift int) {
		if !json.Valid(raw) || shift < 0 || shift > 100 {
			return
		}
		out, err := packet.AppendShifted(nil, raw, 10, shift)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q", raw, out)
		}
		if err := packet.CheckPlaceholders(out, 10+shift); err != nil {
			t.Fatalf("%q became %q: %v", raw, out, err)
		}
	})
}

func BenchmarkDecodeSocketEvent(b *testing.B) {
	text := []byte(`212["message:send",{"roomId":"lobby","clientId":"0190b7e0-0000-7000-8000-000000000000","text":"hello there, how are you?"}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := packet.DecodeSocket(text, packet.SocketLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}
