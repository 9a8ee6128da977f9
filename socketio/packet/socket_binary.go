package packet

import (
	"encoding/json"
	"strconv"
)

// A placeholder is the object that stands in the JSON for an attachment: {"_placeholder":true,"num":<index>}. As the official
// decoder does, an object counts as one when its member _placeholder is true, whatever else it holds, anywhere in the payload.
// The last of equal keys counts.

// hole is one placeholder found in a JSON text.
type hole struct {
	start, end int
	num        int // -1: not an index
}

// CheckPlaceholders tells whether every placeholder in the valid JSON text raw points at one of n attachments.
func CheckPlaceholders(raw []byte, n int) error {
	for _, h := range findHoles(raw) {
		if h.num < 0 || h.num >= n {
			return ErrSocketPlaceholder
		}
	}
	return nil
}

// Placeholder returns the index that raw, a valid JSON value, points at; ok is false when it is not a placeholder.
func Placeholder(raw []byte) (num int, ok bool) {
	start := skipSpace(raw, 0)
	if start == len(raw) || raw[start] != '{' {
		return 0, false
	}
	holes := findHoles(raw)
	if len(holes) != 1 || holes[0].start != start || holes[0].num < 0 {
		return 0, false
	}
	return holes[0].num, true
}

// AppendPlaceholder appends the placeholder of attachment num.
func AppendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(dst, int64(num), 10), '}')
}

// AppendShifted appends the valid JSON value raw with every placeholder's index raised by shift: the attachments of raw follow
// shift others. Only the n attachments of raw may be pointed at; otherwise ErrSocketPlaceholder.
func AppendShifted(dst, raw []byte, n, shift int) ([]byte, error) {
	done := 0
	for _, h := range findHoles(raw) {
		if h.num < 0 || h.num >= n {
			return dst, ErrSocketPlaceholder
		}
		dst = AppendJSON(dst, raw[done:h.start])
		dst = AppendPlaceholder(dst, h.num+shift)
		done = h.end
	}
	return AppendJSON(dst, raw[done:]), nil
}

// findHoles lists the placeholders of a valid JSON text in one pass.
func findHoles(raw []byte) []hole {
	w := walker{b: raw}
	w.value(skipSpace(raw, 0))
	return w.holes
}

type walker struct {
	b     []byte
	holes []hole
}

// value walks the value at i and returns the place behind it.
func (w *walker) value(i int) int {
	switch w.b[i] {
	case '{':
		return w.object(i)
	case '[':
		i = skipSpace(w.b, i+1)
		for w.b[i] != ']' {
			i = w.next(w.value(i))
		}
		return i + 1
	default:
		return skipValue(w.b, i)
	}
}

// object walks the object at start. If it turns out to be a placeholder, what was found inside it is forgotten: the whole object
// stands for the attachment.
func (w *walker) object(start int) int {
	before := len(w.holes)
	marked, num := false, -1
	i := skipSpace(w.b, start+1)
	for w.b[i] != '}' {
		keyEnd := skipString(w.b, i)
		key, _ := unquoted(w.b[i:keyEnd])
		i = skipSpace(w.b, keyEnd) // the colon
		i = skipSpace(w.b, i+1)    // the value
		end := w.value(i)
		switch string(key) {
		case "_placeholder":
			marked = string(w.b[i:end]) == "true"
		case "num":
			num = index(w.b[i:end])
		}
		i = w.next(end)
	}
	if marked {
		w.holes = append(w.holes[:before], hole{start: start, end: i + 1, num: num})
	}
	return i + 1
}

// next steps over the comma behind a value, if there is one.
func (w *walker) next(i int) int {
	if i = skipSpace(w.b, i); w.b[i] == ',' {
		return skipSpace(w.b, i+1)
	}
	return i
}

// index reads a JSON number as an index: a plain whole number; else -1.
func index(raw json.RawMessage) int {
	if len(raw) == 0 || len(raw) > 4 {
		return -1
	}
	n := 0
	for _, c := range raw {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
