package badinput_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

const payloadLimit = 100_000 // --payload-bytes

// ending is a row of what a websocket may not carry, and the status with which it is closed (1005: a close frame without one, as the
// reference server sends it after a packet that is wrong).
type ending struct {
	name  string
	bytes []byte
	code  int
}

func endings() []ending {
	text := func(s string) []byte { return part(ws.OpText, true, s) }
	join := func(bs ...[]byte) (all []byte) {
		for _, b := range bs {
			all = append(all, b...)
		}
		return all
	}
	return []ending{
		{"not masked", ws.MustCompileFrame(ws.NewTextFrame([]byte("40{}"))), 1002},
		{"RSV1: compressed, unasked", frame(0xc1, 2, "", "40"), 1002},
		{"RSV2", frame(0xa1, 2, "", "40"), 1002},
		{"RSV3", frame(0x91, 2, "", "40"), 1002},
		{"opcode 3", frame(0x83, 2, "", "40"), 1002},
		{"opcode 11", frame(0x8b, 2, "", "40"), 1002},
		{"continuation of nothing", part(ws.OpContinuation, true, "40"), 1002},
		{"a message inside a message", join(part(ws.OpText, false, "4"), part(ws.OpText, true, "0")), 1002},
		{"a ping in pieces", frame(0x09, 1, "", "p"), 1002},
		{"a ping of 126 bytes", frame(0x89, 126, "\x00\x7e", strings.Repeat("p", 126)), 1002},
		{"a length with its top bit", frame(0x82, 127, "\x80\x00\x00\x00\x00\x00\x00\x00", ""), 1002},
		{"a length of 2^62", frame(0x82, 127, "\x40\x00\x00\x00\x00\x00\x00\x00", ""), 1009},
		{"a byte too large", part(ws.OpText, true, strings.Repeat("4", payloadLimit+1)), 1009},
		{"a byte too large, in pieces", join(part(ws.OpText, false, strings.Repeat("4", payloadLimit)), part(ws.OpContinuation, true, "4")), 1009},
		{"not UTF-8", text("40\xff"), 1007},
		{"half of a surrogate pair in UTF-8", text("40\xed\xa0\x80"), 1007},
		{"not UTF-8 across pieces", join(part(ws.OpText, false, "40\xe2\x82"), part(ws.OpContinuation, true, "(")), 1007},
		{"overlong UTF-8", text("40\xc0\x80"), 1007},
		{"a close of one byte", frame(0x88, 1, "", "\x03"), 1002},
		{"a close with status 1005", frame(0x88, 2, "", "\x03\xed"), 1002},
		{"a close with status 0", frame(0x88, 2, "", "\x00\x00"), 1002},
		{"a close that is not UTF-8", frame(0x88, 3, "", "\x03\xe8\xff"), 1007},
		{"an empty message", text(""), 1005},
		{"an unknown packet type", text("7"), 1005},
		{"no packet at all", text("hello"), 1005},
		{"polling's form of binary, broken", text("b!"), 1005},
		{"a ping from the client", text("2"), 1005},
		{"a probe on a live websocket", text("2probe"), 1005},
		{"binary that belongs to nothing", part(ws.OpBinary, true, "\x00\x01"), 1005},
	}
}

// body is a row of what a polling session may not post.
type body struct {
	name   string
	body   string
	status int
	alive  bool // the session, afterwards
}

func bodies() []body {
	return []body{
		{"an empty body", "", 400, false},
		{"one byte too large", strings.Repeat("4", payloadLimit+1), 413, true},
		{"an unknown packet type", "7", 400, false},
		{"no packet at all", "abc", 400, false},
		{"a separator alone", "\x1e", 400, false},
		{"an empty packet at the end", "3\x1e", 400, false},
		{"binary without base64", "b!!", 400, false},
		{"a ping from the client", "2", 400, false},
		{"not UTF-8", "40{\"name\":\"\xff\"}", 400, false},
		{"good, then bad", "3\x1e3\x1e9", 400, false},
		{"more packets than any client sends", strings.Repeat("9\x1e", 40_000) + "9", 400, false},
		{"stray packets of the server's side", "0{}\x1e5\x1e6", 200, true},
	}
}

// abuse is a row of what may not be done with two requests of one session.
type abuse struct {
	name string
	do   func(t *testing.T, w *world, sid string)
}

// wantStatus asks for a status of a poll or a POST.
func wantStatus(t *testing.T, what string, got int, text string, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d %.200q, want %d", what, got, text, want)
	}
}

