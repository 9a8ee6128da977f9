package httpd_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

func serve(t *testing.T, change func(*httpd.Config)) http.Handler {
	t.Helper()
	c := httpd.Config{
		App:    fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}, "assets/a-1.js": {Data: []byte("1")}},
		Socket: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("socket")) }),
		Health: func() httpd.Health {
			return httpd.Health{State: httpd.StateOK, Log: "ok", Bus: "ok", Store: "ok", Lag: 3}
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hubbub_sockets 1")) }),
	}
	if change != nil {
		change(&c)
	}
	return httpd.New(c)
}

func get(h http.Handler, path, peer string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = peer + ":1"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	h := serve(t, nil)
	index := get(h, "/", "1.2.3.4")
	if index.Code != 200 || index.Body.String() != "<!doctype html>" || !strings.HasPrefix(index.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%d %s %v", index.Code, index.Body, index.Header())
	}
	csp := index.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if index.Header().Get("X-Content-Type-Options") != "nosniff" || index.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("headers %v", index.Header())
	}
	if again := get(h, "/", "1.2.3.4", "If-None-Match", index.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("the same page again: %d", again.Code)
	}
	asset := get(h, "/assets/a-1.js", "1.2.3.4")
	if asset.Code != 200 || !strings.Contains(asset.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("asset: %d %v", asset.Code, asset.Header())
	}
	for _, path := range []string{"/nothing", "/assets/", "/debug/pprof/", "/.git/config"} {
		if w := get(h, path, "1.2.3.4"); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := get(h, "/socket.io/?x", "1.2.3.4"); w.Body.String() != "socket" {
		t.Errorf("the socket's path: %s", w.Body)
	}
	w := get(serve(t, func(c *httpd.Config) { c.App = nil }), "/", "1.2.3.4")
	if w.Code != 503 || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("without the page: %d %s", w.Code, w.Body)
	}
}

func TestHealth(t *testing.T) {
	for state, want := range map[string]int{httpd.StateOK: 200, httpd.StateDegraded: 200, httpd.StateStarting: 503, httpd.StateDraining: 503} {
		h := serve(t, func(c *httpd.Config) {
			c.Health = func() httpd.Health { return httpd.Health{State: state, Log: "ok", Bus: "ok", Store: "behind", Lag: 9} }
		})
		w := get(h, "/readyz", "1.2.3.4")
		var got httpd.Health
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != want || got.State != state || got.Store != "behind" || got.Lag != 9 {
			t.Errorf("%s: %d %s %v", state, w.Code, w.Body, err)
		}
		if w := get(h, "/healthz", "1.2.3.4"); w.Code != 200 {
			t.Errorf("healthz while %s: %d", state, w.Code)
		}
	}
}

func TestMetricsAreGuarded(t *testing.T) {
	h := serve(t, func(c *httpd.Config) { c.MetricsToken = "open sesame" })
	for _, c := range []struct {
		peer, auth, forwarded string
		want                  int
	}{
		{"127.0.0.1", "", "", 200}, {"1.2.3.4", "", "", 403}, {"127.0.0.1", "", "1.2.3.4", 403}, {"1.2.3.4", "Bearer open sesame", "", 200},
		{"1.2.3.4", "Bearer wrong", "", 403}, {"1.2.3.4", "open sesame", "", 403}, {"1.2.3.4", "Bearer ", "", 403},
	} {
		w := get(h, "/metrics", c.peer, "Authorization", c.auth, "X-Forwarded-For", c.forwarded)
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	if w := get(serve(t, nil), "/metrics", "1.2.3.4", "Authorization", "Bearer "); w.Code != 403 {
		t.Errorf("an empty token against none: %d", w.Code)
	}
}

func TestAdmission(t *testing.T) {
	origins, err := auth.ParseOrigins("", nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a := httpd.Admission{Origins: origins, Gate: auth.NewGate(auth.GateLimits{Sockets: 2, PerAddress: 1, Handshakes: 9}, nil, func() int { return 0 })}
	request := func(peer, origin string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "http://chat.example/socket.io/", nil)
		r.RemoteAddr = peer + ":1"
		r.Header.Set("Origin", origin)
		return r
	}
	want := func(err error, status int, says string) {
		t.Helper()
		var r *engineio.Refusal
		if !errors.As(err, &r) || r.Status != status || !strings.Contains(r.Message, says) {
			t.Errorf("%v, want %d with %q", err, status, says)
		}
	}
	want(a.Allow(request("1.1.1.1", "https://evil.example")), http.StatusForbidden, "--origins")
	if err := a.Allow(request("1.1.1.1", "http://chat.example")); err != nil || !a.CORS(request("1.1.1.1", ""), "http://chat.example") {
		t.Errorf("the same origin: %v", err)
	}
	release, err := a.Admit(request("1.1.1.1", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Admit(request("1.1.1.1", ""))
	want(err, http.StatusTooManyRequests, "--sockets-per-address")
	if _, err = a.Admit(request("2.2.2.2", "")); err != nil {
		t.Fatal(err)
	}
	_, err = a.Admit(request("3.3.3.3", ""))
	want(err, http.StatusServiceUnavailable, "--sockets ")
	release()
	if _, err = a.Admit(request("3.3.3.3", "")); err != nil {
		t.Error(err)
	}
}
