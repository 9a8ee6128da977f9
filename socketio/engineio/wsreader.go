package engineio

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// readBuffer is what is read from a websocket at a time. It is lent for as long
// as something in it is unread: a websocket that is idle has none, where the
// system can tell when to read (see inlet).
const readBuffer = 4 << 10

// Message buffers start at minBuffer and are kept for the next message, of
// any connection, up to keepBuffer.
const (
	minBuffer  = 4 << 10
	keepBuffer = 64 << 10
)

// violation is a breach of RFC 6455 by the client and the status to close with.
type violation struct {
	code ws.StatusCode
	err  error
}

func (v *violation) Error() string { return fmt.Sprintf("websocket status %d: %v", v.code, v.err) }
func (v *violation) Unwrap() error { return v.err }

// errCloseFrame is returned by next when the client has sent a close frame.
var errCloseFrame = errors.New("websocket close frame")

// bufferPool lends buffers. It belongs to a Server.
type bufferPool struct {
	pool  sync.Pool // of *[]byte, for messages
	reads sync.Pool // of *[readBuffer]byte
}

func (p *bufferPool) getRead() *[readBuffer]byte {
	if b, ok := p.reads.Get().(*[readBuffer]byte); ok {
		return b
	}
	return new([readBuffer]byte)
}

func (p *bufferPool) putRead(b *[readBuffer]byte) {
	if b != nil {
		p.reads.Put(b)
	}
}

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, minBuffer)
}

func (p *bufferPool) put(b []byte) {
	if cap(b) > 0 && cap(b) <= keepBuffer {
		p.pool.Put(&b)
	}
}

// wsReader reads the client's side of a websocket: it checks every frame
// (RFC 6455 §5), puts fragments together and answers nothing itself.
type wsReader struct {
	src    io.Reader
	inlet  *inlet // reads without a buffer of its own while it waits; nil: src is read
	pre    []byte // what came in behind the handshake
	buf    *[readBuffer]byte
	lo, hi int // unread part of buf
	head   [ws.MaxHeaderSize]byte

	state  ws.State
	op     ws.OpCode // of the message being put together
	msg    []byte    // lent by pool; nil between messages
	max    int       // bytes of one message
	pool   *bufferPool
	onPing func(payload []byte)
}

// Read fills p from the buffer or, when p is large, straight from the client.
func (r *wsReader) Read(p []byte) (int, error) {
	if len(r.pre) > 0 {
		n := copy(p, r.pre)
		if r.pre = r.pre[n:]; len(r.pre) == 0 {
			r.pre = nil
		}
		return n, nil
	}
	if err := r.await(); err != nil {
		return 0, err
	}
	n := copy(p, r.buf[r.lo:r.hi])
	r.lo += n
	return n, nil
}

// await waits until something is unread. It is the one place where a reading
// goroutine waits for an idle client, and not far down its stack.
func (r *wsReader) await() error {
	if len(r.pre) > 0 || r.lo < r.hi {
		return nil
	}
	r.lo, r.hi = 0, 0
	if r.inlet != nil {
		r.pool.putRead(r.buf)
		r.buf = nil
		var err error
		r.buf, r.hi, err = r.inlet.read()
		return err
	}
	if r.buf == nil {
		r.buf = r.pool.getRead()
	}
	n, err := r.src.Read(r.buf[:])
	if n == 0 {
		return err
	}
	r.hi = n // an error with data comes again at the next read
	return nil
}

// next returns the next whole message, valid until release. Its errors: a
// *violation, errCloseFrame, or what the connection said.
func (r *wsReader) next() (data []byte, binary bool, err error) {
	for {
		h, err := ws.ReadHeaderBuffer(r, r.head[:])
		if errors.Is(err, ws.ErrHeaderLengthMSB) {
			return nil, false, &violation{ws.StatusProtocolError, err}
		}
		if err != nil {
			return nil, false, err
		}
		if err := ws.CheckHeader(h, r.state); err != nil {
			return nil, false, &violation{ws.StatusProtocolError, err}
		}
		if h.OpCode.IsControl() {
			if err := r.control(h); err != nil {
				return nil, false, err
			}
			continue
		}
		done, err := r.data(h)
		if err != nil {
			return nil, false, err
		}
		if done {
			return r.msg, r.op == ws.OpBinary, nil
		}
	}
}

// release takes the message of the last next back.
func (r *wsReader) release() {
	r.pool.put(r.msg)
	r.msg = nil
}

// done gives the buffer back: nothing more is read.
func (r *wsReader) done() {
	r.pool.putRead(r.buf)
	r.buf, r.lo, r.hi = nil, 0, 0
}

// data adds one data frame to the message.
func (r *wsReader) data(h ws.Header) (done bool, err error) {
	if h.OpCode != ws.OpContinuation {
		r.op = h.OpCode
	}
	if h.Length > int64(r.max-len(r.msg)) {
		return false, &violation{ws.StatusMessageTooBig, fmt.Errorf("message of more than %d bytes", r.max)}
	}
	if r.msg == nil && h.Length > 0 {
		r.msg = r.pool.get()
	}
	start := len(r.msg)
	if err := r.fill(start + int(h.Length)); err != nil {
		return false, err
	}
	ws.Cipher(r.msg[start:], h.Mask, 0)
	if !h.Fin {
		r.state = r.state.Set(ws.StateFragmented)
		return false, nil
	}
	r.state = r.state.Clear(ws.StateFragmented)
	if r.op == ws.OpText && !utf8.Valid(r.msg) {
		return false, &violation{ws.StatusInvalidFramePayloadData, errors.New("text is not valid UTF-8")}
	}
	return true, nil
}

// fill reads until the message has want bytes. The buffer grows with what has
// arrived, never with what the client has announced.
func (r *wsReader) fill(want int) error {
	for len(r.msg) < want {
		if len(r.msg) == cap(r.msg) {
			grown := make([]byte, len(r.msg), min(want, 2*cap(r.msg)))
			copy(grown, r.msg)
			r.pool.put(r.msg)
			r.msg = grown
		}
		n, err := r.Read(r.msg[len(r.msg):min(want, cap(r.msg))])
		r.msg = r.msg[:len(r.msg)+n]
		if err != nil {
			return unexpected(err)
		}
	}
	return nil
}

// control reads and answers one control frame; its size is checked already.
func (r *wsReader) control(h ws.Header) error {
	var b [ws.MaxControlFramePayloadSize]byte
	payload := b[:h.Length]
	if _, err := io.ReadFull(r, payload); err != nil {
		return unexpected(err)
	}
	ws.Cipher(payload, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		r.onPing(payload)
	case ws.OpClose:
		return checkClose(payload)
	}
	return nil
}

// checkClose returns errCloseFrame for a close frame that is well formed.
func checkClose(payload []byte) error {
	if len(payload) == 0 {
		return errCloseFrame
	}
	if len(payload) == 1 {
		return &violation{ws.StatusProtocolError, errors.New("close frame with half a status")}
	}
	if err := ws.CheckCloseFrameData(ws.ParseCloseFrameData(payload)); err != nil {
		code := ws.StatusProtocolError
		if err == ws.ErrProtocolInvalidUTF8 {
			code = ws.StatusInvalidFramePayloadData
		}
		return &violation{code, err}
	}
	return errCloseFrame
}

// unexpected marks an end of input in the middle of a frame.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// closeFrame encodes a close frame; code 0 sends none, which the peer sees as
// 1005, as with the reference server.
func closeFrame(code ws.StatusCode) []byte {
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(code, "")
	}
	return append(appendHeader(nil, ws.OpClose, len(body)), body...)
}
