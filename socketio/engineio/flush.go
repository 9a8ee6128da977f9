package engineio

import (
	"errors"
	"net"
	"os"
	"time"
)

// copyChunk is the size of one write on connections that cannot gather
// (TLS, wrapped ones): small enough to make progress within WriteTimeout.
const copyChunk = 64 << 10

// kickLocked sees to it that what waits is written: by the server's writers,
// or by a goroutine where only a write that waits is possible.
func (c *wsConn) kickLocked() {
	if c.writing || c.conn == nil || !c.pendingLocked() {
		return
	}
	c.writing = true
	c.s.holds++
	if c.raw == nil {
		go c.flush()
		return
	}
	c.s.srv.writers.add(c)
}

func (c *wsConn) pendingLocked() bool {
	return len(c.control) > 0 || c.final != nil || (c.live && !c.s.out.empty())
}

// flushNow writes one batch without waiting. What the socket does not take at
// once is left to a goroutine.
func (c *wsConn) flushNow(t *try) {
	b, ok := c.nextBatch(t.bufs[:0])
	if !ok {
		c.s.unhold()
		return
	}
	t.bufs = b.bufs
	done, whole, err := t.all(c.raw)
	switch {
	case err != nil:
		c.wrote(b, err)
		c.s.unhold()
	case whole:
		if c.wrote(b, nil) {
			c.s.srv.writers.add(c) // behind the others
		} else {
			c.s.unhold()
		}
	default:
		b.bufs = rest(b.bufs, done)
		go c.flushRest(b)
	}
	clear(t.bufs)
}

// flushRest writes what is left of a batch, and what has come meanwhile.
func (c *wsConn) flushRest(b batch) {
	err := c.write(b.bufs)
	if more := c.wrote(b, err); more {
		c.flush()
		return
	}
	c.s.unhold()
}

// flush writes until nothing is left. All that waits goes out in one write.
func (c *wsConn) flush() {
	defer c.s.unhold()
	for {
		b, ok := c.nextBatch(nil)
		if !ok {
			return
		}
		if more := c.wrote(b, c.write(b.bufs)); !more {
			return
		}
	}
}

// batch is what goes out in one write.
type batch struct {
	bufs    [][]byte
	entries []entry
	bytes   int  // as counted against the queue
	last    bool // a close frame is the end of it
}

// nextBatch takes what waits, its bytes behind bufs; false: nothing does, and
// writing is to stop.
func (c *wsConn) nextBatch(bufs [][]byte) (b batch, ok bool) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.pendingLocked() {
		c.writing = false
		return b, false
	}
	b.bufs = bufs
	if len(c.control) > 0 {
		b.bufs = append(b.bufs, c.control)
		c.control = nil
	}
	if c.live {
		b.entries, b.bytes = s.out.takeAll()
		s.inFlight = b.bytes
		for _, e := range b.entries {
			if c.b64 {
				b.bufs = append(b.bufs, e.frame.base64Tail(e.from))
			} else {
				b.bufs = append(b.bufs, e.frame.tail(e.from))
			}
		}
	}
	if c.final != nil {
		b.bufs = append(b.bufs, c.final)
		c.final = nil
		b.last = true
	}
	return b, true
}

// wrote says what became of a batch, and tells whether more waits; if not, writing is over.
func (c *wsConn) wrote(b batch, err error) (more bool) {
	more = c.book(b, err)
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && b.last && err == nil {
		half.CloseWrite() // with nothing locked: TLS says goodbye first, and may wait for the client
	}
	return more
}

// book is wrote within the session. After an error and after the last batch writing stays true: nothing may follow.
func (c *wsConn) book(b batch, err error) (more bool) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.live {
		s.inFlight = 0
		s.drainedLocked()
		s.out.reuse(b.entries)
	}
	switch {
	case err != nil:
		c.ending = true
		if s.ws == c {
			s.abortLocked(writeReason(err), nil)
		}
		if s.probe == c {
			s.probe = nil
		}
		c.abortLocked(nil)
		cut(c.conn) // the reader may be in the handler; the client shall not wait for that
	case b.last:
		c.conn.SetReadDeadline(time.Now().Add(closeLinger))
	default:
		more = c.pendingLocked()
		c.writing = more
	}
	return more
}

// cut ends a connection at once: without the goodbye of TLS, for which crypto/tls waits 5 s when the client takes nothing.
func cut(conn net.Conn) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn()
	}
	conn.Close()
}

func writeReason(err error) Reason {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return SlowClient
	}
	return TransportError
}

// write writes bufs. It gives up when the client takes nothing for
// Options.WriteTimeout; a client that takes a little in that time gets more.
func (c *wsConn) write(pieces [][]byte) error {
	if c.raw == nil {
		return c.writeCopied(pieces)
	}
	defer c.conn.SetWriteDeadline(time.Time{}) // the writers' next try sets none
	bufs := net.Buffers(pieces)
	for {
		c.conn.SetWriteDeadline(time.Now().Add(c.patience()))
		n, err := bufs.WriteTo(c.conn)
		if err == nil || n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}

// writeCopied is write for connections on which each buffer would be a write
// (and a TLS record) of its own, and on which a timeout is final.
func (c *wsConn) writeCopied(bufs [][]byte) error {
	chunk := c.s.srv.buffers.get()
	defer func() { c.s.srv.buffers.put(chunk) }()
	put := func() error {
		c.conn.SetWriteDeadline(time.Now().Add(c.patience()))
		_, err := c.conn.Write(chunk)
		chunk = chunk[:0]
		return err
	}
	for _, b := range bufs {
		for len(b) > 0 {
			n := min(len(b), copyChunk-len(chunk))
			chunk = append(chunk, b[:n]...)
			b = b[n:]
			if len(chunk) == copyChunk {
				if err := put(); err != nil {
					return err
				}
			}
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return put()
}

// patience is the time one write may take: little once the session is over.
func (c *wsConn) patience() time.Duration {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.state == stateClosed {
		return min(closeLinger, c.s.srv.opts.WriteTimeout)
	}
	return c.s.srv.opts.WriteTimeout
}
