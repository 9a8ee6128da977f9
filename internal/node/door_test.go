package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/web"
)

// answers asks for a socket by polling and by websocket, and gives the status of both and the text of the first.
func (r *running) answers(h http.Header) (polling, websocket int, text string) {
	r.t.Helper()
	polling, text, _ = request(r.t, http.MethodGet, "http://"+r.addr+"/socket.io/?EIO=4&transport=polling", "", h)
	up := headers("Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	for k, v := range h {
		up[k] = v
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.addr+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = up
	if host := h.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	res.Body.Close()
	return polling, res.StatusCode, text
}

// Pages from elsewhere are refused on both transports alike, also behind proxies, with one line in the log that names the way out. See
// cases.md 9.
func TestOriginsOnBothTransports(t *testing.T) {
	t.Parallel()
	forwarded := []string{"Host", "127.0.0.1:3001", "X-Forwarded-Host", "chat.example", "X-Forwarded-Proto", "https"}
	for _, c := range []struct {
		name, flags, origin string
		header              []string
		ok                  bool
	}{
		{"no origin", "", "", nil, true},
		{"a foreign page", "", "https://evil.example", nil, false},
		{"null", "", "null", nil, false},
		{"file", "", "file://", nil, false},
		{"app shell", "", "capacitor://localhost", nil, false},
		{"app shell, listed", "--origins=capacitor://localhost", "capacitor://localhost", nil, true},
		{"own host, other port", "", "http://127.0.0.1:5173", nil, false},
		{"own host with its default port", "", "http://chat.example", []string{"Host", "chat.example:80"}, true},
		{"TLS ends before, host kept, not trusted", "", "https://chat.example", []string{"Host", "chat.example:443"}, false},
		{"forwarded, proxy not trusted", "", "https://chat.example", forwarded, false},
		{"forwarded, another is trusted", "--trust-proxy=10.0.0.0/8", "https://chat.example", forwarded, false},
		{"forwarded, trusted", "--trust-proxy=127.0.0.1", "https://chat.example", forwarded, true},
		{"forwarded, trusted, foreign page", "--trust-proxy=127.0.0.1", "https://evil.example", forwarded, false},
		{"rewritten host, listed with slash", "--origins=https://chat.example/", "https://chat.example", []string{"Host", "127.0.0.1:3001"}, true},
		{"listed bare, with spaces and capitals", "--origins= other.example , CHAT.example", "https://chat.example", nil, true},
		{"listed, suffix", "--origins=chat.example", "https://evilchat.example", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var flags []string
			if c.flags != "" {
				flags = append(flags, c.flags)
			}
			n, diary := startLogged(t, flags...)
			h := headers(c.header...)
			if c.origin != "" {
				h.Set("Origin", c.origin)
			}
			polling, websocket, text := n.answers(h)
			if want := map[bool][2]int{true: {200, 101}, false: {403, 403}}[c.ok]; want != [2]int{polling, websocket} {
				t.Errorf("polling %d, websocket %d, want %v: %s", polling, websocket, want, text)
			}
			if c.ok {
				return
			}
			if !strings.Contains(text, "--origins") || !strings.Contains(text, "--trust-proxy") {
				t.Errorf("the answer does not name the flags: %s", text)
			}
			if log := diary.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, c.origin) || !strings.Contains(log, "--origins") ||
				!strings.Contains(log, "--trust-proxy") || !strings.Contains(log, "host=") {
				t.Errorf("the log:\n%s", log)
			}
		})
	}
}

