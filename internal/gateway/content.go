package gateway

import (
	"errors"
	"unicode/utf8"
)

// What JSON allows and not every engine can hold, or a program can be tripped by (cases.md 2).
var (
	errUTF8      = errors.New("not valid UTF-8")
	errNul       = errors.New("U+0000 is not allowed")
	errSurrogate = errors.New("half of a surrogate pair")
	errDepth     = errors.New("nested too deep (--json-depth)")
)

// checkContent looks through a valid JSON text for what must not get in: bytes that are no UTF-8, an escaped U+0000, half of a
// surrogate pair, or more than depth levels of arrays and objects.
func checkContent(raw []byte, depth int) error {
	if !utf8.Valid(raw) {
		return errUTF8
	}
	level, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			if level++; level > depth {
				return errDepth
			}
		case !inString && (c == '}' || c == ']'):
			level--
		case c == 0:
			return errNul
		case c == '\\':
			n, err := checkEscape(raw[i:])
			if err != nil {
				return err
			}
			i += n - 1
		}
	}
	return nil
}

// checkEscape looks at the escape at the beginning of b and says how long it is.
func checkEscape(b []byte) (int, error) {
	r, ok := unicodeEscape(b)
	switch {
	case !ok:
		return min(2, len(b)), nil
	case r == 0:
		return 0, errNul
	case 0xdc00 <= r && r <= 0xdfff:
		return 0, errSurrogate
	case 0xd800 <= r && r <= 0xdbff:
		low, ok := unicodeEscape(b[6:])
		if !ok || low < 0xdc00 || low > 0xdfff {
			return 0, errSurrogate
		}
		return 12, nil
	}
	return 6, nil
}

// unicodeEscape reads \uXXXX.
func unicodeEscape(b []byte) (r uint32, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= uint32(c - '0')
		case 'a' <= c && c <= 'f':
			r |= uint32(c-'a') + 10
		case 'A' <= c && c <= 'F':
			r |= uint32(c-'A') + 10
		default:
			return 0, false
		}
	}
	return r, true
}
