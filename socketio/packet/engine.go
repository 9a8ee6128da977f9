package packet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"
)

// EngineType is the first character of an Engine.IO packet in its text form
// (see Engine.IO v4 §protocol).
type EngineType byte

// The packet types of Engine.IO 4.
const (
	EngineOpen    EngineType = '0' // server → client: the handshake
	EngineClose   EngineType = '1' // either side ends the session
	EnginePing    EngineType = '2' // server → client, and the probe of an upgrade
	EnginePong    EngineType = '3' // the answer to a ping or a probe
	EngineMessage EngineType = '4' // application data
	EngineUpgrade EngineType = '5' // client → server: the websocket takes over
	EngineNoop    EngineType = '6' // ends a poll that has nothing to say
)

// EngineSeparator stands between the packets of a polling body. It must never
// occur raw inside one; see [AppendEngineEscaped].
const EngineSeparator = '\x1e'

// engineBinary is the first character of a binary message in text form.
const engineBinary = 'b'

// EnginePacket is one decoded Engine.IO packet. Binary is only ever true for a
// message. Data may point into the decoded input.
type EnginePacket struct {
	Type   EngineType
	Data   []byte
	Binary bool
}

// Errors of the Engine.IO decoders.
var (
	ErrEngineEmpty  = errors.New("empty engine.io packet")
	ErrEngineType   = errors.New("unknown engine.io packet type")
	ErrEngineBase64 = errors.New("malformed base64 in an engine.io packet")
	ErrEngineUTF8   = errors.New("engine.io payload is not valid UTF-8")
)

// DecodeEngine decodes the text form of one packet: a digit and its data, or
// "b" and base64 for a binary message. Text data points into b. It does not
// check UTF-8: a websocket text message or a polling body is checked whole.
func DecodeEngine(b []byte) (EnginePacket, error) {
	if len(b) == 0 {
		return EnginePacket{}, ErrEngineEmpty
	}
	if b[0] == engineBinary {
		data, err := decodeEngineBase64(b[1:])
		if err != nil {
			return EnginePacket{}, err
		}
		return EnginePacket{Type: EngineMessage, Data: data, Binary: true}, nil
	}
	t := EngineType(b[0])
	if t < EngineOpen || t > EngineNoop {
		return EnginePacket{}, fmt.Errorf("%w %q", ErrEngineType, b[0])
	}
	return EnginePacket{Type: t, Data: b[1:]}, nil
}

// decodeEngineBase64 accepts standard base64 with or without padding.
func decodeEngineBase64(b []byte) ([]byte, error) {
	enc := base64.StdEncoding
	if len(b)%4 != 0 {
		enc = base64.RawStdEncoding
	}
	data := make([]byte, enc.DecodedLen(len(b)))
	n, err := enc.Decode(data, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEngineBase64, err)
	}
	return data[:n], nil
}

// DecodeEnginePayload yields the packets of a polling body in order. It stops
// after the first error, which comes with a zero packet. An empty body, an
// empty packet and a body that is not UTF-8 are errors.
func DecodeEnginePayload(body []byte) iter.Seq2[EnginePacket, error] {
	return func(yield func(EnginePacket, error) bool) {
		if !utf8.Valid(body) {
			yield(EnginePacket{}, ErrEngineUTF8)
			return
		}
		for more := true; more; {
			var part []byte
			part, body, more = bytes.Cut(body, []byte{EngineSeparator})
			p, err := DecodeEngine(part)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// AppendEngine appends the polling form of p to dst. A binary message is
// base64 with padding. A raw separator in text data is escaped as
// [AppendEngineEscaped] says, so that one packet stays one packet.
func AppendEngine(dst []byte, p EnginePacket) []byte {
	if p.Binary {
		dst = append(dst, engineBinary)
		return base64.StdEncoding.AppendEncode(dst, p.Data)
	}
	return AppendEngineEscaped(append(dst, byte(p.Type)), p.Data)
}

// AppendEngineEscaped appends text with every raw U+001E replaced by the six
// characters \u001e. In JSON, where a raw control character is not allowed
// outside this escape, that is the same string; in any other text it is a
// visible change, which is the price for a message that cannot forge packets.
func AppendEngineEscaped(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, EngineSeparator)
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, `\u001e`...)
		text = text[i+1:]
	}
}
