package engineio_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

func maskedText(s string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(s))))
}

// encoded builds a frame from its raw header bytes; the payload is masked.
func encoded(first, length byte, ext []byte, payload string) []byte {
	b := append([]byte{first, length | 0x80}, ext...)
	b = append(b, 1, 2, 3, 4)
	masked := []byte(payload)
	ws.Cipher(masked, [4]byte{1, 2, 3, 4}, 0)
	return append(b, masked...)
}

func fragment(op ws.OpCode, fin bool, s string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(s))))
}

func join(bs ...[]byte) []byte { return bytes.Join(bs, nil) }

// What a hostile client writes, the status it is closed with, and the session's
// reason. A neighbour must not notice.
func TestHostileWebsocketInput(t *testing.T) {
	const max = 1000
	ext64 := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	ext16 := func(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
	cases := []struct {
		name   string
		in     []byte
		status int
		reason engineio.Reason
	}{
		{"unmasked", ws.MustCompileFrame(ws.NewTextFrame([]byte("4hello"))), 1002, engineio.TransportError},
		{"rsv1", encoded(0xc1, 2, nil, "4a"), 1002, engineio.TransportError},
		{"rsv2", encoded(0xa1, 2, nil, "4a"), 1002, engineio.TransportError},
		{"rsv3", encoded(0x91, 2, nil, "4a"), 1002, engineio.TransportError},
		{"reserved data opcode", encoded(0x83, 2, nil, "4a"), 1002, engineio.TransportError},
		{"reserved control opcode", encoded(0x8b, 2, nil, "4a"), 1002, engineio.TransportError},
		{"too large", encoded(0x81, 126, ext16(max+1), strings.Repeat("4", max+1)), 1009, engineio.TransportError},
		{"too large as announced", encoded(0x81, 127, ext64(1<<40), ""), 1009, engineio.TransportError},
		{"length with the top bit", encoded(0x82, 127, ext64(1<<63), ""), 1002, engineio.TransportError},
		{"too large in fragments", join(fragment(ws.OpText, false, strings.Repeat("4", 600)), fragment(ws.OpContinuation, true, strings.Repeat("4", 600))), 1009, engineio.TransportError},
		{"ping of 126 bytes", encoded(0x89, 126, ext16(126), strings.Repeat("p", 126)), 1002, engineio.TransportError},
		{"fragmented ping", encoded(0x09, 1, nil, "p"), 1002, engineio.TransportError},
		{"fragmented close", encoded(0x08, 0, nil, ""), 1002, engineio.TransportError},
		{"continuation of nothing", fragment(ws.OpContinuation, true, "4a"), 1002, engineio.TransportError},
		{"text inside a fragmented text", join(fragment(ws.OpText, false, "4a"), fragment(ws.OpText, true, "4b")), 1002, engineio.TransportError},
		{"invalid UTF-8", fragment(ws.OpText, true, "4\xc3\x28"), 1007, engineio.TransportError},
		{"half a surrogate pair", fragment(ws.OpText, true, "4\xed\xa0\x80"), 1007, engineio.TransportError},
		{"invalid UTF-8 over fragments", join(fragment(ws.OpText, false, "4\xe2\x82"), fragment(ws.OpContinuation, true, "(")), 1007, engineio.TransportError},
		{"close with one byte", encoded(0x88, 1, nil, "\x03"), 1002, engineio.TransportError},
		{"close with status 1005", encoded(0x88, 2, nil, "\x03\xed"), 1002, engineio.TransportError},
		{"close with bad UTF-8", encoded(0x88, 3, nil, "\x03\xe8\xff"), 1007, engineio.TransportError},
		{"empty text", fragment(ws.OpText, true, ""), 0, engineio.ParseError},
		{"unknown digit", fragment(ws.OpText, true, "7"), 0, engineio.ParseError},
		{"no digit", fragment(ws.OpText, true, "{}"), 0, engineio.ParseError},
		{"bad base64", fragment(ws.OpText, true, "b???"), 0, engineio.ParseError},
		{"ping packet", fragment(ws.OpText, true, "2"), 0, engineio.TransportError},
		{"probe on a live websocket", fragment(ws.OpText, true, "2probe"), 0, engineio.TransportError},
		{"close packet", fragment(ws.OpText, true, "1"), 0, engineio.TransportClose},
		{"close frame", encoded(0x88, 0, nil, ""), 0, engineio.TransportClose},
		{"close frame with status", encoded(0x88, 5, nil, "\x03\xe8bye"), 0, engineio.TransportClose},
	}
	o := fast()
	o.MaxPayload = max
	f := start(t, o, echoApp())
	neighbour, _ := f.websocket()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sub := *f
			sub.t = t
			bad, _ := sub.websocket()
			bad.raw(c.in)
			if status := bad.wantEnd(); status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			sub.wantClosed(c.reason)
			neighbour.send("4fine")
			neighbour.want("4fine")
		})
	}
}

