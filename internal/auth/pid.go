package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// pid is the opaque signed name of a user that JavaScript clients send back by themselves. For a guest it is as good as his token, so
// that one whose program repeats `auth: {name}` stays the same person (cases.md 1).
type pid struct {
	User    chat.UserID `json:"u"`
	Name    string      `json:"n"`
	Guest   bool        `json:"g,omitempty"`
	Expires int64       `json:"e"` // s since 1970
}

const pidPrefix = "p1."

func signPID(key []byte, p pid) string {
	data, err := json.Marshal(p)
	if err != nil { // plain strings and numbers always encode
		panic(err)
	}
	body := base64.RawURLEncoding.EncodeToString(data)
	return pidPrefix + body + "." + base64.RawURLEncoding.EncodeToString(mac(key, body))
}

// readPID gives what a pid says if it is ours and not expired.
func readPID(key []byte, text string, now time.Time) (pid, bool) {
	var p pid
	if len(text) > maxToken || !strings.HasPrefix(text, pidPrefix) {
		return p, false
	}
	body, sig, ok := strings.Cut(text[len(pidPrefix):], ".")
	if !ok {
		return p, false
	}
	given, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil || !hmac.Equal(given, mac(key, body)) {
		return p, false
	}
	data, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(data, &p) != nil {
		return p, false
	}
	return p, now.Before(time.Unix(p.Expires, 0).Add(Leeway))
}

func mac(key []byte, body string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(body))
	return m.Sum(nil)
}
