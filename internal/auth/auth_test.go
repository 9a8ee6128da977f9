package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

const hostSecret = "a shared secret of the host"

func plainName(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, "\x00\u202e") {
		return "", chat.Errorf(chat.CodeInvalid, "bad name")
	}
	return s, nil
}

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemOf(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func sign(t *testing.T, m jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(m, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func TestHostTokens(t *testing.T) {
	secret, _ := auth.NewSecret("the deployment's own secret")
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	edPub, edKey, _ := ed25519.GenerateKey(rand.Reader)
	rsaPEM := pemOf(t, &rsaKey.PublicKey)
	files := map[string]string{"hmac": write(t, []byte(hostSecret+"\n")), "rsa": write(t, rsaPEM), "ed": write(t, pemOf(t, edPub))}
	good := jwt.MapClaims{"sub": "ada", "name": "Ada", "exp": in(time.Hour)}
	with := func(k string, v any) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "ada", "name": "Ada", "exp": in(time.Hour)}
		c[k] = v
		if v == nil {
			delete(c, k)
		}
		return c
	}
	none, _ := jwt.NewWithClaims(jwt.SigningMethodNone, good).SignedString(jwt.UnsafeAllowNoneSignatureType)
	cases := []struct {
		name, key, token string
		ok               bool
	}{
		{"hmac", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), good), true},
		{"hmac 512", "hmac", sign(t, jwt.SigningMethodHS512, []byte(hostSecret), good), true},
		{"rsa", "rsa", sign(t, jwt.SigningMethodRS256, rsaKey, good), true},
		{"ed25519", "ed", sign(t, jwt.SigningMethodEdDSA, edKey, good), true},
		{"none", "hmac", none, false},
		{"none against a public key", "rsa", none, false},
		{"public key taken for a secret", "rsa", sign(t, jwt.SigningMethodHS256, rsaPEM, good), false},
		{"wrong secret", "hmac", sign(t, jwt.SigningMethodHS256, []byte("another secret, also long"), good), false},
		{"other algorithm", "ed", sign(t, jwt.SigningMethodRS256, rsaKey, good), false},
		{"no exp", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("exp", nil)), false},
		{"expired beyond leeway", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("exp", in(-31*time.Second))), false},
		{"expired within leeway", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("exp", in(-20*time.Second))), true},
		{"issued 5 s ahead", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("iat", in(5*time.Second))), true},
		{"not before 5 s ahead", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("nbf", in(5*time.Second))), true},
		{"not before 5 min ahead", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("nbf", in(5*time.Minute))), false},
		{"no sub", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("sub", nil)), false},
		{"the system's sub", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("sub", "~system")), false},
		{"control character in sub", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("sub", "a\nb")), false},
		{"our issuer, the host's key", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("iss", "hubbub")), false},
		{"a guest of the host's making", "hmac", sign(t, jwt.SigningMethodHS256, []byte(hostSecret), with("guest", true)), true},
		{"garbage", "hmac", "x.y.z", false},
		{"very long", "hmac", strings.Repeat("a", 9000), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			keys, err := auth.LoadKeys(t.Context(), files[c.key], slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			a := auth.NewAuthenticator(secret, auth.NewTokens(secret, keys), false, plainName)
			id, err := a.Authenticate(t.Context(), auth.Credentials{Token: c.token})
			if (err == nil) != c.ok {
				t.Fatalf("err = %v", err)
			}
			var e *chat.Error
			if err != nil && (!errors.As(err, &e) || e.Code != chat.CodeUnauthorized || strings.Contains(e.Message, c.token)) {
				t.Fatalf("not a plain unauthorized: %v", err)
			}
			if err == nil && (id.User != chat.User{ID: "ada", Name: "Ada"} || id.Token != "" || id.PID == "") {
				t.Fatalf("identity %+v", id)
			}
		})
	}
}

