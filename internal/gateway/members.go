package gateway

import "encoding/json"

// member is a field of an object, with the JSON of its value.
type member struct {
	name []byte
	raw  json.RawMessage
}

// splitObject takes an object apart that is valid JSON; every send is read with it, and a decoder into a map costs five times as much. Of
// what is not valid it may say so (false) or give parts of it, never anything from beyond it.
func splitObject(b []byte) (ms []member, ok bool) {
	i := skipSpace(b, 0)
	if i == len(b) || b[i] != '{' {
		return nil, false
	}
	ms = make([]member, 0, 4) // as many as most requests have
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
		ms = append(ms, member{name, b[i:end]})
		if i = skipSpace(b, end); i < len(b) && b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return ms, i < len(b)
}

// unquote reads a JSON string that is valid UTF-8.
func unquote(raw []byte) (string, bool) {
	b, ok := unquoted(raw)
	return string(b), ok
}

// unquoted is unquote, and gives a part of raw where it can.
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

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the place behind the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue gives the place behind the value that begins at i: before the comma, the space or the bracket that ends it.
func skipValue(b []byte, i int) int {
	level := 0
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '{', '[':
			level++
		case '}', ']':
			if level--; level < 0 {
				return i
			}
		case ',', ' ', '\t', '\n', '\r':
			if level == 0 {
				return i
			}
		}
	}
	return len(b)
}
