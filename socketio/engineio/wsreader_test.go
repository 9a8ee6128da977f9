package engineio

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

func masked(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
}

func reader(src io.Reader, max int) *wsReader {
	return &wsReader{src: src, state: ws.StateServerSide, max: max, pool: &bufferPool{}, onPing: func([]byte) {}}
}

// readAll returns the messages, "t" or "b" in front, and the error at the end.
func readAll(r *wsReader) (out []string, err error) {
	for {
		data, binary, err := r.next()
		if err != nil {
			r.release()
			return out, err
		}
		kind := "t"
		if binary {
			kind = "b"
		}
		out = append(out, kind+string(data))
		r.release()
	}
}

// The same input must read the same, however the network cuts it.
func FuzzFrameReader(f *testing.F) {
	f.Add(masked(ws.OpText, true, "4hello"))
	f.Add(append(masked(ws.OpText, false, "4h"), append(masked(ws.OpPing, true, "p"), masked(ws.OpContinuation, true, "i")...)...))
	f.Add(masked(ws.OpBinary, true, string(make([]byte, 700))))
	f.Add(masked(ws.OpClose, true, "\x03\xe8bye"))
	f.Add([]byte{0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4})
	f.Add([]byte{0x81, 0x05})
	f.Add([]byte{})
	const max = 2000
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := readAll(reader(bytes.NewReader(in), max))
		if err == nil {
			t.Fatal("no end")
		}
		var v *violation
		if !errors.As(err, &v) && !errors.Is(err, errCloseFrame) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("an error of no known kind: %v", err)
		}
		for _, m := range whole {
			if len(m) > max+1 || (m[0] == 't' && !utf8.ValidString(m)) {
				t.Fatalf("message %.50q of %d bytes", m, len(m))
			}
		}
		cut := reader(iotest.OneByteReader(bytes.NewReader(in)), max)
		cut.pre = nil
		pieces, err2 := readAll(cut)
		early := reader(bytes.NewReader(in[len(in)/2:]), max)
		early.pre = in[:len(in)/2]
		behind, err3 := readAll(early)
		if !equal(whole, pieces) || !equal(whole, behind) || err.Error() != err2.Error() || err.Error() != err3.Error() {
			t.Fatalf("%q (%v), byte by byte %q (%v), in two %q (%v)", whole, err, pieces, err2, behind, err3)
		}
	})
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// An announced length costs no memory until the bytes come.
func TestReaderDoesNotTrustLengths(t *testing.T) {
	head := []byte{0x82, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3, 4} // 1 GiB announced
	r := reader(bytes.NewReader(append(head, make([]byte, 10_000)...)), 2<<30)
	if _, _, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v", err)
	}
	if cap(r.msg) > 64<<10 {
		t.Errorf("%d bytes allocated for 10 kB", cap(r.msg))
	}
}

// Pings that come faster than pongs can be written do not pile up.
func TestPongsAreBounded(t *testing.T) {
	c := &wsConn{s: &Session{}} // without a connection nothing is ever written
	for range 1000 {
		c.pong(make([]byte, 125))
	}
	if n := len(c.control); n == 0 || n > maxPongs+ws.MaxHeaderSize {
		t.Errorf("%d bytes of pongs wait", n)
	}
}

func TestBufferPoolKeepsSmallOnes(t *testing.T) {
	var p bufferPool
	p.put(nil)
	p.put(make([]byte, 0, keepBuffer+1))
	if b := p.get(); cap(b) == 0 || cap(b) > keepBuffer || len(b) != 0 {
		t.Errorf("lent a buffer of %d of %d bytes", len(b), cap(b))
	}
}
