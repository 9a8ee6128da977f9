package auth_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

// An id is shown where a name is missing or odd, so it must be fit to be seen.
func TestUserIDs(t *testing.T) {
	secret, _ := auth.NewSecret("the deployment's own secret")
	keys, err := auth.LoadKeys(t.Context(), write(t, []byte(hostSecret)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	tokens := auth.NewTokens(secret, keys)
	for id, ok := range map[string]bool{"ada": true, "ada@example.org": true, "Ада": true, "a b": false, "a\u00a0b": false, "a\u3000b": false, "a\u2028b": false,
		"a\x7fb": false, "a\u0085b": false, "a\x00b": false, "a\u202eb": false, "a\u2067b": false, "a\u061cb": false, "a\u200eb": false, "\ufffd": false,
		"~system": false, "~": false, "": false} {
		_, _, err := tokens.Verify(sign(t, jwt.SigningMethodHS256, []byte(hostSecret), jwt.MapClaims{"sub": id, "exp": in(time.Hour)}))
		if (err == nil) != ok || err != nil && !errors.Is(err, chat.Errorf(chat.CodeUnauthorized, "")) {
			t.Errorf("sub %q: %v", id, err)
		}
	}
}

// What a host calls its user is brought into form; a name that cannot be shown gives way to the id, and locks nobody out.
func TestNamesOfTokens(t *testing.T) {
	secret, _ := auth.NewSecret("the deployment's own secret")
	tokens := auth.NewTokens(secret, nil)
	a := auth.NewAuthenticator(secret, tokens, true, func(s string) (string, error) { return chat.NormaliseName(s, 200) })
	for given, want := range map[string]string{"  Ada \t Lovelace ": "Ada Lovelace", "": "ada", "a\u202eb": "ada", "a\x1bb": "ada", "   ": "ada", "\u2800": "ada"} {
		token, err := tokens.Mint(chat.User{ID: "ada", Name: given}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := a.Authenticate(t.Context(), auth.Credentials{Token: token}); err != nil || id.User != (chat.User{ID: "ada", Name: want}) {
			t.Errorf("%q: %+v, %v", given, id.User, err)
		}
	}
	for _, bad := range []string{"a\u202eb", "a\u2066b", "a\x00b", "a\u009bb", " ", "\u115f"} {
		if _, err := a.Authenticate(t.Context(), auth.Credentials{Name: bad}); !errors.Is(err, chat.Errorf(chat.CodeInvalid, "")) {
			t.Errorf("a guest %q: %v", bad, err)
		}
	}
}

// One leeway for acceptance: a token is refused exactly where a socket that had it is closed. See cases.md 10.
func TestOneLeeway(t *testing.T) {
	secret, _ := auth.NewSecret("the deployment's own secret")
	tokens := auth.NewTokens(secret, nil)
	for ttl, ok := range map[time.Duration]bool{-auth.Leeway + 10*time.Second: true, -auth.Leeway - time.Second: false, time.Hour: true} {
		token, _ := tokens.Mint(chat.User{ID: "ada"}, ttl)
		_, expires, err := tokens.Verify(token)
		if (err == nil) != ok {
			t.Errorf("valid for %v: %v", ttl, err)
		}
		if want := time.Now().Add(ttl); ok && expires.Sub(want).Abs() > 10*time.Second {
			t.Errorf("expires %v, want %v", expires, want)
		}
	}
}

// One customer has 2^64 addresses of IPv6: they count as one.
func TestAddressesOfOneNetwork(t *testing.T) {
	g := auth.NewGate(auth.GateLimits{Sockets: 100, PerAddress: 3, Handshakes: 100}, nil, func() int { return 0 })
	var passes []*auth.Pass
	for i := range 3 {
		p, err := g.Admit(request("h", fmt.Sprintf("[2001:db8:1:2:%x::1]", i), ""))
		if err != nil {
			t.Fatal(err)
		}
		passes = append(passes, p)
	}
	if _, err := g.Admit(request("h", "[2001:db8:1:2:ffff::9]", "")); !errors.Is(err, chat.Errorf(chat.CodeRateLimited, "")) {
		t.Errorf("a fourth of the same /64: %v", err)
	}
	for _, other := range []string{"[2001:db8:1:3::1]", "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "[::ffff:203.0.113.5]", "[::ffff:203.0.113.6]"} {
		if _, err := g.Admit(request("h", other, "")); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	for _, p := range passes {
		p.Release()
	}
	if _, err := g.Admit(request("h", "[2001:db8:1:2:ffff::9]", "")); err != nil {
		t.Errorf("after they left: %v", err)
	}
}

// No header of a proxy, whichever it sends, leaves a request its loopback.
func TestForwardedIsNotLoopback(t *testing.T) {
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"} {
		if (auth.Proxies{}).Loopback(request("h", "127.0.0.1", "", h, "x")) {
			t.Errorf("with %s it counts as loopback", h)
		}
	}
	for peer, want := range map[string]bool{"127.0.0.1": true, "127.8.8.8": true, "[::1]": true, "[::ffff:127.0.0.1]": true, "203.0.113.1": false, "[fe80::1]": false} {
		if got := (auth.Proxies{}).Loopback(request("h", peer, "")); got != want {
			t.Errorf("%s: %v", peer, got)
		}
	}
}
