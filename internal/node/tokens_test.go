package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hubbub-chat/hubbub/internal/client"
)

const hostSecret = "the host application's own secret"

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// hostKey is the flags of a node that takes tokens of hostToken.
func hostKey(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(hostSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--auth-key", path}
}

// hostToken is a token of the host application that expires so far from now.
func hostToken(t *testing.T, user string, expires time.Duration) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": user, "name": user, "exp": time.Now().Add(expires).Unix()}).
		SignedString([]byte(hostSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// part cuts a field out of JSON text.
func part(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, `"`+name+`":"`)
	value, _, ok2 := strings.Cut(rest, `"`)
	if !ok || !ok2 {
		t.Fatalf("no %s in %s", name, text)
	}
	return value
}

// Neither a token nor a pid nor an engine's sid gets into the log, down to debug, whichever way a client comes or is turned away; and
// no answer ever sets a cookie.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	args := append(hostKey(t), "--secret", "this deployment's secret", "--metrics-token", "the token of the metrics", "--payload-bytes", "20000")
	n, diary := startLogged(t, args...)
	secrets := map[string]string{"the secret": "this deployment's secret", "the host's secret": hostSecret, "the metrics token": "the token of the metrics"}
	keep := func(what, s string) string {
		if len(s) < 8 {
			t.Fatalf("%s %q", what, s)
		}
		secrets[what] = s
		return s
	}

	// a guest by websocket; then the same by token, by pid, by polling with an upgrade
	s := n.websocket(nil, "&token="+keep("a token in the URL", hostToken(t, "url", time.Hour)))
	keep("sid of a websocket", s.sid)
	s.say(`40{"name":"Kim"}`)
	pid := keep("pid", part(t, s.hear("40"), "pid"))
	token := keep("guest's token", part(t, s.hear(`42["session"`), "token"))
	s.say(`420["room:join",{"roomId":"lobby"}]`)
	s.hear(`430[{"ok":true`)
	s.Close()
	p := n.polling(headers("Cookie", "token="+keep("a token in a cookie", hostToken(t, "cookie", time.Hour))))
	keep("sid of polling", p.sid)
	p.say(`40{"token":` + quoted(token) + `,"pid":` + quoted(pid) + `,"since":{"lobby":1}}`)
	keep("pid of polling", part(t, p.hear("40"), "pid"))
	up := n.websocket2(p.sid)
	up.say("2probe")
	up.hear("3probe")
	up.say("5")
	up.say(`42["message:send",{"roomId":"lobby","clientId":"c1","text":"hello"}]`)
	up.hear(`42["message:new"`)
	up.Close()

	// those who are turned away
	for what, auth := range map[string]string{"forged": hostToken(t, "eve", time.Hour) + "x", "expired": hostToken(t, "eve", -time.Hour), "garbled": "not-a-token-at-all.x.y"} {
		for _, json := range []string{`{"token":` + quoted(keep(what, auth)) + `}`, `{"token":[` + quoted(auth) + `]}`, `{"token":` + quoted(auth), `{"token":"\ud800` + auth + `"}`} {
			b := n.websocket(nil, "")
			keep("sid with "+what+json[:12], b.sid)
			b.say("40" + json)
			b.say(`42["message:send",{}]`) // not connected: that ends it
			b.closes()
		}
	}
	for _, query := range []string{"&sid=" + keep("unknown sid", "an-unknown-sid-0123456"), "&sid=" + s.sid, "&sid=" + up.sid} {
		request(t, http.MethodGet, "http://"+n.addr+"/socket.io/?EIO=4&transport=polling"+query, "", nil)
		request(t, http.MethodPost, "http://"+n.addr+"/socket.io/?EIO=4&transport=polling"+query, "40{}", nil)
	}
	big := n.polling(nil)
	keep("sid of one too big", big.sid)
	request(t, http.MethodGet, big.base, "", headers("Origin", "https://evil.example"))
	big.do(http.MethodPost, "40"+strings.Repeat(" ", 30000))
	request(t, http.MethodGet, "http://"+n.addr+"/metrics", "", headers("Authorization", "Bearer the token of the metrics", "X-Forwarded-For", "1.2.3.4"))

	// one whose token runs out
	e := n.websocket(nil, "")
	keep("sid of one that expires", e.sid)
	e.say(`40{"token":` + quoted(keep("expiring", hostToken(t, "brief", -28*time.Second))) + `}`)
	e.hear(`42["session:expired"`)
	e.Close()
	n.stop()

	log := diary.String()
	for _, line := range []string{"ready", "stopping", "https://evil.example", "bad payload"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log does not hold %q: is it the node's?\n%s", line, log)
		}
	}
	for what, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the log", what)
		}
	}
}

