package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// maxCursor bounds what is looked at of a cursor, bytes. The longest of ours carries a name and an id.
const maxCursor = 4096

// cursorSum is how many bytes of the check sum a cursor carries.
const cursorSum = 8

// newCursor makes the token of a place in a list. scope says which list it is (its kind, and what was asked), so that a cursor of
// another list, or one that somebody made up, is refused instead of starting somewhere. It hides nothing and needs to hide nothing:
// it carries a place, never a right.
func newCursor(scope []string, place ...string) chat.Cursor {
	body := appendStrings(nil, place)
	sum := sumCursor(scope, body)
	return chat.Cursor(base64.RawURLEncoding.EncodeToString(append(sum, body...)))
}

// parseCursor gives the place of a cursor made for scope, with n parts; ok is false for the empty cursor. A forged one, or one of
// another list, is `invalid`.
func parseCursor(scope []string, c chat.Cursor, n int) (place []string, ok bool, err error) {
	if c == "" {
		return make([]string, n), false, nil
	}
	bad := chat.Errorf(chat.CodeInvalid, "this cursor is not one of this list")
	if len(c) > maxCursor || strings.ContainsAny(string(c), "\r\n") { // which the decoder passes over
		return nil, false, bad
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(data) < cursorSum {
		return nil, false, bad
	}
	body := data[cursorSum:]
	if string(sumCursor(scope, body)) != string(data[:cursorSum]) {
		return nil, false, bad
	}
	for len(body) > 0 {
		size, used := binary.Uvarint(body)
		if used <= 0 || size > uint64(len(body)-used) {
			return nil, false, bad
		}
		place = append(place, string(body[used:used+int(size)]))
		body = body[used+int(size):]
	}
	if len(place) != n {
		return nil, false, bad
	}
	return place, true, nil
}

func sumCursor(scope []string, body []byte) []byte {
	h := sha256.New()
	h.Write(appendStrings(nil, scope))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)[:cursorSum]
}

// appendStrings appends each part behind its length, so that no two lists of parts run together.
func appendStrings(dst []byte, parts []string) []byte {
	for _, p := range parts {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}
