package auth_test

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
)

func secretOf(t testing.TB, text string) auth.Secret {
	t.Helper()
	s, err := auth.NewSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func nodeAt(t testing.TB, text string) auth.NodeAddress {
	t.Helper()
	a, err := auth.ParseNodeAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNodeAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"10.0.0.7:3001":              "http://10.0.0.7:3001",
		" node-1.Chat.example:3001 ": "http://node-1.chat.example:3001",
		"[::1]:3001":                 "http://[::1]:3001",
		"[2001:DB8:0::1]:3001":       "http://[2001:db8::1]:3001",
		"http://node:80":             "http://node:80",
		"http://node":                "http://node:80",
		"https://node/":              "https://node:443",
		"https://[::1]":              "https://[::1]:443",
	} {
		a, err := auth.ParseNodeAddress(text)
		if err != nil || a.String() != want {
			t.Errorf("%q: %q, %v", text, a, err)
		}
	}
	for _, text := range []string{"node", ":3001", "node:0", "node:070", "node:65536", "node:http", "0.0.0.0:3001", "[::]:3001", "[fe80::1%eth0]:3001",
		"ftp://node:1", "http://user@node:1", "http://node:1/path", "http://node:1?x", "http://", "no de:1", "a/b:1", "é:1", "::1:3001", strings.Repeat("a", 300) + ":1"} {
		_, err := auth.ParseNodeAddress(text)
		if err == nil || !strings.Contains(err.Error(), "--advertise") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestSessionIDs(t *testing.T) {
	s := secretOf(t, "a secret of all nodes")
	seen := map[string]bool{}
	for _, own := range []string{"", "10.0.0.7:3001", "https://node.example", "[::1]:3001", strings.Repeat("a", 250) + ":3001"} {
		ids := auth.NewSIDs(s, nodeAt(t, own))
		for range 50 {
			id := ids.New()
			if seen[id] || len(id) > auth.MaxSID || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
				t.Fatalf("%d characters, or seen before: %s", len(id), id)
			}
			seen[id] = true
			other := auth.NewSIDs(s, auth.NodeAddress{})
			if got, err := other.Node(id); own != "" && (err != nil || got != nodeAt(t, own)) || own == "" && !errors.Is(err, auth.ErrNoNode) {
				t.Fatalf("%q: %v, %v", own, got, err)
			}
		}
	}
	id := auth.NewSIDs(s, nodeAt(t, "10.0.0.7:3001")).New()
	if _, err := auth.NewSIDs(secretOf(t, "another secret here"), auth.NodeAddress{}).Node(id); !errors.Is(err, auth.ErrSigned) {
		t.Errorf("another secret: %v", err)
	}
	if _, err := auth.NewSIDs(s, auth.NodeAddress{}).Node(id + "="); !errors.Is(err, auth.ErrNoNode) {
		t.Errorf("padded: %v", err)
	}
}

// FuzzSIDs: whatever a client sends, what comes out is the address that was signed, or none. (Each process of a fuzzing run makes its own
// good id, so those of the others are as good.)
func FuzzSIDs(f *testing.F) {
	ids := auth.NewSIDs(secretOf(f, "a secret of all nodes"), nodeAt(f, "10.0.0.7:3001"))
	foreign := auth.NewSIDs(secretOf(f, "another secret here"), nodeAt(f, "169.254.169.254:80"))
	good := ids.New()
	for _, seed := range []string{"", "x", good, good[1:], foreign.New(), auth.NewSIDs(secretOf(f, "another secret here"), auth.NodeAddress{}).New(),
		base64.RawURLEncoding.EncodeToString(make([]byte, 40)), "AQ" + strings.Repeat("A", 60), strings.Repeat("_", auth.MaxSID)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sid string) {
		a, err := ids.Node(sid)
		if err == nil && a != ids.Own() || sid == good && err != nil || strings.HasPrefix(sid, good) && sid != good && err == nil {
			t.Fatalf("%q: %v, %v", sid, a, err)
		}
		if err != nil && a != (auth.NodeAddress{}) {
			t.Fatalf("an address with an error: %v", a)
		}
	})
}

func TestHops(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	s := secretOf(t, "a secret of all nodes")
	h := auth.NewHops(s, clock(0))
	for text, want := range map[string]string{"203.0.113.7": "203.0.113.7", "2001:db8::7": "2001:db8::7", "::ffff:1.2.3.4": "1.2.3.4", "fe80::1%eth0": "fe80::1", "": "invalid IP"} {
		addr, _ := netip.ParseAddr(text)
		mark := h.Mark("sid", addr)
		got, err := h.Verify(mark, "sid")
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if !h.Answered(mark, h.Answer(mark)) || h.Answered(mark, mark) || h.Answered(mark, "") || h.Answered(mark+" ", h.Answer(mark)) {
			t.Errorf("%q: the proof of the answer", text)
		}
	}
	mark := h.Mark("sid", netip.MustParseAddr("203.0.113.7"))
	for _, c := range []struct {
		name, mark, sid string
		by              *auth.Hops
		want            error
	}{
		{"another session", mark, "sid2", h, auth.ErrHop},
		{"no session", h.Mark("", netip.Addr{}), "", h, auth.ErrHop},
		{"another secret", mark, "sid", auth.NewHops(secretOf(t, "another secret here"), clock(0)), auth.ErrHop},
		{"old", mark, "sid", auth.NewHops(s, clock(3*time.Minute)), auth.ErrHopTime},
		{"early", mark, "sid", auth.NewHops(s, clock(-3*time.Minute)), auth.ErrHopTime},
		{"a clock that is a minute off", mark, "sid", auth.NewHops(s, clock(time.Minute)), nil},
		{"empty", "", "sid", h, auth.ErrHop},
		{"the proof instead", h.Answer(mark), "sid", h, auth.ErrHop},
		{"more behind", mark + " 1", "sid", h, auth.ErrHop},
	} {
		if _, err := c.by.Verify(c.mark, c.sid); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// FuzzHops: no text but a mark itself passes for one.
func FuzzHops(f *testing.F) {
	h := auth.NewHops(secretOf(f, "a secret of all nodes"), func() time.Time { return time.Unix(1_800_000_000, 0) })
	mark := h.Mark("sid", netip.MustParseAddr("203.0.113.7"))
	for _, seed := range []string{"", " ", mark, mark + " ", "1 1800000000 - x", "1 1800000000 203.0.113.7 ", h.Answer(mark), strings.Repeat(" ", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := h.Verify(text, "sid"); (err == nil) != (text == mark) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