func TestJWKS(t *testing.T) {
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	body, _ := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "oct", "kid": "shared", "k": base64.RawURLEncoding.EncodeToString([]byte(hostSecret))},
		{"kty": "RSA", "kid": "one", "use": "sig", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(rsaKey.N.Bytes())},
	}})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
	defer srv.Close()
	keys, err := auth.LoadKeys(t.Context(), srv.URL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Key("RS256", "one"); err != nil {
		t.Errorf("the RSA key: %v", err)
	}
	for _, c := range [][2]string{{"HS256", "shared"}, {"HS256", "one"}, {"RS256", "two"}} {
		if _, err := keys.Key(c[0], c[1]); err == nil {
			t.Errorf("%s with key id %q was accepted", c[0], c[1])
		}
	}
}

func TestKeyFilesRefused(t *testing.T) {
	small, _ := rsa.GenerateKey(rand.Reader, 1024)
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for name, data := range map[string][]byte{"short secret": []byte("short"), "private key": private, "small RSA": pemOf(t, &small.PublicKey),
		"damaged": []byte("-----BEGIN PUBLIC KEY-----\nzzz")} {
		if _, err := auth.LoadKeys(t.Context(), write(t, data), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := auth.LoadKeys(context.Background(), "/does/not/exist", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a missing file was accepted")
	}
}

func TestGuests(t *testing.T) {
	secret, _ := auth.NewSecret("the deployment's own secret")
	tokens := auth.NewTokens(secret, nil)
	open, closed := auth.NewAuthenticator(secret, tokens, true, plainName), auth.NewAuthenticator(secret, tokens, false, plainName)
	first, err := open.Authenticate(t.Context(), auth.Credentials{Name: "Kim"})
	if err != nil || !first.User.Guest || first.User.Name != "Kim" || first.Token == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	for name, c := range map[string]auth.Credentials{"token": {Token: first.Token}, "pid and the name again": {PID: first.PID, Name: "Kim"},
		"token and a new name": {Token: first.Token, Name: "Kim"}} {
		if again, err := open.Authenticate(t.Context(), c); err != nil || again.User != first.User {
			t.Errorf("by %s: %+v, %v", name, again.User, err)
		}
		if _, err := closed.Authenticate(t.Context(), c); err == nil {
			t.Errorf("by %s, with guests off: let in", name)
		}
	}
	other, err := open.Authenticate(t.Context(), auth.Credentials{Name: "Kim", PID: first.PID + "x"})
	if err != nil || other.User.ID == first.User.ID {
		t.Errorf("a forged pid: %+v, %v", other, err)
	}
	if _, err := open.Authenticate(t.Context(), auth.Credentials{Name: "a\u202eb"}); !errors.Is(err, chat.Errorf(chat.CodeInvalid, "")) {
		t.Errorf("a bidi name: %v", err)
	}
	if _, err := open.Authenticate(t.Context(), auth.Credentials{}); !errors.Is(err, chat.Errorf(chat.CodeUnauthorized, "")) {
		t.Errorf("nothing: %v", err)
	}
	// a user's pid is no credential: the host's token is
	token, _ := tokens.Mint(chat.User{ID: "ada", Name: "Ada"}, time.Hour)
	ada, _ := open.Authenticate(t.Context(), auth.Credentials{Token: token})
	if id, err := open.Authenticate(t.Context(), auth.Credentials{PID: ada.PID, Name: "x"}); err != nil || id.User.ID == "ada" {
		t.Errorf("a user's pid without his token: %+v, %v", id, err)
	}
}

func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	a, err := auth.LoadSecret(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := auth.LoadSecret(dir)
	if err != nil || string(a.Key("x")) != string(b.Key("x")) || string(a.Key("x")) == string(a.Key("y")) {
		t.Fatalf("the secret does not stay, or its keys are one: %v", err)
	}
	if info, _ := os.Stat(filepath.Join(dir, auth.SecretFile)); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
