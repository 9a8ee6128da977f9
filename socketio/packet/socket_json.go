package packet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The functions of this file that take JSON apart expect it to be valid: checkJSON or json.Valid comes first.

// mostLevels is where the standard library stops too: the check calls itself for each level.
const mostLevels = 10_000

// checkJSON tells whether b is one JSON value in valid UTF-8, at most depth levels deep.
func checkJSON(b []byte, depth int) error {
	if nesting(b) > min(depth, mostLevels) {
		return ErrSocketDepth
	}
	if !utf8.Valid(b) || !gjson.ValidBytes(b) {
		return fmt.Errorf("%w: not JSON", ErrSocketPayload)
	}
	return nil
}

// nesting counts the levels of arrays and objects. On text that is not JSON the number means nothing, but it is found in one pass.
func nesting(b []byte) int {
	level, deepest := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = skipString(b, i) - 1
		case '[', '{':
			level++
			deepest = max(deepest, level)
		case ']', '}':
			level--
		}
	}
	return deepest
}

// kindOf is the first character of a value: it tells its kind.
func kindOf(b []byte) byte {
	if i := skipSpace(b, 0); i < len(b) {
		return b[i]
	}
	return 0
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the place behind the string that begins at i.
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

// skipValue returns the place behind the value that begins at i.
func skipValue(b []byte, i int) int {
	level := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); level == 0 {
				return i
			}
			continue
		case '[', '{':
			level++
		case ']', '}':
			if level == 0 {
				return i // the end of what the value is in
			}
			if level--; level == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if level == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// splitArray cuts an array into its values. They share b's memory, but appending to one cannot touch the next.
func splitArray(b []byte) ([]json.RawMessage, error) {
	var values []json.RawMessage
	for i := skipSpace(b, skipSpace(b, 0)+1); b[i] != ']'; {
		end := skipValue(b, i)
		if len(values) == maxArgs {
			return nil, fmt.Errorf("%w: more than %d values", ErrSocketPayload, maxArgs)
		}
		if values == nil {
			values = make([]json.RawMessage, 0, 4)
		}
		values = append(values, json.RawMessage(b[i:end:end]))
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
	return values, nil
}

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD, control characters are escaped.
func AppendString(dst []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return append(dst, `""`...) // not reached: every string has a JSON form
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}

// AppendJSON appends a ready JSON value. U+001E, which separates the packets of a polling body, never passes raw: valid JSON
// cannot hold it, and in what was not checked it is written as an escape.
func AppendJSON(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, 0x1e)
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(append(dst, raw[:i]...), `\u001e`...)
		raw = raw[i+1:]
	}
}
