package bench

import (
	"bytes"
	"math"
	"strconv"
)

// stamp is what a message of the bench says of itself, at the head of its text. JSON leaves it as it is.
type stamp struct {
	run    uint32 // other runs' messages, in history or in the same room, are not counted
	sender int
	number int
	at     int64 // nanoseconds since the run began
}

// maxDigits of a number: what has more may not fit into 63 bits.
const maxDigits = 12

// mark begins a stamp.
var mark = []byte("~hb:")

// append writes the stamp: ~hb:run.sender.number.at~ in base 36.
func (s stamp) append(dst []byte) []byte {
	dst = append(dst, mark...)
	dst = append(strconv.AppendUint(dst, uint64(s.run), 36), '.')
	dst = append(strconv.AppendInt(dst, int64(s.sender), 36), '.')
	dst = append(strconv.AppendInt(dst, int64(s.number), 36), '.')
	return append(strconv.AppendInt(dst, s.at, 36), '~')
}

// findStamp looks for a stamp in an event.
func findStamp(event []byte) (s stamp, ok bool) {
	i := bytes.Index(event, mark)
	if i < 0 {
		return s, false
	}
	var part [4]int64
	rest := event[i+len(mark):]
	for n := range part {
		end := byte('.')
		if n == len(part)-1 {
			end = '~'
		}
		var value int64
		for j := 0; ; j++ {
			if j == len(rest) || j > maxDigits {
				return s, false
			}
			if j > 0 && rest[j] == end {
				rest = rest[j+1:]
				break
			}
			d := digit(rest[j])
			if d < 0 {
				return s, false
			}
			value = value*36 + d
		}
		part[n] = value
	}
	if part[0] > math.MaxUint32 || part[1] > math.MaxInt32 || part[2] > math.MaxInt32 {
		return s, false
	}
	return stamp{uint32(part[0]), int(part[1]), int(part[2]), part[3]}, true
}

func digit(c byte) int64 {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0')
	case 'a' <= c && c <= 'z':
		return int64(c-'a') + 10
	}
	return -1
}