// /metrics is for this machine or for who has the token; a forwarded request is not from this machine.
func TestMetricsAreNotForEverybody(t *testing.T) {
	t.Parallel()
	n := start(t, "--metrics-token", "open sesame, metrics", "--trust-proxy", "127.0.0.1")
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 200}, {[]string{"X-Forwarded-For", "203.0.113.1"}, 403}, {[]string{"X-Forwarded-For", "127.0.0.1"}, 403}, {[]string{"Forwarded", "for=127.0.0.1"}, 403},
		{[]string{"X-Real-IP", "127.0.0.1"}, 403}, {[]string{"X-Forwarded-Host", "h"}, 403}, {[]string{"X-Forwarded-Proto", "https"}, 403}, {[]string{"Via", "1.1 proxy"}, 403},
		{[]string{"X-Forwarded-For", "203.0.113.1", "Authorization", "Bearer open sesame, metrics"}, 200},
		{[]string{"X-Forwarded-For", "203.0.113.1", "Authorization", "Bearer open"}, 403}, {[]string{"X-Forwarded-For", "203.0.113.1", "Authorization", "Bearer "}, 403},
	} {
		status, text, _ := request(t, http.MethodGet, "http://"+n.addr+"/metrics", "", headers(c.header...))
		if status != c.status || strings.Contains(text, "hubbub_sockets") != (c.status == 200) {
			t.Errorf("%v: %d", c.header, status)
		}
	}
	if status, _, _ := request(t, http.MethodGet, "http://"+n.addr+"/metrics?token=open+sesame%2C+metrics", "", headers("Via", "x")); status != 403 {
		t.Errorf("a token in the URL opens it: %d", status)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/secret", "/../secret", "/history.db", "/.git/config"} {
		want := 404
		if _, built := web.App(); !built {
			want = 503 // a binary without its page says so at every address of the page
		}
		if status, _, _ := request(t, http.MethodGet, "http://"+n.addr+path, "", nil); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// A guest is marked as one wherever a user is named, and a host's user is not.
func TestGuestsAreMarkedEverywhere(t *testing.T) {
	t.Parallel()
	n := start(t, hostKey(t)...)
	kim := n.guest("  Kim \t Doe ")
	ada := n.connect(map[string]any{"token": hostToken(t, "ada", 1<<40)})
	room := kim.create("room", true)
	kim.must("room:invite", map[string]any{"roomId": room, "userId": "ada"})
	ada.await("room:invited", func(e event) bool { return e.User == kim.user })
	joined := ada.must("room:join", map[string]any{"roomId": room})
	ada.must("message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "x"})
	kim.send(room, "y")
	kim.must("typing", map[string]any{"roomId": room, "isTyping": true})
	kim.must("room:update", map[string]any{"roomId": room, "clientId": newID(), "topic": "t"})
	late := kim.again()
	ada.await("presence", func(event) bool { return true }) // who comes and goes between two of them is not told
	kim.must("room:leave", map[string]any{"roomId": room})

	if !kim.user.Guest || kim.user.Name != "Kim Doe" || ada.user.Guest {
		t.Fatalf("%+v, %+v", kim.user, ada.user)
	}
	fromKim := func(e event) bool { return e.User == kim.user }
	for _, name := range []string{"message:new", "typing", "room:updated", "room:left"} {
		if e := ada.await(name, fromKim); !strings.Contains(string(e.raw), `"guest":true`) {
			t.Errorf("%s: %s", name, e.raw)
		}
	}
	if e := late.await("session", fromKim); e.User != kim.user {
		t.Errorf("%s", e.raw)
	}
	list := quoted(ada.must("message:list", map[string]any{"roomId": room}))
	for _, answer := range []string{list, quoted(joined["members"])} {
		if strings.Count(answer, `"guest":true`) != 1 || strings.Count(answer, `"guest":false`) != 1 {
			t.Errorf("%s", answer)
		}
	}
	e := ada.await("presence", func(e event) bool { return strings.Contains(string(e.raw), `"left":[{`) })
	if !strings.Contains(string(e.raw), `"left":[`+quoted(kim.user)+`]`) {
		t.Errorf("%s", e.raw)
	}
}

// again connects the same guest once more.
func (p *person) again() *person { return p.home.connect(map[string]any{"token": p.token}) }

// A name that a guest gives is held against the rules of names at the door.
func TestGuestNames(t *testing.T) {
	t.Parallel()
	n := start(t, "--name-bytes", "40")
	for name, code := range map[string]string{"a\u202eb": "invalid", "a\u2066b": "invalid", "a\x00b": "invalid", "a\x1bb": "invalid", "   ": "invalid", "\u115f": "invalid",
		strings.Repeat("x", 41): "too_large", strings.Repeat("é", 100): "too_large", "": "unauthorized"} {
		_, err := client.Dial(deadline(t), n.addr, map[string]any{"name": name}, func(string, json.RawMessage) {})
		var r *client.Refused
		if !errors.As(err, &r) || !strings.Contains(string(r.Data), fmt.Sprintf(`"code":%q`, code)) {
			t.Errorf("%q: %v, want %s", name, err, code)
		}
	}
	for _, raw := range []string{`{"name":7}`, `{"name":["a"]}`, `{"name":"a\ud800"}`, `{"name":{"toString":1}}`, `[]`, `"Kim"`, `7`} {
		s := n.websocket(nil, "")
		s.say("40" + raw)
		if raw[0] == '{' {
			if a := s.hear("4"); !strings.HasPrefix(a, "44") || !strings.Contains(a, `"code":"invalid"`) {
				t.Errorf("%s: %s", raw, a)
			}
			continue
		}
		s.say(`42["room:list",{}]`) // no object: refused, or against the protocol; never connected, so this ends it
		s.closes()
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
