package badinput_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// wire is a connection of which a test writes every byte.
type wire struct {
	net.Conn
	t   *testing.T
	in  *bufio.Reader
	sid string
}

// dial opens a connection; it is closed with the test at the latest.
func (w *world) dial(t *testing.T) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &wire{Conn: conn, t: t, in: bufio.NewReader(conn)}
}

// ask writes a request and reads the answer: head is its first line and headers, with \n between them. What a request needs and the
// head does not have, Host and the length of its body, is added.
func (c *wire) ask(head, body string) (status int, answer string, header http.Header) {
	c.t.Helper()
	if !strings.Contains(head, "\nHost:") && !strings.HasPrefix(head, "!") {
		head += "\nHost: chat"
	}
	if body != "" && !strings.Contains(head, "\nContent-Length:") && !strings.Contains(head, "\nTransfer-Encoding:") {
		head += "\nContent-Length: " + decimal(len(body))
	}
	text := strings.ReplaceAll(strings.TrimPrefix(head, "!"), "\n", "\r\n") + "\r\n\r\n" + body
	go io.WriteString(c.Conn, text) // the answer may come before all is taken
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res.StatusCode, "", res.Header
	}
	data, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(data), res.Header
}

func decimal(n int) string { b, _ := json.Marshal(n); return string(b) }

const handshake = "/socket.io/?EIO=4&transport="

// polling opens a session by polling and gives its id.
func (w *world) polling(t *testing.T) (sid string) {
	t.Helper()
	_, text, _ := w.dial(t).ask("GET "+handshake+"polling HTTP/1.1\nConnection: close", "")
	return sidOf(t, text)
}

func sidOf(t *testing.T, packet string) string {
	t.Helper()
	var open struct{ SID string }
	if len(packet) == 0 || json.Unmarshal([]byte(packet[1:]), &open) != nil || open.SID == "" {
		t.Fatalf("no open packet: %.200q", packet)
	}
	return open.SID
}

// post sends a body to a polling session; get polls it.
func (w *world) post(t *testing.T, sid, body string) (int, string) {
	t.Helper()
	status, text, _ := w.dial(t).ask("POST "+handshake+"polling&sid="+sid+" HTTP/1.1\nContent-Type: text/plain\nConnection: close", body)
	return status, text
}

func (w *world) get(t *testing.T, sid string) (int, string) {
	t.Helper()
	status, text, _ := w.dial(t).ask("GET "+handshake+"polling&sid="+sid+" HTTP/1.1\nConnection: close", "")
	return status, text
}

const upgradeHeaders = "\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

// websocket opens a session on a websocket, or with a sid the websocket of a session that polls.
func (w *world) websocket(t *testing.T, sid string) *wire {
	t.Helper()
	c := w.dial(t)
	query := "websocket"
	if sid != "" {
		query += "&sid=" + sid
	}
	if status, text, _ := c.ask("GET "+handshake+query+" HTTP/1.1"+upgradeHeaders, ""); status != http.StatusSwitchingProtocols {
		t.Fatalf("no websocket: %d %s", status, text)
	}
	if sid == "" {
		sid = sidOf(t, c.hear("0"))
	}
	c.sid = sid
	return c
}

// inside is a websocket on which somebody is connected.
func (w *world) inside(t *testing.T, auth string) *wire {
	t.Helper()
	c := w.websocket(t, "")
	c.say("40" + auth)
	c.hear(`42["session"`)
	return c
}

func (c *wire) say(text string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.Conn, []byte(text)); err != nil {
		c.t.Fatalf("write %.80q: %v", text, err)
	}
}

// try is say of one who may have been hung up on already.
func (c *wire) try(text string) { _ = wsutil.WriteClientText(c.Conn, []byte(text)) }

type both struct {
	io.Reader
	io.Writer
}

// hear reads messages until one with this beginning, and answers pings meanwhile.
func (c *wire) hear(prefix string) string {
	c.t.Helper()
	for {
		text, err := c.next()
		if err != nil {
			c.t.Fatalf("waits in vain for %q: %v", prefix, err)
		}
		if strings.HasPrefix(text, prefix) {
			return text
		}
	}
}

func (c *wire) next() (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	data, _, err := wsutil.ReadServerData(both{c.in, c.Conn})
	if err == nil && string(data) == "2" {
		c.try("3")
	}
	return string(data), err
}

// end reads until the server ends the connection: what it said last, and the close code, 1005 if a close frame had none, 0 if it just
// ended.
func (c *wire) end() (last string, code int) {
	c.t.Helper()
	for {
		text, err := c.next()
		var closed wsutil.ClosedError
		var ne net.Error
		switch {
		case errors.As(err, &closed):
			return last, int(closed.Code)
		case errors.As(err, &ne) && ne.Timeout():
			c.t.Error("the connection stays open")
			return last, -1
		case err != nil:
			return last, 0
		}
		last = text
	}
}

// frame builds a frame of a client from its first byte, the declared length byte and its extension; the payload is masked.
func frame(first, length byte, extension, payload string) []byte {
	b := append([]byte{first, length | 0x80}, extension...)
	b = append(b, 1, 2, 3, 4)
	masked := []byte(payload)
	ws.Cipher(masked, [4]byte{1, 2, 3, 4}, 0)
	return append(b, masked...)
}

// part is a frame of a message, whole or not.
func part(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
}
