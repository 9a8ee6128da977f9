package node_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const patience = 20 * time.Second

// socket is a websocket of which a test writes every byte.
type socket struct {
	net.Conn
	t   *testing.T
	in  *bufio.Reader
	sid string
}

// websocket opens one and takes the open packet; header may be nil.
func (r *running) websocket(header http.Header, query string) *socket {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	s := r.upgrade(conn, header, query)
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(s.hear("0")[1:]), &open); err != nil || open.SID == "" {
		r.t.Fatalf("open packet: %v", err)
	}
	s.sid = open.SID
	return s
}

func (r *running) upgrade(conn net.Conn, header http.Header, query string) *socket {
	r.t.Helper()
	conn.SetDeadline(time.Now().Add(patience))
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}
	br, _, err := d.Upgrade(conn, mustURL(r.t, "ws://"+r.addr+"/socket.io/?EIO=4&transport=websocket"+query))
	if err != nil {
		r.t.Fatal(err)
	}
	if br == nil {
		br = bufio.NewReader(conn)
	}
	return &socket{Conn: conn, t: r.t, in: br}
}

func (s *socket) say(text string) {
	s.t.Helper()
	if err := wsutil.WriteClientText(s.Conn, []byte(text)); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

type both struct {
	io.Reader
	io.Writer
}

// hear reads until a message with this beginning.
func (s *socket) hear(prefix string) string {
	s.t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	for {
		data, _, err := wsutil.ReadServerData(both{s.in, s.Conn})
		if err != nil {
			s.t.Fatalf("waits in vain for %q: %v", prefix, err)
		}
		if string(data) == "2" {
			s.say("3")
		}
		if strings.HasPrefix(string(data), prefix) {
			return string(data)
		}
	}
}

// closes reads until the server ends the connection, and gives the websocket's close code, 0 if it just ended.
func (s *socket) closes() ws.StatusCode {
	s.t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	for {
		_, _, err := wsutil.ReadServerData(both{s.in, s.Conn})
		var closed wsutil.ClosedError
		var ne net.Error
		switch {
		case errors.As(err, &closed):
			return closed.Code
		case errors.As(err, &ne) && ne.Timeout():
			s.t.Fatal("the connection stays open")
		case err != nil:
			return 0
		}
	}
}

// poller is a client by long polling.
type poller struct {
	t     *testing.T
	base  string
	sid   string
	head  http.Header
	via   http.Client
	queue []string
}

func (r *running) polling(header http.Header) *poller {
	r.t.Helper()
	p := &poller{t: r.t, base: "http://" + r.addr + "/socket.io/?EIO=4&transport=polling", head: header, via: http.Client{Timeout: 2 * patience}}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(p.hear("0")[1:]), &open); err != nil || open.SID == "" {
		r.t.Fatalf("open packet: %v", err)
	}
	p.sid = open.SID
	p.base += "&sid=" + p.sid
	return p
}

func (p *poller) do(method, body string) (status int, text string, header http.Header) {
	p.t.Helper()
	return requestVia(p.t, &p.via, method, p.base, body, p.head)
}

// say posts packets, joined as polling joins them.
func (p *poller) say(packets ...string) {
	p.t.Helper()
	if status, text, _ := p.do(http.MethodPost, strings.Join(packets, "\x1e")); status != http.StatusOK {
		p.t.Fatalf("post: %d %s", status, text)
	}
}

// hear polls until a packet with this beginning.
func (p *poller) hear(prefix string) string {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		for len(p.queue) > 0 {
			packet := p.queue[0]
			p.queue = p.queue[1:]
			if packet == "2" {
				p.say("3")
			}
			if strings.HasPrefix(packet, prefix) {
				return packet
			}
		}
		status, text, _ := p.do(http.MethodGet, "")
		if status != http.StatusOK || time.Now().After(deadline) {
			p.t.Fatalf("polls in vain for %q: %d %s", prefix, status, text)
		}
		p.queue = strings.Split(text, "\x1e")
	}
}

// request asks over HTTP.
func request(t *testing.T, method, url, body string, header http.Header) (status int, text string, answer http.Header) {
	t.Helper()
	return requestVia(t, &http.Client{Timeout: 2 * patience}, method, url, body, header)
}

func requestVia(t *testing.T, client *http.Client, method, url, body string, header http.Header) (status int, text string, answer http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data), res.Header
}

// diary keeps what is logged, down to debug.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// startLogged is start with a diary.
func startLogged(t *testing.T, args ...string) (*running, *diary) {
	t.Helper()
	d := &diary{}
	r := &running{t: t, data: t.TempDir(), args: args, logs: slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))}
	r.up()
	t.Cleanup(func() { r.stop() })
	return r, d
}

// headers makes a header of pairs.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// quoted is v as JSON.
func quoted(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprint(v, err))
	}
	return string(data)
}

// bare is a TCP connection.
func (r *running) bare() *socket {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &socket{Conn: conn, t: r.t, in: bufio.NewReader(conn)}
}

// until waits until ok says so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it never came about: %s", what)
		}
	}
}

// textFrame is a masked frame as a client writes it.
func textFrame(text string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text))))
}
