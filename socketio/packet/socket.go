package packet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// SocketType is the first character of a Socket.IO packet (protocol version 5, §packet encoding), as a number.
type SocketType byte

// The seven packet types of Socket.IO 5.
const (
	SocketConnect SocketType = iota
	SocketDisconnect
	SocketEvent
	SocketAck
	SocketConnectError
	SocketBinaryEvent
	SocketBinaryAck
)

// Limits that no program needs to change: they keep a packet's decoded form within a small factor of its bytes.
const (
	maxNamespace = 255             // bytes of a namespace's name
	maxAckDigits = 16              // 2^53 has sixteen digits
	maxAckID     = uint64(1) << 53 // the largest whole number a JavaScript client counts to
	maxArgs      = 256             // values in an event's or answer's array
)

// What may be wrong with a packet. DecodeSocket wraps these; each means that the peer does not speak the protocol and the
// connection should be closed.
var (
	ErrSocketType        = errors.New("unknown packet type")
	ErrSocketAttachments = errors.New("bad number of attachments")
	ErrSocketNamespace   = errors.New("bad namespace")
	ErrSocketAckID       = errors.New("bad ack id")
	ErrSocketPayload     = errors.New("bad payload")
	ErrSocketDepth       = errors.New("payload nested too deep")
	ErrSocketReserved    = errors.New("reserved event name")
	ErrSocketPlaceholder = errors.New("bad placeholder")
)

// SocketLimits bounds what a peer may send. Zero values mean the defaults: 10 attachments (the official parser's limit), 64 levels.
type SocketLimits struct {
	Attachments int // most attachments of one packet
	Depth       int // most levels of arrays and objects in a payload
}

func (l SocketLimits) attachments() int {
	if l.Attachments > 0 {
		return l.Attachments
	}
	return 10
}

func (l SocketLimits) depth() int {
	if l.Depth > 0 {
		return l.Depth
	}
	return 64
}

// SocketPacket is one decoded Socket.IO packet. Its slices point into the decoded text.
type SocketPacket struct {
	Type        SocketType
	Namespace   string            // "/" when the packet names none
	ID          string            // ack id, the digits as they came; "" when there is none
	Attachments int               // binary messages that follow; only of the two binary types
	Data        json.RawMessage   // the payload, checked; nil when absent
	Name        string            // EVENT: the event's name; a number's text when the peer used a number
	Args        []json.RawMessage // EVENT: what follows the name; ACK: all values
}

// Binary tells whether attachments belong to the type.
func (t SocketType) Binary() bool { return t == SocketBinaryEvent || t == SocketBinaryAck }

// DecodeSocket reads the text of an Engine.IO message as a Socket.IO packet:
//
//	<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//
// The payload is checked (UTF-8, JSON, depth, the form its type asks for) but not decoded: its values stay the bytes they were.
// A missing payload is legal for every type but the binary ones, as in the official parser; an EVENT without one has no name.
func DecodeSocket(text []byte, limits SocketLimits) (SocketPacket, error) {
	p := SocketPacket{Namespace: "/"}
	if len(text) == 0 || text[0] < '0' || text[0] > '6' {
		return p, ErrSocketType
	}
	p.Type = SocketType(text[0] - '0')
	rest := text[1:]
	var err error
	if p.Type.Binary() {
		if p.Attachments, rest, err = cutAttachments(rest, limits.attachments()); err != nil {
			return p, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		if p.Namespace, rest, err = cutNamespace(rest); err != nil {
			return p, err
		}
	}
	if p.ID, rest, err = cutAckID(rest); err != nil {
		return p, err
	}
	if len(rest) == 0 {
		if p.Type.Binary() {
			return p, fmt.Errorf("%w: attachments without a payload", ErrSocketPayload)
		}
		return p, nil
	}
	if err := checkJSON(rest, limits.depth()); err != nil {
		return p, err
	}
	p.Data = rest
	return p, p.checkPayload()
}

func cutAttachments(b []byte, most int) (int, []byte, error) {
	n, i := 0, 0
	for i < len(b) && isDigit(b[i]) && n <= most {
		n = n*10 + int(b[i]-'0')
		i++
	}
	if i == 0 || b[0] == '0' || n > most || i == len(b) || b[i] != '-' {
		return 0, nil, ErrSocketAttachments
	}
	return n, b[i+1:], nil
}

// cutNamespace reads up to the comma, which may be missing when nothing follows. A name with a control character is refused:
// it would be echoed, and U+001E separates the packets of a polling answer.
func cutNamespace(b []byte) (string, []byte, error) {
	end, rest := len(b), []byte(nil)
	for i, c := range b {
		if c == ',' {
			end, rest = i, b[i+1:]
			break
		}
		if c < 0x20 || c == 0x7f || i >= maxNamespace {
			return "", nil, ErrSocketNamespace
		}
	}
	if end == 1 {
		return "/", rest, nil
	}
	if !utf8.Valid(b[:end]) {
		return "", nil, ErrSocketNamespace
	}
	return string(b[:end]), rest, nil
}

func cutAckID(b []byte) (string, []byte, error) {
	i := 0
	for i < len(b) && isDigit(b[i]) {
		if i++; i > maxAckDigits {
			return "", nil, ErrSocketAckID
		}
	}
	if i == 0 {
		return "", b, nil
	}
	id := string(b[:i])
	if n, err := strconv.ParseUint(id, 10, 64); err != nil || n > maxAckID {
		return "", nil, ErrSocketAckID
	}
	return id, b[i:], nil
}

// checkPayload applies the rule of the packet's type, and takes an array apart.
func (p *SocketPacket) checkPayload() error {
	switch p.Type {
	case SocketConnect:
		if kindOf(p.Data) != '{' {
			return fmt.Errorf("%w: CONNECT wants an object", ErrSocketPayload)
		}
		return nil
	case SocketDisconnect:
		return fmt.Errorf("%w: DISCONNECT has none", ErrSocketPayload)
	case SocketConnectError:
		if k := kindOf(p.Data); k != '{' && k != '"' {
			return fmt.Errorf("%w: CONNECT_ERROR wants an object", ErrSocketPayload)
		}
		return nil
	}
	if kindOf(p.Data) != '[' {
		return fmt.Errorf("%w: an array is wanted", ErrSocketPayload)
	}
	args, err := splitArray(p.Data)
	if err != nil {
		return err
	}
	if p.Type == SocketEvent || p.Type == SocketBinaryEvent {
		if len(args) == 0 {
			return fmt.Errorf("%w: an event wants a name", ErrSocketPayload)
		}
		if p.Name, err = eventName(args[0]); err != nil {
			return err
		}
		args = args[1:]
	}
	p.Args = args
	if p.Attachments > 0 {
		return CheckPlaceholders(p.Data, p.Attachments)
	}
	return nil
}

// eventName reads an event's name: a string, or a number, whose text is then the name.
func eventName(raw json.RawMessage) (string, error) {
	switch k := kindOf(raw); {
	case k == '-' || isDigit(k):
		return string(raw), nil
	case k != '"':
		return "", fmt.Errorf("%w: an event's name is a string or a number", ErrSocketPayload)
	}
	name, _ := Unquote(raw) // raw is valid
	if ReservedEvent(name) {
		return "", ErrSocketReserved
	}
	return name, nil
}

// ReservedEvent tells whether an event's name is one of those that clients and servers use for themselves: never sent, never
// accepted (Socket.IO 5, §reserved events).
func ReservedEvent(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
