package auth

import (
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

var fuzzSecret = Secret{raw: []byte("the secret of the fuzzers")}

// FuzzVerify: a token is taken only if it is one of those that were minted here; every other is refused as unauthorized, without a panic.
func FuzzVerify(f *testing.F) {
	tokens := NewTokens(fuzzSecret, oneKey{[]byte("the host application's secret")})
	minted, err := tokens.Mint(chat.User{ID: "ada", Name: "Ada"}, 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{minted, "", "..", "a.b.c", minted[:len(minted)-1], minted + ".", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.",
		"eyJhbGciOiJIUzI1NiIsImtpZCI6N30.eyJzdWIiOjcsImV4cCI6LTFlOTl9.AAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		user, _, err := tokens.Verify(text)
		if err == nil && text != minted {
			t.Fatalf("%q was taken for %+v", text, user)
		}
		if err != nil && !errors.Is(err, chat.Errorf(chat.CodeUnauthorized, "")) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// FuzzPID: only what was signed here is somebody's name.
func FuzzPID(f *testing.F) {
	key := fuzzSecret.Key("pid")
	signed := signPID(key, pid{User: "ada", Name: "Ada", Guest: true, Expires: 1 << 40})
	for _, s := range []string{signed, "", "p1.", "p1..", "p1.e30.AAAA", signed[:len(signed)-1], signed + "~x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := readPID(key, text, time.Unix(1_700_000_000, 0))
		if ok && (p.User != "ada" || p.Name != "Ada" || !p.Guest) {
			t.Fatalf("%q was taken for %+v", text, p)
		}
	})
}

// FuzzKey: whatever --auth-key holds, it is a key of a known type or an error.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"short", "a secret of enough letters", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
		"-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "-----BEGIN"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseKey(data)
		checkKey(t, key, err)
	})
}

func checkKey(t *testing.T, key any, err error) {
	t.Helper()
	if err != nil {
		return
	}
	switch k := key.(type) {
	case []byte:
		if len(k) < minSecret {
			t.Fatalf("a secret of %d bytes", len(k))
		}
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			t.Fatalf("an RSA key of %d bits", k.N.BitLen())
		}
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			t.Fatalf("an Ed25519 key of %d bytes", len(k))
		}
	default:
		t.Fatalf("a key of type %T", key)
	}
}

// FuzzJWKS: of whatever an address gives, only public keys of the known types are kept, and they can be asked to verify.
func FuzzJWKS(f *testing.F) {
	for _, s := range []string{`{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"GDxfEcbW0bZ5Wz3-C8cz1A5wz5Yb5mNfE2nTt8xM3qk"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"RSA","n":"","e":"////////////"}]}`, `[]`, `{"keys":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseJWKS(data)
		if err != nil {
			return
		}
		for _, key := range keys {
			if _, secret := key.([]byte); secret {
				t.Fatal("a shared secret from an address")
			}
			checkKey(t, key, nil)
		}
	})
}