func TestHangUps(t *testing.T) {
	f := start(t, fast(), echoApp())
	for _, c := range []struct {
		name   string
		in     []byte
		reason engineio.Reason
	}{
		{"between frames", nil, engineio.TransportClose},
		{"in a header", []byte{0x81}, engineio.TransportError},
		{"in a payload", maskedText("4hello")[:8], engineio.TransportError},
	} {
		bad, _ := f.websocket()
		bad.raw(c.in)
		bad.conn.Close()
		f.wantClosed(c.reason)
	}
}

func TestStrayPacketsAreIgnored(t *testing.T) {
	f := start(t, fast(), echoApp())
	c, _ := f.websocket()
	for _, p := range []string{"0", "0{}", "3", "3probe", "5", "6", "6x"} {
		c.send(p)
	}
	c.send("4after")
	c.want("4after")
	sid := f.polling()
	f.want(f.post(sid, "0\x1e3\x1e5\x1e6\x1e4after"), 200, "ok")
	f.want(f.get(sid), 200, "4after")
}

func TestFragmentsAndControlFrames(t *testing.T) {
	f := start(t, fast(), echoApp())
	c, _ := f.websocket()
	c.raw(join(
		fragment(ws.OpText, false, ""),
		fragment(ws.OpContinuation, false, "4h\xe2"),
		fragment(ws.OpPing, true, "are you there"),
		fragment(ws.OpContinuation, false, "\x82"),
		fragment(ws.OpPong, true, "unasked"),
		fragment(ws.OpContinuation, true, "\xac!"),
	))
	fr, err := c.read()
	if err != nil || fr.Header.OpCode != ws.OpPong || string(fr.Payload) != "are you there" {
		t.Fatalf("frame %+v %q (%v), want a pong", fr.Header, fr.Payload, err)
	}
	c.want("4h€!")
	c.raw(join(fragment(ws.OpBinary, false, "\x00\x01"), fragment(ws.OpContinuation, true, "\x02")))
	if fr, err := c.read(); err != nil || fr.Header.OpCode != ws.OpBinary || string(fr.Payload) != "\x00\x01\x02" {
		t.Fatalf("frame %+v %q (%v)", fr.Header, fr.Payload, err)
	}
}

// A client that pings without reading costs a bounded amount and no more.
func TestPingFlood(t *testing.T) {
	f := start(t, fast(), echoApp())
	c, _ := f.websocket()
	flood := bytes.Repeat(fragment(ws.OpPing, true, strings.Repeat("p", 125)), 1000)
	c.raw(flood)
	c.send("4alive")
	for {
		fr, err := c.read()
		if err != nil {
			t.Fatal(err)
		}
		if fr.Header.OpCode == ws.OpText {
			if string(fr.Payload) != "4alive" {
				t.Fatalf("message %q", fr.Payload)
			}
			return
		}
	}
}

// Messages of every size class, written byte by byte and all at once.
func TestWebsocketSizes(t *testing.T) {
	f := start(t, fast(), echoApp())
	c, _ := f.websocket()
	for _, n := range []int{0, 1, 124, 125, 126, 127, 511, 512, 4095, 4096, 4097, 65535, 65536, 70_000, 999_999} {
		m := "4" + strings.Repeat("x", n)
		c.send(m)
		c.want(m)
	}
	for _, b := range maskedText("4slowly") {
		c.raw([]byte{b})
	}
	c.want("4slowly")
	c.send("4" + strings.Repeat("x", 1_000_000))
	if status := c.wantEnd(); status != 1009 {
		t.Errorf("status %d, want 1009", status)
	}
}
