package chat

import (
	"encoding/json"
	"unicode/utf8"
)

// Malformed says why no engine may hold r and no client may be shown it; empty: nothing is wrong. Such a record did not come through the
// door: something else put it into the log or the store.
func Malformed(r Record) string {
	switch {
	case r.ID == "" || r.Room == "":
		return "the record has no id or no room"
	case !isObject(r.Body):
		return "the body is not a JSON object"
	}
	return ""
}

// isObject says whether b is one JSON object that may go out to clients as it is: valid UTF-8, nothing around it, no raw U+001E.
func isObject(b []byte) bool { return utf8.Valid(b) && json.Valid(b) && b[0] == '{' }

// Tombstone stands where a record was that can never be stored or shown: with its seq, id and user, without what it said.
func Tombstone(r Record) Record {
	t := Record{Seq: r.Seq, At: r.At, Kind: KindTombstone, Room: r.Room, ID: r.ID, User: r.User, Sent: r.Sent, Sum: r.Sum}
	t.Body = Body{ID: r.ID, RoomID: r.Room, User: User{ID: r.User}, Deleted: true, Reason: "unstorable", At: r.Sent}.Encode()
	return t
}

// Shown is r as clients see it: itself, or its tombstone, so that one bad record, or one of a kind that has no event, does not end every
// connection that hears it.
func Shown(r Record) Record {
	if Malformed(r) != "" || r.Kind.EventName() == "" {
		return Tombstone(r)
	}
	return r
}
