package badinput_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// host is an application that mints tokens and publishes its keys, as --auth-key reads them.
type host struct {
	address string
	rsa     *rsa.PrivateKey
	edward  ed25519.PrivateKey
}

func newHost(t *testing.T) *host {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edward, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{rsa: key, edward: edward}
	b64 := base64.RawURLEncoding.EncodeToString
	keys, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": "r", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())},
		{"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": b64(edward.Public().(ed25519.PublicKey))},
		{"kty": "oct", "kid": "o", "k": b64([]byte("a shared secret in public"))}}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
	t.Cleanup(s.Close)
	h.address = s.URL
	return h
}

// minted is a token of these claims, over a good set: a nil value takes a claim out.
func (h *host) minted(method jwt.SigningMethod, kid string, key any, change jwt.MapClaims) string {
	claims := jwt.MapClaims{"sub": "tom", "name": "Tom", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return text
}

// forged signs a header and claims by hand, with HMAC.
func forged(header, claims string, key []byte) string {
	b64 := base64.RawURLEncoding.EncodeToString
	body := b64([]byte(header)) + "." + b64([]byte(claims))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(body))
	return body + "." + b64(m.Sum(nil))
}

// ticket is a row of tokens: what is shown in CONNECT, as JSON of the field `token`, and what is said of it.
type ticket struct {
	name  string
	token string // or, when it begins with { or [, JSON of its own
	code  string
	says  string
}

func (h *host) tickets(guest string) []ticket {
	ed := func(change jwt.MapClaims) string { return h.minted(jwt.SigningMethodEdDSA, "e", h.edward, change) }
	good := ed(nil)
	public, _ := x509.MarshalPKIXPublicKey(&h.rsa.PublicKey)
	_, stranger, _ := ed25519.GenerateKey(rand.Reader)
	claims := `{"sub":"tom","exp":99999999999}`
	parts := strings.Split(good, ".")
	signature := "signature or algorithm is not accepted"
	return []ticket{
		{"not a token", "hello", "unauthorized", "malformed"},
		{"two dots", "..", "unauthorized", "malformed"},
		{"four parts", good + ".x", "unauthorized", "malformed"},
		{"base64 that is none", "!!!.###.$$$", "unauthorized", "malformed"},
		{"a header that is no JSON", "aGVsbG8.e30.", "unauthorized", "malformed"},
		{"claims that are an array", forged(`{"alg":"EdDSA","kid":"e"}`, `[]`, nil), "unauthorized", "malformed"},
		{"9,000 characters", strings.Repeat("x", 9000), "unauthorized", "longer than 8192"},
		{"alg none", forged(`{"alg":"none"}`, claims, nil), "unauthorized", "not accepted"},
		{"alg None, without a signature", strings.Join(strings.Split(forged(`{"alg":"None"}`, claims, nil), ".")[:2], ".") + ".", "unauthorized", ""},
		{"alg of a number", forged(`{"alg":7}`, claims, nil), "unauthorized", ""},
		{"the public key as a shared secret", forged(`{"alg":"HS256","kid":"r"}`, claims, public), "unauthorized", signature},
		{"a shared secret from the JWKS", forged(`{"alg":"HS256","kid":"o"}`, claims, []byte("a shared secret in public")), "unauthorized", "no key fits"},
		{"an algorithm of the other key", h.minted(jwt.SigningMethodRS256, "e", h.rsa, nil), "unauthorized", signature},
		{"an algorithm that is not offered", forged(`{"alg":"ES256","kid":"r"}`, claims, nil), "unauthorized", signature},
		{"a key of somebody else", h.minted(jwt.SigningMethodEdDSA, "e", stranger, nil), "unauthorized", signature},
		{"a kid that nobody has", h.minted(jwt.SigningMethodEdDSA, "x", h.edward, nil), "unauthorized", "no key fits"},
		{"no kid where there are two", h.minted(jwt.SigningMethodEdDSA, "", h.edward, nil), "unauthorized", "no key fits"},
		{"a signature cut short", good[:len(good)-4], "unauthorized", signature},
		{"claims of another token", parts[0] + "." + strings.Split(ed(jwt.MapClaims{"sub": "root"}), ".")[1] + "." + parts[2], "unauthorized", signature},
		{"expired", ed(jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), "unauthorized", "has expired"},
		{"no exp", ed(jwt.MapClaims{"exp": nil}), "unauthorized", "no exp"},
		{"exp is a text", ed(jwt.MapClaims{"exp": "tomorrow"}), "unauthorized", "malformed"},
		{"exp before there was time", ed(jwt.MapClaims{"exp": -1e18}), "unauthorized", ""},
		{"not valid yet", ed(jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()}), "unauthorized", "not valid yet"},
		{"issued tomorrow", ed(jwt.MapClaims{"iat": time.Now().Add(24 * time.Hour).Unix()}), "unauthorized", "not valid yet"},
		{"no sub", ed(jwt.MapClaims{"sub": nil}), "unauthorized", "sub"},
		{"the system", ed(jwt.MapClaims{"sub": "~system"}), "unauthorized", "sub"},
		{"a sub with a line break", ed(jwt.MapClaims{"sub": "a\nb"}), "unauthorized", "sub"},
		{"a sub of 129 bytes", ed(jwt.MapClaims{"sub": strings.Repeat("s", 129)}), "unauthorized", "sub"},
		{"a sub that is a number", ed(jwt.MapClaims{"sub": 7}), "unauthorized", "malformed"},
		{"ours, by another's key", h.minted(jwt.SigningMethodEdDSA, "e", h.edward, jwt.MapClaims{"iss": "hubbub", "guest": true}), "unauthorized", signature},
		{"a guest's token, altered", guest[:len(guest)-3] + "xyz", "unauthorized", signature},
		{"a token that is an array", `["` + good + `"]`, "invalid", "token"},
		{"a token that is an object", `{"toString":"x"}`, "invalid", "token"},
		{"a token and a good name", `"hello","name":"Tom"`, "unauthorized", "malformed"},
	}
}

func tokensDoor(t *testing.T, w *world, h *host) int {
	c := w.websocket(t, "")
	c.say(`40{"name":"Gil"}`)
	_, rest, _ := strings.Cut(c.hear(`42["session"`), `"token":"`)
	guest, _, _ := strings.Cut(rest, `"`)
	rows := h.tickets(guest)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			token := r.token
			if !strings.ContainsAny(token[:1], `{["`) {
				token = `"` + token + `"`
			}
			c := w.websocket(t, "")
			c.say(`40{"token":` + token + `}`)
			answer := c.hear("44")
			if !strings.Contains(answer, `"code":"`+r.code+`"`) || !strings.Contains(answer, r.says) {
				t.Errorf("%s, want %s with %q", answer, r.code, r.says)
			}
			if strings.Contains(answer, "sub") != strings.Contains(r.says, "sub") || len(r.token) > 20 && strings.Contains(answer, r.token) {
				t.Errorf("it says too much: %s", answer)
			}
			c.say(`40{"token":"` + h.minted(jwt.SigningMethodEdDSA, "e", h.edward, nil) + `"}`) // refused once is not refused for ever
			c.hear(`42["session",{"user":{"id":"tom","name":"Tom","guest":false}`)
		})
	}
	return len(rows)
}
