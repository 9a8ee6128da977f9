package chat

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
)

// User is an identity as other people see it.
type User struct {
	ID    UserID `json:"id"`
	Name  string `json:"name"`
	Guest bool   `json:"guest"`
}

// Body is the JSON of an event that a record carries. Which fields are set depends on the kind:
//
//	message  id roomId clientId user text replyTo? at
//	join     id roomId user at
//	leave    id roomId user at                 user: who left
//	create   id roomId user at room            user: the owner
//	update   id roomId user at name? topic?
//	invite   id roomId user at invitee         user: who invites
type Body struct {
	ID       MessageID `json:"id"`
	RoomID   RoomID    `json:"roomId"`
	ClientID string    `json:"clientId,omitempty"`
	User     User      `json:"user"`
	Text     *string   `json:"text,omitempty"`
	ReplyTo  MessageID `json:"replyTo,omitempty"`
	Room     *RoomInfo `json:"room,omitempty"`
	Name     *string   `json:"name,omitempty"`
	Topic    *string   `json:"topic,omitempty"`
	Invitee  UserID    `json:"invitee,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	At       int64     `json:"at"`
}

// RoomInfo is what a create record says of its room.
type RoomInfo struct {
	Name    string `json:"name"`
	Topic   string `json:"topic,omitempty"`
	Private bool   `json:"private"`
	Owner   UserID `json:"owner"`
}

// Encode makes the bytes that travel through log, bus and frame. Control characters come out escaped, so that no U+001E is ever raw.
func (b Body) Encode() []byte {
	e := bodies.Get().(*bodyEncoder)
	defer bodies.Put(e)
	e.buf.Reset()
	if err := e.json.Encode(&b); err != nil { // strings, numbers and flags always encode
		panic(err)
	}
	return bytes.Clone(bytes.TrimRight(e.buf.Bytes(), "\n"))
}

// bodyEncoder is kept from one body to the next, since its buffer has grown to their size.
type bodyEncoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

var bodies = sync.Pool{New: func() any {
	e := &bodyEncoder{}
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

// ParseBody reads the JSON of a record's body.
func ParseBody(data []byte) (Body, error) {
	var b Body
	err := json.Unmarshal(data, &b)
	return b, err
}

// AppendEvent appends r's JSON as clients see it: its seq in front of the very bytes of its body.
func AppendEvent(dst []byte, r Record) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, int64(r.Seq), 10)
	if len(r.Body) <= 2 {
		return append(dst, '}')
	}
	rest := r.Body[1:]
	if !bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte{'}'}) { // an object of nothing but space takes no comma
		dst = append(dst, ',')
	}
	return append(dst, rest...)
}