func abuses() []abuse {
	closedWith := func(t *testing.T, c *wire, want int) {
		t.Helper()
		if _, code := c.end(); code != want {
			t.Errorf("closed with %d, want %d", code, want)
		}
	}
	alive := func(t *testing.T, w *world, sid string) {
		t.Helper()
		status, text := w.post(t, sid, "3")
		wantStatus(t, "the session", status, text, 200)
	}
	return []abuse{
		{"upgrade without a probe", func(t *testing.T, w *world, sid string) {
			c := w.websocket(t, sid)
			c.say("5")
			closedWith(t, c, 1005)
			alive(t, w, sid)
		}},
		{"data instead of a probe", func(t *testing.T, w *world, sid string) {
			c := w.websocket(t, sid)
			c.say("40{}")
			closedWith(t, c, 1005)
			alive(t, w, sid)
		}},
		{"binary instead of a probe", func(t *testing.T, w *world, sid string) {
			c := w.websocket(t, sid)
			c.Write(part(ws.OpBinary, true, "2probe"))
			closedWith(t, c, 1005)
			alive(t, w, sid)
		}},
		{"a bad frame instead of a probe", func(t *testing.T, w *world, sid string) {
			c := w.websocket(t, sid)
			c.Write(frame(0x83, 2, "", "2p"))
			closedWith(t, c, 1002)
			alive(t, w, sid)
		}},
		{"two upgrades at once", func(t *testing.T, w *world, sid string) {
			first, second := w.websocket(t, sid), w.websocket(t, sid)
			closedWith(t, second, 1005)
			first.say("2probe")
			first.hear("3probe")
			first.say("5")
			first.say("40{}")
			first.hear("44")
		}},
		{"an upgrade of what is upgraded", func(t *testing.T, w *world, sid string) {
			first := w.websocket(t, sid)
			first.say("2probe")
			first.hear("3probe")
			first.say("5")
			closedWith(t, w.websocket(t, sid), 1005)
			status, text := w.get(t, sid)
			wantStatus(t, "a poll", status, text, 400)
			first.say("40{}")
			first.hear("44")
		}},
		{"hanging up after the probe", func(t *testing.T, w *world, sid string) {
			c := w.websocket(t, sid)
			c.say("2probe")
			c.hear("3probe")
			c.Close()
			alive(t, w, sid)
		}},
		{"two polls at once", func(t *testing.T, w *world, sid string) {
			first := w.dial(t)
			first.Write([]byte("GET " + handshake + "polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"))
			until(t, "the session ends", func() bool { // by whichever comes second
				status, _ := w.get(t, sid)
				return status == 400
			})
			status, text := w.post(t, sid, "3")
			wantStatus(t, "the session", status, text, 400)
		}},
		{"two POSTs at once", func(t *testing.T, w *world, sid string) {
			first := w.dial(t)
			first.Write([]byte("POST " + handshake + "polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4"))
			until(t, "the session ends", func() bool {
				status, _ := w.post(t, sid, "3")
				return status == 400
			})
			status, text := w.get(t, sid)
			wantStatus(t, "the session", status, text, 400)
		}},
		{"hanging up on a poll", func(t *testing.T, w *world, sid string) {
			c := w.dial(t)
			c.Write([]byte("GET " + handshake + "polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\n\r\n"))
			c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // so that it has been read
			c.Read(make([]byte, 1))
			c.Close()
			until(t, "the session ends", func() bool {
				status, _ := w.post(t, sid, "3")
				return status == 400
			})
		}},
	}
}

func engineDoor(t *testing.T, w *world) int {
	for _, e := range endings() {
		t.Run("websocket/"+e.name, func(t *testing.T) {
			c := w.websocket(t, "")
			c.Write(e.bytes) // the server may hang up before all is written
			if _, code := c.end(); code != e.code {
				t.Errorf("closed with %d, want %d", code, e.code)
			}
		})
	}
	for _, b := range bodies() {
		t.Run("polling/"+b.name, func(t *testing.T) {
			sid := w.polling(t)
			status, text := w.post(t, sid, b.body)
			wantStatus(t, "the POST", status, text, b.status)
			want := map[bool]int{true: 200, false: 400}[b.alive]
			status, text = w.post(t, sid, "3")
			wantStatus(t, "the session", status, text, want)
		})
	}
	for _, a := range abuses() {
		t.Run("session/"+a.name, func(t *testing.T) { a.do(t, w, w.polling(t)) })
	}
	return len(endings()) + len(bodies()) + len(abuses())
}
