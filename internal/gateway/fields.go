package gateway

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
)

// fields reads a request's object field by field. The first thing that is wrong stays in err; what is read after it is zero. Fields
// that nobody asks for are ignored. A null is as good as a missing field.
type fields struct {
	values []socketio.Member
	err    error
}

// parseFields takes the payload apart: one JSON object, checked by checkContent.
func parseFields(args []json.RawMessage, depth int) *fields {
	f, ok := &fields{}, false
	switch {
	case len(args) != 1:
		f.fail("the request must be one object, not %d arguments", len(args))
	case !bytes.HasPrefix(bytes.TrimLeft(args[0], " \t\r\n"), []byte{'{'}):
		f.fail("the request must be an object")
	default:
		if err := checkContent(args[0], depth); err != nil {
			f.fail("the request: %v", err)
		} else if f.values, ok = socketio.SplitObject(args[0]); !ok {
			f.fail("the request is not valid JSON")
		}
	}
	return f
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = chat.Errorf(chat.CodeInvalid, format, args...)
	}
}

// has says whether the field is there, and gives its JSON; of several of one name the last counts.
func (f *fields) has(name string) (json.RawMessage, bool) {
	for _, m := range slices.Backward(f.values) {
		if string(m.Name) == name {
			return m.JSON, f.err == nil && string(m.JSON) != "null"
		}
	}
	return nil, false
}

// optional reads a text that may be missing: nil then.
func (f *fields) optional(name string) *string {
	raw, ok := f.has(name)
	if !ok {
		return nil
	}
	s, ok := socketio.Unquote(raw)
	if !ok {
		f.fail("%s: must be a string", name)
		return nil
	}
	return &s
}

// text reads a text that may be missing: empty then.
func (f *fields) text(name string) string {
	if s := f.optional(name); s != nil {
		return *s
	}
	return ""
}

// required reads a text that must be there.
func (f *fields) required(name string) string {
	s := f.optional(name)
	if s == nil {
		f.fail("%s: is missing", name)
		return ""
	}
	return *s
}

// room reads the room's id.
func (f *fields) room() chat.RoomID {
	id := f.required("roomId")
	if f.err == nil && !chat.ValidClientID(id) {
		f.fail("roomId: is not the id of a room")
	}
	return chat.RoomID(id)
}

// clientID reads a clientId; must says whether it may be missing.
func (f *fields) clientID(must bool) string {
	id := f.optional("clientId")
	switch {
	case id == nil && must:
		f.fail("clientId: is missing")
	case id == nil:
	case !chat.ValidClientID(*id):
		f.fail("clientId: must be 1 to %d of A–Z a–z 0–9 . _ : -", chat.MaxClientID)
	default:
		return *id
	}
	return ""
}

// boolean reads true or false; a missing one is false, or refused if must.
func (f *fields) boolean(name string, must bool) bool {
	raw, ok := f.has(name)
	switch {
	case !ok && must:
		f.fail("%s: is missing", name)
	case !ok:
	case string(raw) == "true":
		return true
	case string(raw) != "false":
		f.fail("%s: must be true or false", name)
	}
	return false
}

// maxSafe is the largest whole number that a JavaScript client counts to.
const maxSafe = 1<<53 - 1

// seq reads a place in a room's log.
func (f *fields) seq(name string) (chat.Seq, bool) {
	raw, ok := f.has(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > maxSafe {
		f.fail("%s: must be a whole number from 0 to 2^53-1", name)
		return 0, false
	}
	return chat.Seq(n), true
}

// limit reads how many rows an answer may have; 0 if it is not said.
func (f *fields) limit(most int) int {
	raw, ok := f.has("limit")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 1 || n > most {
		f.fail("limit: must be a whole number from 1 to %d (--page-size)", most)
		return 0
	}
	return n
}

// cursor reads a page token.
func (f *fields) cursor() chat.Cursor {
	c := f.text("cursor")
	if len(c) > 1024 {
		f.fail("cursor: is not from an earlier answer")
		return ""
	}
	return chat.Cursor(c)
}

// places reads `since`: rooms and places.
func (f *fields) places(name string) map[chat.RoomID]chat.Seq {
	raw, ok := f.has(name)
	if !ok {
		return nil
	}
	var rooms map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &rooms) != nil {
		f.fail("%s: must be an object of room ids and whole numbers", name)
		return nil
	}
	out := make(map[chat.RoomID]chat.Seq, len(rooms))
	for id, place := range rooms {
		n, err := strconv.ParseInt(string(place), 10, 64)
		if err != nil || n < 0 || n > maxSafe || !chat.ValidClientID(id) {
			f.fail("%s: must be an object of room ids and whole numbers", name)
			return nil
		}
		out[chat.RoomID(id)] = chat.Seq(n)
	}
	return out
}
