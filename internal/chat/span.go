package chat

import (
	"encoding/binary"
	"errors"
	"math"
)

// Span says: in (From, To] of the log these are all the records of this room. From is the fence. What a relay publishes, what a digest
// says, what a node tails itself and what a fill brings are all spans (DESIGN.md §4).
type Span struct {
	From, To Seq
	Records  []Record // with Seq and At
}

// Digest says of (P0, P1] of a partition: these rooms changed, and this is the last record of each.
type Digest struct {
	P0, P1 Seq
	Heads  map[RoomID]Seq
}

// Span is what a digest says of one room: after its head, or after P0 if it is not named, there is nothing through P1.
func (d Digest) Span(room RoomID) Span {
	if head, ok := d.Heads[room]; ok {
		return Span{From: head, To: d.P1}
	}
	return Span{From: d.P0, To: d.P1}
}

// Whisper is an ephemeral event: it has no seq, is not in the log, and may be lost.
type Whisper struct {
	Name string // the event's name
	From UserID // who caused it; not told to himself. Empty: the server
	Body []byte // its JSON object
}

// The first byte of what travels on the bus.
const (
	noteSpan    = 'S'
	noteDigest  = 'D'
	noteWhisper = 'W'
)

var errNote = errors.New("malformed note")

// Encode gives the bus's bytes of a span.
func (s Span) Encode() []byte {
	size := 1 + 3*binary.MaxVarintLen64
	for _, r := range s.Records {
		size += 3*binary.MaxVarintLen64 + recordSize(r)
	}
	dst := append(make([]byte, 0, size), noteSpan)
	dst = binary.AppendUvarint(dst, uint64(s.From))
	dst = binary.AppendUvarint(dst, uint64(s.To))
	dst = binary.AppendUvarint(dst, uint64(len(s.Records)))
	for _, r := range s.Records {
		dst = binary.AppendUvarint(dst, uint64(r.Seq))
		dst = binary.AppendVarint(dst, r.At)
		dst = binary.AppendUvarint(dst, uint64(recordSize(r)))
		dst = AppendRecord(dst, r)
	}
	return dst
}

// Encode gives the bus's bytes of a digest.
func (d Digest) Encode() []byte {
	dst := binary.AppendUvarint([]byte{noteDigest}, uint64(d.P0))
	dst = binary.AppendUvarint(dst, uint64(d.P1))
	dst = binary.AppendUvarint(dst, uint64(len(d.Heads)))
	for room, head := range d.Heads {
		dst = appendString(dst, string(room))
		dst = binary.AppendUvarint(dst, uint64(head))
	}
	return dst
}

// Encode gives the bus's bytes of a whisper.
func (w Whisper) Encode() []byte {
	dst := appendString([]byte{noteWhisper}, w.Name)
	dst = appendString(dst, string(w.From))
	return append(dst, w.Body...)
}

// ParseNote reads what came over the bus: a Span, a Digest or a Whisper. What it gives may share memory with data.
func ParseNote(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, errNote
	}
	r := &noteReader{data: data[1:]}
	var out any
	switch data[0] {
	case noteSpan:
		out = r.span()
	case noteDigest:
		out = r.digest()
	case noteWhisper:
		w := Whisper{Name: string(r.bytes()), From: UserID(r.bytes())}
		w.Body, r.data = r.data, nil
		r.bad = r.bad || !isObject(w.Body) // it goes out as it is
		out = w
	default:
		r.bad = true
	}
	if r.bad || len(r.data) > 0 {
		return nil, errNote
	}
	return out, nil
}

// noteReader takes a note apart; bad stays true from the first thing that does not fit.
type noteReader struct {
	data []byte
	bad  bool
}

func (r *noteReader) uint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || v > math.MaxInt64 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *noteReader) int() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.bad, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *noteReader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.data)) {
		r.bad, r.data = true, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *noteReader) span() Span {
	s := Span{From: Seq(r.uint()), To: Seq(r.uint())}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		seq, at := Seq(r.uint()), r.int()
		rec, err := ParseRecord(r.bytes())
		if err != nil {
			r.bad = true
		}
		rec.Seq, rec.At = seq, at
		s.Records = append(s.Records, rec)
	}
	return s
}

func (r *noteReader) digest() Digest {
	d := Digest{P0: Seq(r.uint()), P1: Seq(r.uint()), Heads: map[RoomID]Seq{}}
	for n := r.uint(); n > 0 && !r.bad; n-- {
		room := RoomID(r.bytes())
		d.Heads[room] = Seq(r.uint())
	}
	return d
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
