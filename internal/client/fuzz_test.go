package client

import (
	"encoding/json"
	"testing"
)

// FuzzTake: whatever a server sends, the client takes it or ends with an error.
func FuzzTake(f *testing.F) {
	for _, s := range []string{"2", "42[\"a\",1]", "42[]", "430[1]", "43[", "41", "1", "", "4", "44{}", "42[\"a\"", `0{"sid":"x","pingInterval":1,"pingTimeout":1}`, `0{"sid":7}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if h, err := parseHandshake(msg); err == nil && (h.SID == "" || h.PingInterval <= 0) {
			t.Fatalf("%q is %+v", msg, h)
		}
		answered := false
		c := &Client{wire: deaf{}, on: func(string, json.RawMessage) {}, acks: map[string]func(json.RawMessage, error){"0": func(a json.RawMessage, _ error) {
			answered = true
			_, _ = Answer(a)
		}}}
		_ = c.take(msg)
		if answered && len(c.acks) != 0 {
			t.Fatal("an ack that is answered twice")
		}
	})
}

// deaf is a connection to nobody.
type deaf struct{ wire }

func (deaf) send([]byte) error { return nil }
