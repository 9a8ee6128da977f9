package engineio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// maxPongs is the most bytes of pong frames that wait for a client which
// pings faster than it reads; further pings go unanswered.
const maxPongs = 1 << 10

// wsConn is one websocket of a session: its live transport, a candidate for
// one (see upgrade.go), or one to be turned away. A goroutine reads it; another
// writes while there is something to write (see flush.go).
type wsConn struct {
	s    *Session
	conn net.Conn
	raw  syscall.RawConn // of a TCP connection, for writes that do not wait; else nil
	in   wsReader
	b64  bool // binary goes out as base64 text

	// Guarded by s.mu, all below. live is only changed by the reading
	// goroutine, which may look at it without the lock.
	live     bool
	probedAt time.Time   // when the probe was answered; zero: not yet
	timeout  *time.Timer // of the upgrade
	control  []byte      // pongs and the probe's answer, frames ready to be written
	final    []byte      // close frame: the last thing to be written
	ending   bool        // final is set, or the connection is to be cut
	writing  bool        // flush runs
}

// wantsWebsocket tells whether r asks for a websocket.
func wantsWebsocket(r *http.Request) bool {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	for _, v := range r.Header.Values("Connection") {
		for token := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}

// heldHijacker keeps what is written to a connection that is taken over, so that
// the 101 and the first packet behind it can go out in one write.
type heldHijacker struct {
	http.ResponseWriter
	answer bytes.Buffer
}

// Hijack implements http.Hijacker.
func (h *heldHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	return conn, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(&h.answer, 512)), nil
}

// accept takes the connection from the HTTP server and answers 101, which waits
// as the first thing to be written, or an error of the websocket handshake. The first offered subprotocol is selected,
// since Chrome fails the connection otherwise; no extension is.
func (c *wsConn) accept(w http.ResponseWriter, r *http.Request) error {
	o := &c.s.srv.opts
	up := ws.HTTPUpgrader{
		Timeout:  o.WriteTimeout,
		Protocol: func(string) bool { return true },
		Header:   w.Header(), // what handlers in front have set
	}
	held := &heldHijacker{ResponseWriter: w}
	conn, rw, _, err := up.Upgrade(r, held)
	if err != nil {
		if conn != nil {
			conn.SetWriteDeadline(time.Now().Add(o.WriteTimeout))
			conn.Write(held.answer.Bytes()) // the error says enough
			conn.Close()
		}
		return err
	}
	c.raw = rawConn(conn)
	holdLittle(c.raw)
	c.in = wsReader{src: conn, inlet: newInlet(c.raw, &c.s.srv.buffers), state: ws.StateServerSide, max: o.MaxPayload, pool: &c.s.srv.buffers, onPing: c.pong}
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		c.in.pre = append([]byte(nil), early...)
	}
	c.b64 = r.URL.Query().Get("b64") == "1"
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.conn, c.control = conn, held.answer.Bytes()
	return nil
}

// run reads until the connection ends. It owns one hold of the session.
func (c *wsConn) run() {
	defer c.s.unhold()
	defer c.conn.Close()
	for {
		if err := c.in.await(); err != nil {
			c.failed(err)
			break
		}
		data, binary, err := c.in.next()
		if err != nil {
			c.in.release()
			c.failed(err)
			break
		}
		more := c.handle(data, binary)
		c.in.release()
		if !more {
			break
		}
	}
	c.drain()
}

// failed ends what depends on the connection after next has returned err.
func (c *wsConn) failed(err error) {
	var v *violation
	switch {
	case errors.As(err, &v):
		c.end(TransportError, closeFrame(v.code))
	case errors.Is(err, errCloseFrame):
		c.end(TransportClose, closeFrame(0))
	case errors.Is(err, io.EOF):
		c.end(TransportClose, nil)
	default:
		c.end(TransportError, nil)
	}
}

// end ends the session if this is its live transport, else only the
// connection.
func (c *wsConn) end(r Reason, final []byte) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ws == c:
		s.abortLocked(r, final)
	case s.probe == c:
		s.probe = nil
	}
	c.abortLocked(final)
}

// handle takes one message and tells whether to go on reading.
func (c *wsConn) handle(data []byte, binary bool) bool {
	if !c.live {
		return c.handleProbe(data, binary)
	}
	p := packet.EnginePacket{Type: packet.EngineMessage, Data: data, Binary: true}
	if !binary {
		var err error
		if p, err = packet.DecodeEngine(data); err != nil {
			c.end(ParseError, closeFrame(0))
			return false
		}
	}
	switch p.Type {
	case packet.EngineMessage:
		c.s.deliver(p.Data, p.Binary)
	case packet.EnginePong:
		c.s.pong()
	case packet.EngineClose:
		// The reference server ignores it here and waits for the ping timeout.
		c.end(TransportClose, closeFrame(0))
		return false
	case packet.EnginePing: // the wrong direction
		c.end(TransportError, closeFrame(0))
		return false
	}
	return true
}

// drain gives the client time to see the close frame: closing at once, with
// unread input, would reset the connection and could take the frame with it.
func (c *wsConn) drain() {
	c.in.done()
	var b [64]byte
	for {
		if _, err := c.conn.Read(b[:]); err != nil {
			return
		}
	}
}

// closeLocked ends the connection gracefully: what is queued goes out, then
// the close frame; then the client has closeLinger to answer it.
func (c *wsConn) closeLocked(final []byte) {
	if c.ending {
		return
	}
	c.ending = true
	c.final = final
	c.kickLocked()
}

// abortLocked ends the connection: nothing but final, if any, is written, and
// reading stops within closeLinger.
func (c *wsConn) abortLocked(final []byte) {
	if c.timeout != nil {
		c.timeout.Stop()
	}
	if c.conn == nil {
		c.ending = true // see Session.upgrade
		return
	}
	if !c.ending {
		c.ending = true
		c.final = final
	}
	if final == nil {
		c.final = nil
		c.conn.SetReadDeadline(time.Now()) // run closes it
		return
	}
	c.conn.SetReadDeadline(time.Now().Add(closeLinger))
	c.kickLocked()
}

// pong queues the answer to a websocket ping.
func (c *wsConn) pong(payload []byte) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.ending || len(c.control)+len(payload) > maxPongs {
		return
	}
	c.control = append(appendHeader(c.control, ws.OpPong, len(payload)), payload...)
	c.kickLocked()
}