// websocket2 opens the websocket of a session that began by polling.
func (r *running) websocket2(sid string) *socket {
	r.t.Helper()
	s := r.bare()
	s = r.upgrade(s.Conn, nil, "&sid="+sid)
	s.sid = sid
	return s
}

// Only the CONNECT packet names who comes: a good token in the URL or in a cookie is not read, and none is set.
func TestTokensComeInTheConnectPacketAlone(t *testing.T) {
	t.Parallel()
	n := start(t, append(hostKey(t), "--guests=false")...)
	good := hostToken(t, "ada", time.Hour)
	h := headers("Cookie", "token="+good+"; io="+good, "Authorization", "Bearer "+good)
	query := "&token=" + good + "&auth=" + url.QueryEscape(`{"token":"`+good+`"}`)
	s := n.websocket(h, query)
	s.say("40")
	if a := s.hear("4"); !strings.HasPrefix(a, "44") || !strings.Contains(a, `"unauthorized"`) {
		t.Errorf("by websocket: %s", a)
	}
	p := &poller{t: t, base: "http://" + n.addr + "/socket.io/?EIO=4&transport=polling" + query, head: h}
	status, body, answer := p.do(http.MethodGet, "")
	if status != http.StatusOK || len(answer.Values("Set-Cookie")) != 0 {
		t.Errorf("%d, cookies %v", status, answer.Values("Set-Cookie"))
	}
	p.base += "&sid=" + part(t, body, "sid")
	p.say("40")
	if a := p.hear("4"); !strings.HasPrefix(a, "44") || !strings.Contains(a, `"unauthorized"`) {
		t.Errorf("by polling: %s", a)
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/socket.io/socket.io.js", "/nothing"} {
		if _, _, answer := request(t, http.MethodGet, "http://"+n.addr+path, "", nil); len(answer.Values("Set-Cookie")) != 0 {
			t.Errorf("%s sets a cookie", path)
		}
	}
	if ada := n.connect(map[string]any{"token": good}); ada.user.ID != "ada" || ada.user.Guest || ada.token != "" {
		t.Errorf("in the packet: %+v, %q", ada.user, ada.token)
	}
}

// A token that is past its exp is refused once or kept until exp and the leeway, on both transports and in mid-poll; then the socket is
// told and let go once, so a client has no reason to come back. See cases.md 10.
func TestTokensRunOut(t *testing.T) {
	t.Parallel()
	n := start(t, append(hostKey(t), "--guests=false")...)
	for what, expires := range map[string]time.Duration{"beyond the leeway": -31 * time.Second, "long ago": -time.Hour} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := client.Dial(ctx, n.addr, map[string]any{"token": hostToken(t, "ada", expires)}, func(string, json.RawMessage) {})
		cancel()
		var r *client.Refused
		if !errors.As(err, &r) || !strings.Contains(string(r.Data), `"unauthorized"`) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ahead, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ada", "exp": time.Now().Add(time.Hour).Unix(),
		"iat": time.Now().Add(5 * time.Second).Unix(), "nbf": time.Now().Add(5 * time.Second).Unix()}).SignedString([]byte(hostSecret))
	if err != nil {
		t.Fatal(err)
	}
	n.connect(map[string]any{"token": ahead}) // a clock that is 5 s behind

	// accepted by the leeway: kept until its end, not closed at once
	p := n.polling(nil)
	s := n.websocket(nil, "")
	token := hostToken(t, "ada", -26*time.Second)
	until := time.Now().Add(3 * time.Second) // exp + leeway, rounded down to its second
	p.say(`40{"token":` + quoted(token) + `}`)
	s.say(`40{"token":` + quoted(token) + `}`)
	p.hear(`42["session"`)
	s.hear(`42["session"`)
	if e := p.hear(`42["session:`); !strings.Contains(e, `"code":"unauthorized"`) { // a poll waits meanwhile
		t.Errorf("by polling: %s", e)
	}
	if time.Now().Before(until) {
		t.Error("it ran out before its leeway had")
	}
	p.hear("41")
	if e := s.hear(`42["session:`); !strings.Contains(e, `"code":"unauthorized"`) {
		t.Errorf("by websocket: %s", e)
	}
	s.hear("41")
	if code := s.closes(); code != ws1005 && code != 1000 && code != 0 {
		t.Errorf("closed with %d", code)
	}
}

const ws1005 = 1005
