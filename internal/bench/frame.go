package bench

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// errClosed is the server's close frame.
var errClosed = errors.New("the server closed the websocket")

// maxFrame is the most bytes of one message that is believed.
const maxFrame = 16 << 20

// frames takes the messages of a server's websocket out of what has been read. It is written for many small frames in one read, which
// is what a busy room is.
type frames struct {
	buf  []byte
	hi   int // buf[:hi] has been read
	text func(payload []byte) error
	ping func(payload []byte) error
}

// space is where the next read goes: it is never empty.
func (f *frames) space() []byte {
	if f.hi == len(f.buf) {
		grown := make([]byte, 2*len(f.buf))
		copy(grown, f.buf)
		f.buf = grown
	}
	return f.buf[f.hi:]
}

// took says that n bytes have been read into space, and hands every whole message on.
func (f *frames) took(n int) error {
	f.hi += n
	at := 0
	for {
		head, size, err := header(f.buf[at:f.hi])
		if err != nil {
			return err
		}
		if head == 0 || f.hi-at < head+size {
			break
		}
		if err := f.handle(f.buf[at], f.buf[at+head:at+head+size]); err != nil {
			return err
		}
		at += head + size
	}
	f.hi = copy(f.buf, f.buf[at:f.hi])
	return nil
}

// header reads a frame's header: its own length, 0 if it is not whole yet, and the payload's. See RFC 6455 §5.2.
func header(b []byte) (head, size int, err error) {
	if len(b) < 2 {
		return 0, 0, nil
	}
	if b[1]&0x80 != 0 || b[0]&0xf0 != 0x80 {
		return 0, 0, fmt.Errorf("a frame that begins with %x: masked, fragmented or extended", b[:2])
	}
	head, size = 2, int(b[1])
	switch {
	case size == 126 && len(b) >= 4:
		head, size = 4, int(binary.BigEndian.Uint16(b[2:]))
	case size == 127 && len(b) >= 10:
		head, size = 10, int(min(binary.BigEndian.Uint64(b[2:]), maxFrame+1))
	case size >= 126:
		return 0, 0, nil
	}
	if size > maxFrame {
		return 0, 0, fmt.Errorf("a frame of more than %d bytes", maxFrame)
	}
	return head, size, nil
}

func (f *frames) handle(first byte, payload []byte) error {
	switch ws.OpCode(first & 0x0f) {
	case ws.OpText:
		return f.text(payload)
	case ws.OpPing:
		return f.ping(payload)
	case ws.OpClose:
		return errClosed
	}
	return nil
}

// clientFrame appends a client's frame. The mask is zero, which RFC 6455 allows and which costs nothing.
func clientFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, 0, 0, 0, 0)
	return append(dst, payload...)
}
