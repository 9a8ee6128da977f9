package engineio_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// wsClient is the client's side of a websocket, able to break every rule.
type wsClient struct {
	t    testing.TB
	conn net.Conn
	r    io.Reader
	hs   ws.Handshake
}

// dialErr opens a websocket with the given query.
func (f *fixture) dialErr(query string, protocols ...string) (*wsClient, error) {
	d := ws.Dialer{Protocols: protocols, Timeout: patience}
	u := "ws" + strings.TrimPrefix(f.url(query), "http")
	conn, br, hs, err := d.Dial(context.Background(), u)
	if err != nil {
		return nil, err
	}
	c := &wsClient{t: f.t, conn: conn, r: conn, hs: hs}
	if br != nil {
		c.r = io.MultiReader(io.LimitReader(bufio.NewReader(br), int64(br.Buffered())), conn)
	}
	f.t.Cleanup(func() { conn.Close() })
	return c, nil
}

func (f *fixture) dial(query string) *wsClient {
	f.t.Helper()
	c, err := f.dialErr(query)
	if err != nil {
		f.t.Fatalf("dial: %v", err)
	}
	return c
}

// websocket opens a session on a websocket.
func (f *fixture) websocket() (*wsClient, hello) {
	f.t.Helper()
	c := f.dial("EIO=4&transport=websocket")
	return c, parseHello(f.t, c.text())
}

// candidate opens a websocket for an existing session.
func (f *fixture) candidate(sid string) *wsClient {
	f.t.Helper()
	return f.dial("EIO=4&transport=websocket&sid=" + sid)
}

// upgrade takes the session over, as a client without an open poll does.
func (f *fixture) upgrade(sid string) *wsClient {
	f.t.Helper()
	c := f.candidate(sid)
	c.send("2probe")
	c.want("3probe")
	c.send("5")
	return c
}

func (c *wsClient) frame(fr ws.Frame) {
	c.t.Helper()
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	if err := ws.WriteFrame(c.conn, ws.MaskFrame(fr)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *wsClient) send(s string)   { c.t.Helper(); c.frame(ws.NewTextFrame([]byte(s))) }
func (c *wsClient) binary(b []byte) { c.t.Helper(); c.frame(ws.NewBinaryFrame(b)) }

// raw writes bytes as they are; the server may have hung up already.
func (c *wsClient) raw(b []byte) {
	c.conn.SetWriteDeadline(time.Now().Add(patience))
	c.conn.Write(b)
}

// read returns the next frame.
func (c *wsClient) read() (ws.Frame, error) {
	c.conn.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return ws.Frame{}, err
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(c.r, f.Payload)
	return f, err
}

// text returns the next text message.
func (c *wsClient) text() string {
	c.t.Helper()
	f, err := c.read()
	if err != nil || f.Header.OpCode != ws.OpText || !f.Header.Fin || f.Header.Masked {
		c.t.Fatalf("frame %+v %q (%v), want text", f.Header, f.Payload, err)
	}
	return string(f.Payload)
}

func (c *wsClient) want(s string) {
	c.t.Helper()
	if got := c.text(); got != s {
		c.t.Fatalf("message %.200q, want %.200q", got, s)
	}
}

// wantEnd reads until the server has closed, and returns the status of its
// close frame: 0 for a frame without one, -1 for no frame.
func (c *wsClient) wantEnd() int {
	c.t.Helper()
	status := -1
	for {
		f, err := c.read()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				c.t.Fatalf("the websocket is still open")
			}
			return status
		}
		if f.Header.OpCode == ws.OpClose {
			code, _ := ws.ParseCloseFrameData(f.Payload)
			status = int(code)
		}
	}
}
