package gateway

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/wellformed"
	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// namespace is where chat is spoken.
const namespace = "/"

// Encoder makes a room's frames; it implements chat.Encoder. What it makes is encoded once and shared by every socket of the room.
type Encoder struct{}

var _ chat.Encoder = Encoder{}

// wire is what a chat.Frame carries: the very bytes of the websocket frame.
type wire struct {
	frame     *engineio.Frame
	droppable bool // a socket that is behind does without it
}

// Record makes the event of a record: its seq in front of the very bytes of its body. Where these can not be shown, that of a tombstone.
func (Encoder) Record(r chat.Record) chat.Frame {
	r = chat.Shown(r, wellformed.Object)
	scratch := scratches.Get().(*[]byte)
	data := chat.AppendEvent((*scratch)[:0], r)
	f := frame(r.Room, r.Seq, r.Kind.EventName(), data, false)
	*scratch = data
	scratches.Put(scratch)
	return f
}

// scratches hold an event until it is in its frame.
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// Gap makes the event that says what is left out. A reader stands at its end then.
func (Encoder) Gap(g chat.Gap) chat.Frame {
	return frame(g.Room, g.To, "gap", marshal(gapJSON(g)), false)
}

// Whisper makes an ephemeral event; its JSON is ready.
func (Encoder) Whisper(room chat.RoomID, w chat.Whisper) chat.Frame {
	return frame(room, 0, w.Name, w.Body, w.Name == "typing")
}

func frame(room chat.RoomID, seq chat.Seq, name string, data []byte, droppable bool) chat.Frame {
	f := socketio.EncodeEvent(namespace, name, data)
	return chat.Frame{Room: room, Seq: seq, Size: f.Size(), Wire: &wire{f, droppable}}
}

// eventFrame makes a frame of an event that belongs to no room.
func eventFrame(name string, body any) chat.Frame { return frame("", 0, name, marshal(body), false) }

// gapBody is a gap as clients see it.
type gapBody struct {
	Room   chat.RoomID    `json:"roomId"`
	From   chat.Seq       `json:"from"`
	To     chat.Seq       `json:"to"`
	Reason chat.GapReason `json:"reason"`
}

func gapJSON(g chat.Gap) gapBody { return gapBody{g.Room, max(g.From, 0), g.To, g.Reason} }

// marshal encodes what always can be: our own structs of strings, numbers and ready JSON.
func marshal(v any) []byte {
	e := newEncoder()
	return e.encode(v)
}

// encoder is kept from one answer to the next: its buffer has grown to their size.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

func newEncoder() *encoder {
	e := &encoder{}
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}

// encode gives v's JSON, which is valid until the next call.
func (e *encoder) encode(v any) []byte {
	e.buf.Reset()
	if err := e.json.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(e.buf.Bytes(), []byte{'\n'})
}

var encoders = sync.Pool{New: func() any { return newEncoder() }}

// keepEncoder is how much the buffer of an encoder that is kept may hold, bytes.
const keepEncoder = 16 << 10

// release keeps e for another answer, unless this one was large.
func (e *encoder) release() {
	if e.buf.Cap() <= keepEncoder {
		encoders.Put(e)
	}
}
