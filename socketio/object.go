package socketio

import (
	"encoding/json"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Member is a field of an object: its name, and the JSON of its value.
type Member = packet.Member

// SplitObject takes an argument of an event apart that is an object, for less than a decoder into a map would cost; false: it is none. What
// is not valid JSON never comes as an argument.
func SplitObject(arg json.RawMessage) ([]Member, bool) { return packet.SplitObject(arg) }

// Unquote decodes the JSON of a string; false: it is another value.
func Unquote(value json.RawMessage) (string, bool) { return packet.Unquote(value) }
