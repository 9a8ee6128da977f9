package presence

import (
	"encoding/binary"
	"errors"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// The value of a node's field in a room's hash: version, the life of the node that wrote it, the count, and the users if they are named.
// Strings and lists have their length in front.
const (
	fieldCounted byte = 1 // only a count
	fieldNamed   byte = 2 // with names
)

// lifeSize is the length of a node's life: random hexadecimal digits.
const lifeSize = 16

var (
	errField = errors.New("malformed presence")
	errNewer = errors.New("presence in a form that is not known here")
)

// appendField appends the value that says h, as told by a life.
func appendField(dst []byte, life string, h chat.Here) []byte {
	kind := fieldNamed
	if h.Users == nil {
		kind = fieldCounted
	}
	dst = append(dst, kind)
	dst = append(dst, life...)
	dst = binary.AppendUvarint(dst, uint64(h.Count))
	if kind == fieldCounted {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(h.Users)))
	for _, u := range h.Users {
		guest := byte(0)
		if u.Guest {
			guest = 1
		}
		dst = append(dst, guest)
		dst = binary.AppendUvarint(dst, uint64(len(u.ID)))
		dst = append(dst, u.ID...)
		dst = binary.AppendUvarint(dst, uint64(len(u.Name)))
		dst = append(dst, u.Name...)
	}
	return dst
}

// parseField reads a value: Count and Users are set. errNewer: a later version wrote it; errField: nobody did.
func parseField(s string) (life string, h chat.Here, err error) {
	if s == "" {
		return "", h, errField
	}
	kind := s[0]
	if kind != fieldCounted && kind != fieldNamed {
		return "", h, errNewer
	}
	if len(s) < 1+lifeSize {
		return "", h, errField
	}
	life = s[1 : 1+lifeSize]
	r := &fieldReader{rest: s[1+lifeSize:]}
	h.Count = int(r.number(1 << 40))
	if kind == fieldNamed {
		h.Users = make([]chat.User, 0, min(h.Count, MaxNames))
		for n := r.number(MaxNames); n > 0 && !r.bad; n-- {
			guest := r.take(1)
			u := chat.User{Guest: guest == "\x01", ID: chat.UserID(r.text()), Name: r.text()}
			r.bad = r.bad || guest > "\x01"
			h.Users = append(h.Users, u)
		}
	}
	if r.bad || r.rest != "" || h.Count == 0 {
		return "", chat.Here{}, errField
	}
	return life, h, nil
}

// fieldReader takes a value apart; bad stays true from the first thing that does not fit.
type fieldReader struct {
	rest string
	bad  bool
}

func (r *fieldReader) number(most uint64) uint64 {
	n, size := uint64(0), 0
	for shift := 0; ; shift += 7 {
		if size == len(r.rest) || shift > 56 {
			r.bad = true
			return 0
		}
		b := r.rest[size]
		size++
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if r.rest = r.rest[size:]; n > most {
		r.bad = true
		return 0
	}
	return n
}

func (r *fieldReader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *fieldReader) text() string { return r.take(r.number(1 << 20)) }
