package chat

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// MaxClientID is the most characters of a clientId or a room's id.
const MaxClientID = 64

// ValidClientID says whether id may name a request, or a room: 1 to 64 of A–Z a–z 0–9 . _ : -.
func ValidClientID(id string) bool {
	if id == "" || len(id) > MaxClientID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// UUIDv7Time gives the time in a UUIDv7 (RFC 9562 §5.7); ok is false for every other text.
func UUIDv7Time(id string) (t time.Time, ok bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-' {
		return t, false
	}
	var digits, raw [32]byte // raw is twice as long as it need be
	n := 0
	for i := range len(id) {
		if id[i] != '-' && n < len(digits) {
			digits[n] = id[i]
			n++
		}
	}
	if _, err := hex.Decode(raw[:], digits[:]); err != nil || raw[6]>>4 != 7 || raw[8]>>6 != 2 {
		return t, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)), true
}

// NewUUIDv7 makes a UUIDv7 of t: 48 bits of milliseconds, the rest random.
func NewUUIDv7(t time.Time) string {
	var raw [16]byte
	rand.Read(raw[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(raw[:6], ms[2:])
	raw[6] = 7<<4 | raw[6]&0x0f
	raw[8] = 2<<6 | raw[8]&0x3f
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// age is how old a request is by its clientId's own time; dated is false where the clientId holds none.
type age struct {
	old   time.Duration
	dated bool
}

func ageOf(clientID string, now time.Time) age {
	t, ok := UUIDv7Time(clientID)
	return age{now.Sub(t), ok}
}

// young says that no earlier copy can lie further back than a hub remembers, so that nothing needs to be looked up.
func (a age) young(t Times) bool { return a.dated && a.old >= 0 && a.old < t.Young }

// fresh says that every copy of a change of membership still lies in the hubs' memory of ids.
func (a age) fresh(t Times) bool { return a.dated && a.old.Abs() <= t.Patience }
