package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// A digest is that of its parts, each behind its length, whatever their size; ids in stored data rest on it.
func TestDigest(t *testing.T) {
	long := strings.Repeat("0123456789", 5000)
	for _, parts := range [][]string{nil, {""}, {"a", ""}, {"", "a"}, {"room", "user", "client"}, {long[:487], "ab"}, {long[:496]}, {long[:497]}, {long[:504]}, {long[:505]},
		{long[:511]}, {long[:512]}, {long[:513], ""}, {long[:1024], "b"}, {"a", long, "b", long[:777]}} {
		var all []byte
		for _, p := range parts {
			all = append(binary.BigEndian.AppendUint64(all, uint64(len(p))), p...)
		}
		if got, want := digest(parts), sha256.Sum256(all); got != want {
			t.Errorf("%d parts of %d bytes: %x, want %x", len(parts), len(all), got, want)
		}
	}
	if got := fmt.Sprint(MakeMessageID("lobby", "ann", "c1")); got != known {
		t.Errorf("the id of a message is %q, and was %q in what is stored", got, known)
	}
}

// known is an id as it was made from the first version on.
const known = "BQJ90H84i65Dpz33sfXPmg"
