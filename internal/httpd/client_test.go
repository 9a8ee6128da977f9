package httpd_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// poller is a raw polling client.
type poller struct {
	t    testing.TB
	base string
	sid  string
	http *http.Client
	got  []string // packets not yet taken
}

// newPoller opens a session through base.
func newPoller(t testing.TB, base string, header ...string) *poller {
	t.Helper()
	p := &poller{t: t, base: base, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: patience}}
	t.Cleanup(p.http.CloseIdleConnections)
	status, body := p.do(http.MethodGet, "", header...)
	open, ok := strings.CutPrefix(string(body), "0")
	var hand struct{ SID string }
	if status != 200 || !ok || json.Unmarshal([]byte(open), &hand) != nil {
		t.Fatalf("handshake: %d %s", status, body)
	}
	p.sid = hand.SID
	t.Cleanup(p.leave)
	return p
}

// leave ends the session, if it is still there, and takes what is left for it: its node then need not wait for a last poll.
func (p *poller) leave() {
	if res, err := p.http.Post(p.url(), "text/plain", strings.NewReader("1")); err == nil {
		res.Body.Close()
	}
	if res, err := p.http.Get(p.url()); err == nil {
		res.Body.Close()
	}
}

// joined opens a session and joins the main namespace.
func joined(t testing.TB, base string) *poller {
	t.Helper()
	p := newPoller(t, base)
	p.post("40")
	if got := p.next(); !strings.HasPrefix(got, "40{") {
		t.Fatalf("CONNECT was answered %s", got)
	}
	return p
}

func (p *poller) url() string {
	u := p.base + "?EIO=4&transport=polling&t=abc"
	if p.sid != "" {
		u += "&sid=" + p.sid
	}
	return u
}

// do makes a request and gives its answer.
func (p *poller) do(method, body string, header ...string) (int, []byte) {
	p.t.Helper()
	res, data := p.answer(method, body, header...)
	return res.StatusCode, data
}

func (p *poller) answer(method, body string, header ...string) (*http.Response, []byte) {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url(), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	return res, data
}

func (p *poller) post(packets ...string) {
	p.t.Helper()
	if status, body := p.do(http.MethodPost, strings.Join(packets, "\x1e")); status != 200 || string(body) != "ok" {
		p.t.Fatalf("POST: %d %s", status, body)
	}
}

// next gives the next packet; pings are answered.
func (p *poller) next() string {
	p.t.Helper()
	for {
		for len(p.got) == 0 {
			status, body := p.do(http.MethodGet, "")
			if status != 200 {
				p.t.Fatalf("poll: %d %s", status, body)
			}
			p.got = strings.Split(string(body), "\x1e")
		}
		packet := p.got[0]
		p.got = p.got[1:]
		if packet != "2" {
			return packet
		}
		p.post("3")
	}
}

func (p *poller) want(packets ...string) {
	p.t.Helper()
	for _, want := range packets {
		if got := p.next(); got != want {
			p.t.Fatalf("got %.200s, want %.200s", got, want)
		}
	}
}

// gone checks that the session is answered as unknown.
func (p *poller) gone() {
	p.t.Helper()
	if status, body := p.do(http.MethodGet, ""); status != 400 || refusal(p.t, body) != 1 {
		p.t.Fatalf("got %d %s, want 400 and code 1", status, body)
	}
}

// wsClient is a raw websocket.
type wsClient struct {
	t    testing.TB
	conn net.Conn
	in   io.Reader
}

// dialWS opens a websocket; an HTTP refusal is an error.
func dialWS(t testing.TB, base, sid string, d ws.Dialer) (*wsClient, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	u := "ws" + strings.TrimPrefix(base, "http") + "?EIO=4&transport=websocket"
	if sid != "" {
		u += "&sid=" + sid
	}
	conn, early, _, err := d.Dial(ctx, u)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	c := &wsClient{t: t, conn: conn, in: conn}
	if early != nil {
		c.in = early
	}
	return c, nil
}

// upgrade takes a polling session over to a websocket through base.
func (p *poller) upgrade(base string) *wsClient {
	p.t.Helper()
	c, err := dialWS(p.t, base, p.sid, ws.Dialer{})
	if err != nil {
		p.t.Fatalf("upgrade: %v", err)
	}
	c.send("2probe")
	c.want("3probe")
	c.send("5")
	return c
}

func (c *wsClient) send(text string) {
	_ = wsutil.WriteClientText(c.conn, []byte(text)) // an error shows when the answer is missed
}

func (c *wsClient) sendBinary(b []byte) { _ = wsutil.WriteClientBinary(c.conn, b) }

// read gives the next message; pings are answered.
func (c *wsClient) read() (data []byte, binary bool, err error) {
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		data, op, err := wsutil.ReadServerData(struct {
			io.Reader
			io.Writer
		}{c.in, c.conn})
		if err != nil {
			return nil, false, err
		}
		if op == ws.OpText && string(data) == "2" {
			c.send("3")
			continue
		}
		return data, op == ws.OpBinary, nil
	}
}

func (c *wsClient) want(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		got, binary, err := c.read()
		if err != nil || binary || string(got) != want {
			c.t.Fatalf("got %.200s (binary %v, %v), want %.200s", got, binary, err, want)
		}
	}
}

// wantEnd checks that the connection ends.
func (c *wsClient) wantEnd() {
	c.t.Helper()
	for {
		if _, _, err := c.read(); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				c.t.Fatal("the websocket stays open")
			}
			return
		}
	}
}

// openOn opens a session at a node itself, whatever certificate it has, and gives the session id.
func openOn(t testing.TB, m *member) string {
	t.Helper()
	client := m.http.Client()
	client.Timeout = patience
	res, err := client.Get(m.url() + "?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	var hand struct{ SID string }
	if err := json.Unmarshal(body[1:], &hand); err != nil {
		t.Fatalf("handshake: %s", body)
	}
	return hand.SID
}

// contextOf gives a context for one request that a test ends.
func contextOf(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithCancel(r.Context())
}
