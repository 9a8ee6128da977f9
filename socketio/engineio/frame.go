package engineio

import (
	"bytes"
	"sync"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Message is the payload of one Engine.IO message packet. Text must be valid
// UTF-8: browsers fail a websocket that carries anything else.
type Message struct {
	Data   []byte
	Binary bool
}

// Frame is one or more messages that must stay adjacent on the wire (a
// Socket.IO header and its attachments). It is encoded once, for the
// websocket at once and for polling when first needed, and may be sent to any
// number of sessions at the same time. It is immutable.
//
// A text message with a raw U+001E, which would be cut in two in a polling
// body, goes out on polling with that character as \u001e; see
// packet.AppendEngineEscaped.
type Frame struct {
	wire  []byte // the packets as websocket frames, back to back
	parts []part // where each packet is in wire
	one   [1]part

	pollOnce sync.Once
	poll     [][]byte // packets as polling sends them, where that differs
	differs  bool
}

// part is one packet: wire[start:end] is its websocket frame, wire[body:end]
// that frame's payload.
type part struct {
	start, body, end int
	binary           bool
}

// frameOverhead is counted for each packet on top of its bytes, so that a
// queue of tiny frames is bounded too.
const frameOverhead = 32

// NewFrame encodes ms and keeps no reference to their data.
func NewFrame(ms ...Message) *Frame {
	ps := make([]packet.EnginePacket, len(ms))
	for i, m := range ms {
		ps[i] = packet.EnginePacket{Type: packet.EngineMessage, Data: m.Data, Binary: m.Binary}
	}
	return encodeFrame(ps...)
}

// NewTextFrame makes a frame of one message of text, which fill appends to
// what it is given; size is about how long that is, in bytes. It is written
// where it stays, so that it is copied once.
func NewTextFrame(size int, fill func([]byte) []byte) *Frame {
	const room = ws.MaxHeaderSize + 1 // for the header and the packet's type
	b := fill(make([]byte, room, room+size))
	f := &Frame{differs: bytes.IndexByte(b[room:], packet.EngineSeparator) >= 0}
	var header [ws.MaxHeaderSize]byte
	n := len(appendHeader(header[:0], ws.OpText, len(b)-room+1))
	f.wire = b[room-1-n:]
	copy(f.wire, header[:n])
	f.wire[n] = byte(packet.EngineMessage)
	f.one[0] = part{body: n, end: len(f.wire)}
	f.parts = f.one[:]
	return f
}

// control makes a frame of one packet that is not a message.
func control(t packet.EngineType, data string) *Frame {
	return encodeFrame(packet.EnginePacket{Type: t, Data: []byte(data)})
}

func encodeFrame(ps ...packet.EnginePacket) *Frame {
	f := &Frame{}
	f.parts = f.one[:0]
	size := 0
	for _, p := range ps {
		size += ws.MaxHeaderSize + 1 + len(p.Data)
	}
	f.wire = make([]byte, 0, size)
	for _, p := range ps {
		f.append(p)
	}
	return f
}

func (f *Frame) append(p packet.EnginePacket) {
	pt := part{start: len(f.wire), binary: p.Binary}
	if p.Binary {
		f.wire = appendHeader(f.wire, ws.OpBinary, len(p.Data))
		pt.body = len(f.wire)
		f.differs = true
	} else {
		f.wire = appendHeader(f.wire, ws.OpText, 1+len(p.Data))
		pt.body = len(f.wire)
		f.wire = append(f.wire, byte(p.Type))
		f.differs = f.differs || bytes.IndexByte(p.Data, packet.EngineSeparator) >= 0
	}
	f.wire = append(f.wire, p.Data...)
	pt.end = len(f.wire)
	f.parts = append(f.parts, pt)
}

// Size is the number of bytes counted against a queue: those of the websocket
// frames and a small overhead for each packet.
func (f *Frame) Size() int { return len(f.wire) + frameOverhead*len(f.parts) }

// tailSize is Size of the packets from the given one on.
func (f *Frame) tailSize(from int) int {
	if from >= len(f.parts) {
		return 0
	}
	return len(f.wire) - f.parts[from].start + frameOverhead*(len(f.parts)-from)
}

// tail is the websocket bytes of the packets from the given one on.
func (f *Frame) tail(from int) []byte { return f.wire[f.parts[from].start:] }

// polling is packet i as it stands in a polling body.
func (f *Frame) polling(i int) []byte {
	if f.differs {
		f.pollOnce.Do(f.encodePolling)
		if b := f.poll[i]; b != nil {
			return b
		}
	}
	return f.wire[f.parts[i].body:f.parts[i].end]
}

func (f *Frame) encodePolling() {
	f.poll = make([][]byte, len(f.parts))
	for i, p := range f.parts {
		body := f.wire[p.body:p.end]
		switch {
		case p.binary:
			f.poll[i] = packet.AppendEngine(nil, packet.EnginePacket{Type: packet.EngineMessage, Data: body, Binary: true})
		case bytes.IndexByte(body, packet.EngineSeparator) >= 0:
			f.poll[i] = packet.AppendEngineEscaped(nil, body)
		}
	}
}

// base64Tail is tail for a websocket that asked for b64=1: binary packets go
// out as text, as on polling. Few clients want it, so it is not kept.
func (f *Frame) base64Tail(from int) []byte {
	if !f.differs {
		return f.tail(from)
	}
	var out []byte
	for i := from; i < len(f.parts); i++ {
		if p := f.parts[i]; !p.binary {
			out = append(out, f.wire[p.start:p.end]...)
			continue
		}
		text := f.polling(i)
		out = appendHeader(out, ws.OpText, len(text))
		out = append(out, text...)
	}
	return out
}

// appendHeader appends the header of an unfragmented, unmasked frame.
func appendHeader(dst []byte, op ws.OpCode, length int) []byte {
	b := bytes.NewBuffer(dst)
	h := ws.Header{Fin: true, OpCode: op, Length: int64(length)}
	if err := ws.WriteHeader(b, h); err != nil {
		panic(err) // only for lengths that no slice can have
	}
	return b.Bytes()
}
