package chat

import (
	"encoding/json"
	"unicode/utf8"
)

// Malformed says why no engine may hold r and no client may be shown it; empty: nothing is wrong. Such a record did not come through the
// door: something else put it into the log or the store. object says whether bytes are one JSON object that may go out as it is: valid
// UTF-8, nothing before it, no raw U+001E.
func Malformed(r Record, object func([]byte) bool) string {
	switch {
	case r.ID == "" || r.Room == "":
		return "the record has no id or no room"
	case !object(r.Body):
		return "the body is not a JSON object"
	}
	return ""
}

// isObject is the standard library's answer, for what comes seldom.
func isObject(b []byte) bool { return utf8.Valid(b) && json.Valid(b) && b[0] == '{' }

// Tombstone stands where a record was that can never be stored or shown: with its seq, id and user, without what it said.
func Tombstone(r Record) Record {
	t := Record{Seq: r.Seq, At: r.At, Kind: KindTombstone, Room: r.Room, ID: r.ID, User: r.User, Sent: r.Sent, Sum: r.Sum}
	t.Body = Body{ID: r.ID, RoomID: r.Room, User: User{ID: r.User}, Deleted: true, Reason: "unstorable", At: r.Sent}.Encode()
	return t
}

// Shown is r as clients see it: itself, or its tombstone, so that one bad record, or one of a kind that has no event, does not end every
// connection that hears it. object is that of Malformed.
func Shown(r Record, object func([]byte) bool) Record {
	if Malformed(r, object) != "" || r.Kind.EventName() == "" {
		return Tombstone(r)
	}
	return r
}
