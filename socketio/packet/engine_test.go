package packet_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

func TestDecodeEngine(t *testing.T) {
	for _, c := range []struct {
		in   string
		want packet.EnginePacket
		err  error
	}{
		{in: "4hello", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte("hello")}},
		{in: "4", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte{}}},
		{in: "4€", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte("€")}},
		{in: "0{}", want: packet.EnginePacket{Type: packet.EngineOpen, Data: []byte("{}")}},
		{in: "2probe", want: packet.EnginePacket{Type: packet.EnginePing, Data: []byte("probe")}},
		{in: "3", want: packet.EnginePacket{Type: packet.EnginePong, Data: []byte{}}},
		{in: "6", want: packet.EnginePacket{Type: packet.EngineNoop, Data: []byte{}}},
		{in: "bAQIDBA==", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte{1, 2, 3, 4}, Binary: true}},
		{in: "bAQIDBA", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte{1, 2, 3, 4}, Binary: true}},
		{in: "b", want: packet.EnginePacket{Type: packet.EngineMessage, Data: []byte{}, Binary: true}},
		{in: "", err: packet.ErrEngineEmpty},
		{in: "7", err: packet.ErrEngineType},
		{in: "/", err: packet.ErrEngineType},
		{in: "abc", err: packet.ErrEngineType},
		{in: "b*", err: packet.ErrEngineBase64},
		{in: "bA", err: packet.ErrEngineBase64},
		{in: "bAQ=D", err: packet.ErrEngineBase64},
	} {
		got, err := packet.DecodeEngine([]byte(c.in))
		if !errors.Is(err, c.err) {
			t.Errorf("%q: error %v, want %v", c.in, err, c.err)
		}
		if got.Type != c.want.Type || got.Binary != c.want.Binary || !bytes.Equal(got.Data, c.want.Data) {
			t.Errorf("%q: %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestDecodeEnginePayload(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // type and data of each packet, "|" between; "!" is an error
	}{
		{"4a", "4a"},
		{"4a\x1e4b\x1e6", "4a|4b|6"},
		{"4a\x1ebAQI=", "4a|b\x01\x02"},
		{"", "!"},
		{"\x1e4a", "!"},
		{"4a\x1e", "4a|!"},
		{"4a\x1e\x1e4b", "4a|!"},
		{"4a\x1ex\x1e4b", "4a|!"},
		{"4\xff", "!"},
	} {
		var got []string
		for p, err := range packet.DecodeEnginePayload([]byte(c.in)) {
			switch {
			case err != nil:
				got = append(got, "!")
			case p.Binary:
				got = append(got, "b"+string(p.Data))
			default:
				got = append(got, string(rune(p.Type))+string(p.Data))
			}
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%q: %q, want %q", c.in, s, c.want)
		}
	}
}

func TestDecodeEnginePayloadStopsWhenTold(t *testing.T) {
	n := 0
	for range packet.DecodeEnginePayload([]byte("4a\x1e4b\x1e4c")) {
		n++
		break
	}
	if n != 1 {
		t.Fatalf("%d packets after a break, want 1", n)
	}
}

func TestAppendEngineKeepsOnePacketOne(t *testing.T) {
	in := packet.EnginePacket{Type: packet.EngineMessage, Data: []byte("a\x1e1\x1e\x1eb")}
	out := packet.AppendEngine(nil, in)
	if want := `4a\u001e1\u001e\u001eb`; string(out) != want {
		t.Fatalf("%q, want %q", out, want)
	}
}

func FuzzEnginePayload(f *testing.F) {
	for _, s := range []string{"4hello", "4a\x1e4b", "bAQID\x1e2probe", "", "\x1e", "b===", "9", "4\xed\xa0\x80", "1\x1e6"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var again []byte
		n, failed := 0, false
		for p, err := range packet.DecodeEnginePayload(body) {
			if err != nil {
				failed = true
				continue
			}
			if failed {
				t.Fatal("a packet after an error")
			}
			if !p.Binary && !utf8.Valid(p.Data) {
				t.Fatalf("text that is not UTF-8: %q", p.Data)
			}
			if n > 0 {
				again = append(again, packet.EngineSeparator)
			}
			again = packet.AppendEngine(again, p)
			n++
		}
		if n == 0 {
			return
		}
		m := 0
		for _, err := range packet.DecodeEnginePayload(again) {
			if err != nil {
				t.Fatalf("own encoding %q does not decode: %v", again, err)
			}
			m++
		}
		if m != n {
			t.Fatalf("%d packets in, %d back from %q", n, m, again)
		}
	})
}
