package auth_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

func request(host, peer, origin string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/socket.io/", nil)
	r.Host, r.RemoteAddr = host, peer+":5000"
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// See cases.md 9.
func TestOrigins(t *testing.T) {
	fwd := []string{"X-Forwarded-Host", "chat.example", "X-Forwarded-Proto", "https"}
	cases := []struct {
		name, list, host, peer, origin string
		header                         []string
		ok                             bool
	}{
		{"same origin", "", "127.0.0.1:3001", "127.0.0.1", "http://127.0.0.1:3001", nil, true},
		{"no origin", "", "127.0.0.1:3001", "127.0.0.1", "", nil, true},
		{"null", "", "127.0.0.1:3001", "127.0.0.1", "null", nil, false},
		{"file", "", "127.0.0.1:3001", "127.0.0.1", "file://", nil, false},
		{"capacitor", "", "127.0.0.1:3001", "127.0.0.1", "capacitor://localhost", nil, false},
		{"capacitor listed", "capacitor://localhost", "127.0.0.1:3001", "127.0.0.1", "capacitor://localhost", nil, true},
		{"null listed", "null", "127.0.0.1:3001", "127.0.0.1", "null", nil, false},
		{"other port", "", "127.0.0.1:3001", "127.0.0.1", "http://127.0.0.1:5173", nil, false},
		{"default port", "", "chat.example", "10.0.0.1", "http://chat.example:80", nil, true},
		{"scheme differs", "", "chat.example", "10.0.0.1", "https://chat.example", nil, false},
		{"proxy rewrites host, not trusted", "", "127.0.0.1:3001", "10.0.0.9", "https://chat.example", fwd, false},
		{"proxy rewrites host, trusted", "", "127.0.0.1:3001", "10.0.0.1", "https://chat.example", fwd, true},
		{"trusted, other origin", "", "127.0.0.1:3001", "10.0.0.1", "https://evil.example", fwd, false},
		{"listed with slash", "https://chat.example/", "127.0.0.1:3001", "10.0.0.9", "https://chat.example", nil, true},
		{"listed bare host", "chat.example", "127.0.0.1:3001", "10.0.0.9", "https://chat.example", nil, true},
		{"listed in capitals, with spaces", " HTTPS://A.example , HTTPS://Chat.Example:443", "x:1", "10.0.0.9", "https://chat.example", nil, true},
		{"listed other", "https://a.example", "x:1", "10.0.0.9", "https://b.example", nil, false},
		{"suffix of a listed one", "chat.example", "x:1", "10.0.0.9", "https://evilchat.example", nil, false},
		{"all", "*", "x:1", "10.0.0.9", "https://b.example", nil, true},
	}
	proxies, err := auth.ParseProxies("10.0.0.1, 192.168.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, err := auth.ParseOrigins(c.list, proxies, slog.New(slog.DiscardHandler))
			if c.list == "null" {
				err = nil
			}
			if err != nil {
				t.Fatal(err)
			}
			err = o.Check(request(c.host, c.peer, c.origin, c.header...))
			if (err == nil) != c.ok {
				t.Errorf("Check = %v", err)
			}
			if err != nil && !errors.Is(err, chat.Errorf(chat.CodeForbidden, "")) {
				t.Errorf("not forbidden: %v", err)
			}
		})
	}
	for _, bad := range []string{"https://chat.example/path", "http://user@x", "a/b"} {
		if _, err := auth.ParseOrigins(bad, nil, slog.Default()); err == nil {
			t.Errorf("--origins %q was accepted", bad)
		}
	}
	if _, err := auth.ParseProxies("nonsense"); err == nil {
		t.Error("--trust-proxy nonsense was accepted")
	}
}

func TestClientAddress(t *testing.T) {
	proxies, _ := auth.ParseProxies("10.0.0.0/8")
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.5", "1.2.3.4", "203.0.113.5"},
		{"10.0.0.1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.1", "", "10.0.0.1"},
		{"10.0.0.1", "garbage", "10.0.0.1"},
	} {
		if got := proxies.Client(request("h", c.peer, "", "X-Forwarded-For", c.forwarded)).String(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if proxies.Loopback(request("h", "127.0.0.1", "", "X-Forwarded-For", "1.2.3.4")) || !proxies.Loopback(request("h", "127.0.0.1", "")) {
		t.Error("a forwarded request counts as loopback, or a local one does not")
	}
}

func TestGate(t *testing.T) {
	waiting := 0
	g := auth.NewGate(auth.GateLimits{Sockets: 4, PerAddress: 2, Handshakes: 3}, nil, func() int { return waiting })
	a, b := request("h", "203.0.113.1", ""), request("h", "203.0.113.2", "")
	admit := func(r *http.Request, want chat.Code) *auth.Pass {
		t.Helper()
		p, err := g.Admit(r)
		if want == "" && err != nil || want != "" && !errors.Is(err, chat.Errorf(want, "")) {
			t.Fatalf("admit: %v, want %q", err, want)
		}
		return p
	}
	admit(a, "")
	admit(a, "")
	admit(a, chat.CodeRateLimited)
	waiting = 3
	admit(b, chat.CodeOverloaded)
	waiting = 0
	p3 := admit(b, "")
	admit(b, "")
	admit(request("h", "203.0.113.3", ""), chat.CodeOverloaded)
	p3.Release()
	p3.Release()
	admit(request("h", "127.0.0.1", ""), "")
	if n := g.Sockets(); n != 4 {
		t.Errorf("%d sockets", n)
	}
}
