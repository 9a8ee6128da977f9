package socketio

import (
	"encoding/json"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Arguments are the values of an event or of an answer as they came: valid JSON, and the attachments its placeholders stand for.
// They stay valid; nobody else writes to them.
type Arguments struct {
	Args        []json.RawMessage
	Attachments [][]byte
}

// Bytes returns the attachment that raw, a value from anywhere in the arguments, stands for; false when it is not binary.
func (a Arguments) Bytes(raw json.RawMessage) ([]byte, bool) {
	if len(a.Attachments) == 0 {
		return nil, false
	}
	num, ok := packet.Placeholder(raw)
	if !ok || num >= len(a.Attachments) {
		return nil, false
	}
	return a.Attachments[num], true
}

// Values returns the arguments in a form that can be sent on as they are, binary included.
func (a Arguments) Values() []any {
	values := make([]any, len(a.Args))
	for i, raw := range a.Args {
		values[i] = Value{JSON: raw, Attachments: a.Attachments}
	}
	return values
}

// Event is one event of a client.
type Event struct {
	Arguments
	Socket *Socket
	Name   string // a number's text when the client used a number
	id     string
	acked  atomic.Bool
}

// HasAck tells whether the client waits for an answer.
func (e *Event) HasAck() bool { return e.id != "" }

// AckReady answers as Ack does, with ready JSON values, which are not checked, as EncodeEvent's are not. The answer may share a write with
// what the goroutines that are ready to run send to the same client, and then comes before that.
func (e *Event) AckReady(args ...[]byte) error {
	if e.id == "" {
		return ErrNoAck
	}
	if !e.acked.CompareAndSwap(false, true) {
		return ErrAcked
	}
	return e.Socket.sendSoon(encodeReady(packet.SocketAck, e.Socket.ns.name, e.id, nil, args))
}

// Ack answers the event, at most once, from any goroutine. Errors: ErrNoAck, ErrAcked, ErrNotConnected, and those of encoding,
// after which the event still wants its answer.
func (e *Event) Ack(args ...any) error {
	if e.id == "" {
		return ErrNoAck
	}
	f, err := encode(packet.SocketAck, e.Socket.ns, e.id, nil, args)
	if err != nil {
		return err
	}
	if !e.acked.CompareAndSwap(false, true) {
		return ErrAcked
	}
	return e.Socket.SendFrame(f)
}

// dispatch runs the event's handler: the socket's, else the namespace's, else the socket's catch-all, else the namespace's.
func (s *Socket) dispatch(in *incoming) {
	e := &Event{
		Arguments: Arguments{Args: in.Args, Attachments: in.attachments},
		Socket:    s,
		Name:      in.Name,
		id:        in.ID,
	}
	s.mu.Lock()
	own, fallback := s.handlers[e.Name], s.any
	s.mu.Unlock()
	if own == nil {
		own = s.ns.handler(e.Name, fallback)
	}
	if own != nil {
		own(e)
	}
}
