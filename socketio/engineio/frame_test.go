package engineio

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// packetsOf decodes wire bytes as a websocket client would.
func packetsOf(t *testing.T, wire []byte) (out []string) {
	t.Helper()
	r := bytes.NewReader(wire)
	for r.Len() > 0 {
		h, err := ws.ReadHeader(r)
		if err != nil || h.Masked || !h.Fin || h.Rsv != 0 {
			t.Fatalf("header %+v: %v", h, err)
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			t.Fatal(err)
		}
		kind := "text:"
		if h.OpCode == ws.OpBinary {
			kind = "binary:"
		}
		out = append(out, kind+string(payload))
	}
	return out
}

func TestFrameEncodings(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	f := NewFrame(Message{Data: []byte("head")}, Message{Data: []byte{0, 0x1e, 255}, Binary: true}, Message{Data: []byte(long)}, Message{Data: []byte("a\x1eb")})
	wire := []string{"text:4head", "binary:\x00\x1e\xff", "text:4" + long, "text:4a\x1eb"}
	b64 := []string{"text:4head", "text:bAB7/", "text:4" + long, "text:4a\x1eb"}
	poll := []string{"4head", "bAB7/", "4" + long, `4a\u001eb`}
	for from := range wire {
		check := func(what string, got, want []string) {
			if strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("%s from %d: %.80q, want %.80q", what, from, got, want)
			}
		}
		check("websocket", packetsOf(t, f.tail(from)), wire[from:])
		check("base64", packetsOf(t, f.base64Tail(from)), b64[from:])
		if got := string(f.polling(from)); got != poll[from] {
			t.Errorf("polling %d: %.80q, want %.80q", from, got, poll[from])
		}
	}
	if f.Size() != f.tailSize(0) || f.tailSize(4) != 0 || f.tailSize(1) >= f.Size() {
		t.Errorf("sizes %d, %d, %d", f.Size(), f.tailSize(1), f.tailSize(4))
	}
}

// A frame that is written in place is the same as one of ready bytes, whatever its length and however well that was guessed.
func TestTextFrames(t *testing.T) {
	for _, length := range []int{0, 1, 123, 124, 125, 126, 65_533, 65_534, 65_535, 65_536, 200_000} {
		for _, text := range []string{strings.Repeat("x", length), strings.Repeat("x", length) + "\x1e"} {
			want := NewFrame(Message{Data: []byte(text)})
			for _, size := range []int{0, length, 2 * length} {
				got := NewTextFrame(size, func(b []byte) []byte { return append(b, text...) })
				if !bytes.Equal(got.wire, want.wire) || !reflect.DeepEqual(got.parts, want.parts) || got.differs != want.differs || got.Size() != want.Size() {
					t.Errorf("%d bytes, %d guessed: %d bytes on the wire, %+v; want %d, %+v", len(text), size, len(got.wire), got.parts, len(want.wire), want.parts)
				}
			}
		}
	}
}

func TestFrameOwnsItsBytes(t *testing.T) {
	data := []byte("before")
	f := NewFrame(Message{Data: data})
	copy(data, "after!")
	if got := packetsOf(t, f.wire)[0]; got != "text:4before" {
		t.Errorf("%q", got)
	}
}

func TestEmptyFrameIsHarmless(t *testing.T) {
	f := NewFrame()
	if f.Size() != 0 {
		t.Errorf("size %d", f.Size())
	}
	var q queue
	q.push(f)
	if body, n := q.takePackets(nil, 16); n != 0 || len(body) != 0 || !q.empty() { // a websocket would have to write it
		t.Errorf("%q, %d packets", body, n)
	}
}

// One frame for many sessions at once, on every transport.
func TestFrameIsShared(t *testing.T) {
	f := NewFrame(Message{Data: []byte{1}, Binary: true}, Message{Data: []byte("\x1e")})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if string(f.polling(0)) != "bAQ==" || string(f.polling(1)) != `4\u001e` || len(f.base64Tail(0)) == 0 {
				t.Error("another encoding")
			}
		})
	}
	wg.Wait()
}

// The queue counts what it holds, however it is emptied.
func TestQueueAccounting(t *testing.T) {
	var q queue
	for i := range 10 {
		q.push(NewFrame(make([]Message, i+1)...))
	}
	total := 0
	for !q.empty() {
		_, n := q.takePackets(nil, 7)
		total += n
		sum := 0
		for _, e := range q.entries {
			sum += e.frame.tailSize(e.from)
		}
		if q.bytes != sum {
			t.Fatalf("after %d packets: %d bytes counted, %d there", total, q.bytes, sum)
		}
	}
	if total != 55 || q.bytes != 0 {
		t.Errorf("%d packets, %d bytes left", total, q.bytes)
	}
}
