package chat

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kind says what a record does to its room.
type Kind uint8

// The kinds. Their numbers are on disk and in Kafka: never renumber.
const (
	KindMessage   Kind = 1
	KindJoin      Kind = 2
	KindLeave     Kind = 3
	KindCreate    Kind = 4 // makes the room; its user is the owner and joins with it
	KindUpdate    Kind = 5 // name or topic
	KindInvite    Kind = 6
	KindTombstone Kind = 7 // in the store only: stands where a record was that can never be stored
)

// EventName gives the name under which sockets hear of a record of this kind.
func (k Kind) EventName() string {
	switch k {
	case KindMessage:
		return "message:new"
	case KindJoin, KindCreate:
		return "room:joined"
	case KindLeave:
		return "room:left"
	case KindUpdate:
		return "room:updated"
	case KindInvite:
		return "room:invited"
	case KindTombstone:
		return "message:deleted"
	}
	return ""
}

// Record is one change of a room: what the log holds. Nobody changes one, or the bytes it points to, after Append.
type Record struct {
	Seq     Seq       // its place; set by the log, 0 before
	At      int64     // the log's own append time, ms since 1970; set by the log
	Kind    Kind      //
	Room    RoomID    //
	ID      MessageID // see MakeMessageID
	User    UserID    // who asked for it
	Subject UserID    // join, leave, create, invite: whose membership begins, ends or is offered; else empty
	Sent    int64     // the accepting node's clock, ms since 1970: the `at` that clients see
	Sum     uint64    // ContentSum of what was asked for
	Body    []byte    // the event's JSON object without its seq: begins with '{' and is not empty, see AppendEvent
}

// MaxRecordSize bounds an encoded record, bytes: 16 KiB of text at six bytes a character, twice, and room for the rest.
const MaxRecordSize = 256 << 10

// recordVersion is the first byte of a record. Raise it with every kind and field that an older program would pass over or misread:
// that program then stops in front of the record (ErrNewer) instead of skipping what was acknowledged. In Kafka the key stays the room.
const (
	recordVersion = 1
	lastVersion   = 31 // a byte above is no version: text begins with it, or another program's format
)

var errRecord = errors.New("malformed record")

// ErrNewer says that a record was written by a later version of this program, which reads it.
var ErrNewer = errors.New("a newer hubbub wrote this record")

// AppendRecord appends the log's encoding of r, all but Seq and At, which the log keeps in its own way.
func AppendRecord(dst []byte, r Record) []byte {
	dst = append(dst, recordVersion, byte(r.Kind))
	dst = binary.AppendVarint(dst, r.Sent)
	dst = binary.BigEndian.AppendUint64(dst, r.Sum)
	for _, s := range []string{string(r.Room), string(r.ID), string(r.User), string(r.Subject)} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return append(dst, r.Body...)
}

// recordSize is how many bytes AppendRecord appends.
func recordSize(r Record) int {
	var b [binary.MaxVarintLen64]byte
	n := 2 + binary.PutVarint(b[:], r.Sent) + 8 + len(r.Body)
	for _, s := range []string{string(r.Room), string(r.ID), string(r.User), string(r.Subject)} {
		n += binary.PutUvarint(b[:], uint64(len(s))) + len(s)
	}
	return n
}

// ParseRecord reads what AppendRecord wrote. The Body shares memory with data. Errors: ErrNewer, and others for what no version writes.
func ParseRecord(data []byte) (Record, error) {
	var r Record
	if len(data) < 2 {
		return r, errRecord
	}
	switch v := data[0]; {
	case v > recordVersion && v <= lastVersion:
		return r, fmt.Errorf("%w, in version %d of its form", ErrNewer, v)
	case v != recordVersion:
		return r, errRecord
	}
	r.Kind = Kind(data[1])
	sent, n := binary.Varint(data[2:])
	if n <= 0 {
		return r, errRecord
	}
	data = data[2+n:]
	if len(data) < 8 {
		return r, errRecord
	}
	r.Sent, r.Sum = sent, binary.BigEndian.Uint64(data)
	data = data[8:]
	var fields [4]string
	for i := range fields {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return r, errRecord
		}
		fields[i] = string(data[n : n+int(size)])
		data = data[n+int(size):]
	}
	r.Room, r.ID, r.User, r.Subject = RoomID(fields[0]), MessageID(fields[1]), UserID(fields[2]), UserID(fields[3])
	r.Body = data
	return r, nil
}

// Size is about what r costs in memory and on the wire, bytes.
func (r Record) Size() int {
	return len(r.Body) + len(r.Room) + len(r.ID) + len(r.User) + len(r.Subject) + 64
}
