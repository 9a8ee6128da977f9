package packet

import "encoding/json"

// Member is a field of an object: its name, and the JSON of its value.
type Member struct {
	Name []byte
	JSON json.RawMessage
}

// SplitObject takes an object apart that is valid JSON, as the arguments of a decoded event are. The parts share b's memory where they can.
// A decoder into a map costs four times as much, for every event. Of what is not valid it may say so (false) or give parts of it, never
// anything from beyond it.
func SplitObject(b []byte) (ms []Member, ok bool) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return nil, false
	}
	ms = make([]Member, 0, 4) // as many as most requests have
	for i = skipSpace(b, i+1); i < len(b) && b[i] != '}'; {
		end := skipString(b, i)
		name, ok := unquoted(b[i:end])
		if i = skipSpace(b, end); !ok || i == len(b) || b[i] != ':' {
			return nil, false
		}
		i = skipSpace(b, i+1)
		if end = skipValue(b, i); end == i {
			return nil, false
		}
		ms = append(ms, Member{name, b[i:end:end]})
		if i = skipSpace(b, end); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return ms, i < len(b)
}

// Unquote decodes a JSON string that is valid, and valid UTF-8; false: it is another value.
func Unquote(raw []byte) (string, bool) {
	b, ok := unquoted(raw)
	return string(b), ok
}

// unquoted is Unquote, and gives a part of raw where it can.
func unquoted(raw []byte) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c == '"' || c < ' ' {
			var s string
			err := json.Unmarshal(raw, &s)
			return []byte(s), err == nil
		}
	}
	return inner, true
}
