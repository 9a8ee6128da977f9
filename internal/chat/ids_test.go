package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"
	"time"
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
}

// What is stored names messages by these ids, and a retry must come to the same one.
func TestMessageIDs(t *testing.T) {
	for clientID, want := range map[string]MessageID{
		"c1":                                   "BQJ90H84i65Dpz33sfXPmg",
		"00000000-0000-7000-8000-000000000001": "-------xL7XQ7devX976IU",
		"ffffffff-ffff-7000-8000-000000000001": "zzzzzzzqQieEvm8U6CfSpM",
		"019abcde-f012-7abc-8def-0123456789ab": "Oewrj-HQfyEmWW4fqVmIHQ",
		"019abcde-f012-4abc-8def-0123456789ab": "PjIyh-Q_iFheRNw0PIhuHw", // another kind of UUID
	} {
		if got := MakeMessageID("lobby", "ann", clientID); got != want {
			t.Errorf("the id under %s is %q, and was %q in what is stored", clientID, got, want)
		}
	}
}

// A younger message's id stands behind an older one's, whatever room and user; nothing but the clientId's time has a say in it.
func TestMessageIDsAscend(t *testing.T) {
	last := MessageID("")
	for i := range int64(5000) {
		id := NewUUIDv7(time.UnixMilli(i * i * i * 30))
		got, other := MakeMessageID("lobby", "ann", id), MakeMessageID("lobby", "bob", id)
		switch {
		case got <= last:
			t.Fatalf("%s of %s does not lie behind %s", got, id, last)
		case got == other || got[:7] != other[:7] || len(got) != 22 || !ValidClientID(string(got)):
			t.Fatalf("under %s ann's id is %s, and bob's %s", id, got, other)
		}
		last = got
	}
}
