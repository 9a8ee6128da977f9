package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Value is an argument whose JSON is ready: placeholders in it stand for its attachments. []byte and json.RawMessage are the plain
// cases: an attachment alone, and JSON without any. Arguments of all other types are marshalled; a []byte inside them becomes
// base64 text, as encoding/json does it.
type Value struct {
	JSON        json.RawMessage
	Attachments [][]byte
}

// EncodeEvent makes a frame of an event for any number of sockets of the namespace. The arguments are ready JSON values, which are
// not checked. The name must not be a reserved one, such as "connect".
func EncodeEvent(namespace, name string, args ...[]byte) *engineio.Frame {
	return encodeReady(packet.SocketEvent, namespace, "", &name, args)
}

// encodeReady makes a frame of an event (name not nil) or of an answer, of ready JSON values.
func encodeReady(t packet.SocketType, namespace, id string, name *string, args [][]byte) *engineio.Frame {
	size := len(namespace) + len(id) + 8
	if name != nil {
		size += len(*name)
	}
	for _, a := range args {
		size += len(a) + 1
	}
	return engineio.NewTextFrame(size, func(b []byte) []byte {
		b = append(packet.AppendSocketHeader(b, t, 0, namespace, id), '[')
		if name != nil {
			b = packet.AppendString(b, *name)
		}
		for i, a := range args {
			if i > 0 || name != nil {
				b = append(b, ',')
			}
			b = packet.AppendJSON(b, a)
		}
		return append(b, ']')
	})
}

// encode makes a frame of an event (name not nil) or of an answer, with its attachments right behind it.
func encode(t packet.SocketType, ns *Namespace, id string, name *string, args []any) (*engineio.Frame, error) {
	e := encoder{binary: hasBinary(args)}
	e.json = append(e.json, '[')
	if name != nil {
		if packet.ReservedEvent(*name) {
			return nil, fmt.Errorf("%w: %s", ErrReserved, *name)
		}
		e.json = packet.AppendString(e.json, *name)
	}
	for _, a := range args {
		if err := e.arg(a); err != nil {
			return nil, err
		}
	}
	if e.binary {
		t += packet.SocketBinaryEvent - packet.SocketEvent
	}
	if len(e.attachments) > ns.srv.opt.MaxAttachments {
		return nil, ErrTooManyAttachments
	}
	head := packet.AppendSocketHeader(make([]byte, 0, len(e.json)+len(ns.name)+32), t, len(e.attachments), ns.name, id)
	head = append(append(head, e.json...), ']')
	messages := make([]engineio.Message, 1, 1+len(e.attachments))
	messages[0] = engineio.Message{Data: head}
	for _, a := range e.attachments {
		messages = append(messages, engineio.Message{Data: a, Binary: true})
	}
	return engineio.NewFrame(messages...), nil
}

func hasBinary(args []any) bool {
	for _, a := range args {
		switch v := a.(type) {
		case []byte:
			return true
		case Value:
			if len(v.Attachments) > 0 {
				return true
			}
		}
	}
	return false
}

// encoder collects the JSON and the attachments of one packet.
type encoder struct {
	binary      bool // there will be attachments, so nothing else may look like a placeholder
	json        []byte
	attachments [][]byte
	shared      [][]byte // of the last Value that had any
	shift       int      // where those begin in attachments
}

func (e *encoder) arg(a any) error {
	switch v := a.(type) {
	case []byte:
		e.comma()
		e.json = packet.AppendPlaceholder(e.json, len(e.attachments))
		e.attachments = append(e.attachments, v)
		return nil
	case Value:
		return e.value(v)
	case json.RawMessage:
		return e.value(Value{JSON: v})
	case string:
		e.comma()
		e.json = packet.AppendString(e.json, v)
		return nil
	default:
		raw, err := appendMarshalled(nil, a)
		if err != nil {
			return fmt.Errorf("socketio: encode an argument: %w", err)
		}
		return e.value(Value{JSON: raw})
	}
}

// value appends ready JSON whose placeholders count its attachments from 0. Values that share their attachments, as those of one
// received event do, send them once.
func (e *encoder) value(v Value) error {
	e.comma()
	switch {
	case len(v.JSON) == 0:
		e.json = append(e.json, "null"...)
		return nil
	case !json.Valid(v.JSON):
		return ErrInvalidJSON
	case !e.binary:
		e.json = packet.AppendJSON(e.json, v.JSON)
		return nil
	}
	if n := len(v.Attachments); n > 0 && (len(e.shared) != n || &e.shared[0] != &v.Attachments[0]) {
		e.shared, e.shift = v.Attachments, len(e.attachments)
		e.attachments = append(e.attachments, v.Attachments...)
	}
	var err error
	if e.json, err = packet.AppendShifted(e.json, v.JSON, len(v.Attachments), e.shift); err != nil {
		return ErrPlaceholder
	}
	return nil
}

func (e *encoder) comma() {
	if len(e.json) > 1 {
		e.json = append(e.json, ',')
	}
}

// appendMarshalled appends v as JSON, without the escapes that only HTML needs.
func appendMarshalled(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...), nil
}
