package bench

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// collect reads a stream in pieces of the given size.
func collect(stream []byte, piece, buffer int) (texts, pings []string, err error) {
	f := frames{buf: make([]byte, buffer),
		text: func(p []byte) error { texts = append(texts, string(p)); return nil },
		ping: func(p []byte) error { pings = append(pings, string(p)); return nil }}
	for len(stream) > 0 && err == nil {
		n := copy(f.space(), stream[:min(piece, len(stream))])
		err = f.took(n)
		stream = stream[n:]
	}
	return texts, pings, err
}

func serverFrames(all ...ws.Frame) []byte {
	var b bytes.Buffer
	for _, f := range all {
		if err := ws.WriteFrame(&b, f); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func TestFramesInEveryPiece(t *testing.T) {
	want := []string{"2", strings.Repeat("a", 125), strings.Repeat("b", 126), "", strings.Repeat("c", 70_000), "end"}
	var all []ws.Frame
	for _, text := range want {
		all = append(all, ws.NewTextFrame([]byte(text)), ws.NewPingFrame([]byte("p")), ws.NewPongFrame(nil), ws.NewBinaryFrame([]byte("42")))
	}
	stream := serverFrames(all...)
	for _, piece := range []int{1, 2, 3, 7, 1000, 65_536, len(stream)} {
		texts, pings, err := collect(stream, piece, 16)
		if err != nil || strings.Join(texts, "|") != strings.Join(want, "|") || len(pings) != len(want) {
			t.Errorf("in pieces of %d: %d texts, %d pings, %v", piece, len(texts), len(pings), err)
		}
	}
}

func TestFramesThatNoServerMaySend(t *testing.T) {
	for name, stream := range map[string][]byte{
		"masked":          {0x81, 0x81, 1, 2, 3, 4, 'x' ^ 1},
		"not the last":    {0x01, 1, 'x'},
		"extended":        {0xc1, 1, 'x'},
		"beyond belief":   {0x81, 127, 0, 0, 0, 0, 1, 0, 0, 1},
		"of half a world": {0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if texts, _, err := collect(stream, 1, 64); err == nil || len(texts) > 0 {
			t.Errorf("%s: %q, %v", name, texts, err)
		}
	}
	if _, _, err := collect(serverFrames(ws.NewCloseFrame(nil)), 9, 64); !errors.Is(err, errClosed) {
		t.Errorf("a close: %v", err)
	}
}

// What a handler says ends the reading, and nothing behind it is handed on.
func TestFramesStopAtAnError(t *testing.T) {
	stop := errors.New("enough")
	seen := 0
	f := frames{buf: make([]byte, 64), text: func([]byte) error { seen++; return stop }}
	n := copy(f.space(), serverFrames(ws.NewTextFrame([]byte("a")), ws.NewTextFrame([]byte("b"))))
	if err := f.took(n); !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%v after %d", err, seen)
	}
}

func TestClientFramesAreRead(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65_535, 65_536, 100_000} {
		payload := bytes.Repeat([]byte("x"), size)
		f, err := ws.ReadFrame(bytes.NewReader(clientFrame(nil, ws.OpText, payload)))
		if err != nil || !f.Header.Masked || !f.Header.Fin || f.Header.OpCode != ws.OpText || !bytes.Equal(ws.UnmaskFrameInPlace(f).Payload, payload) {
			t.Errorf("%d bytes: %+v %v", size, f.Header, err)
		}
	}
}

// A stream gives the same whatever pieces it comes in, and never more than is in it.
func FuzzFrames(f *testing.F) {
	f.Add(serverFrames(ws.NewTextFrame([]byte("2")), ws.NewPingFrame([]byte("x")), ws.NewTextFrame(bytes.Repeat([]byte("y"), 200))), uint8(3))
	f.Add(serverFrames(ws.NewCloseFrame([]byte{3, 232})), uint8(1))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 1, 0, 0, 1, 'x'}, uint8(2))
	f.Add([]byte{0x81, 126, 0, 1, 'x', 0x01}, uint8(4))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole, pings, err := collect(stream, max(len(stream), 1), 32)
		texts, pings2, err2 := collect(stream, int(piece)+1, 32)
		if (err == nil) != (err2 == nil) || strings.Join(whole, "|") != strings.Join(texts, "|") || strings.Join(pings, "|") != strings.Join(pings2, "|") {
			t.Fatalf("%q %v, and in pieces %q %v", whole, err, texts, err2)
		}
		if n := len(strings.Join(whole, "")) + len(strings.Join(pings, "")); n > len(stream) {
			t.Fatalf("%d bytes out of %d", n, len(stream))
		}
	})
}
