package engineio_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// patience is the deadline of everything that should happen soon.
const patience = 20 * time.Second

// app is a handler that notes what it is told. The function fields, where set,
// are called too.
type app struct {
	onOpen    func(s *engineio.Session)
	onMessage func(s *engineio.Session, data []byte, binary bool)

	opened chan *engineio.Session
	closed chan engineio.Reason

	mu    sync.Mutex
	calls map[*engineio.Session][]string
	wrong []string // breaches of the handler's contract
}

func newApp() *app {
	return &app{
		opened: make(chan *engineio.Session, 1000),
		closed: make(chan engineio.Reason, 1000),
		calls:  map[*engineio.Session][]string{},
	}
}

// echoApp answers every message with itself.
func echoApp() *app {
	a := newApp()
	a.onMessage = func(s *engineio.Session, data []byte, binary bool) {
		s.Send(engineio.NewFrame(engineio.Message{Data: data, Binary: binary}))
	}
	return a
}

// note checks that calls come in the promised order.
func (a *app) note(s *engineio.Session, call string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.calls[s]
	switch {
	case (call == "open") != (len(seen) == 0):
		a.wrong = append(a.wrong, call+" out of place")
	case len(seen) > 0 && seen[len(seen)-1] == "close":
		a.wrong = append(a.wrong, call+" after close")
	}
	if call != "message" || len(seen) < 2 {
		a.calls[s] = append(seen, call)
	}
}

func (a *app) Open(s *engineio.Session) {
	a.note(s, "open")
	a.opened <- s
	if a.onOpen != nil {
		a.onOpen(s)
	}
}

func (a *app) Message(s *engineio.Session, data []byte, binary bool) {
	a.note(s, "message")
	if a.onMessage != nil {
		a.onMessage(s, data, binary)
	}
}

func (a *app) Close(s *engineio.Session, r engineio.Reason) {
	a.note(s, "close")
	a.closed <- r
}

// fixture is a server on a loopback port.
type fixture struct {
	t    testing.TB
	app  *app
	eio  *engineio.Server
	http *httptest.Server
	hc   *http.Client
}

// start serves a with o and checks at the end that nothing is left.
func start(t testing.TB, o engineio.Options, a *app) *fixture {
	t.Helper()
	before := runtime.NumGoroutine()
	f := &fixture{t: t, app: a, eio: engineio.New(o, a)}
	f.http = httptest.NewServer(f.eio)
	f.hc = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		engineio.Abandon(f.eio) // Close would wait a second for the last poll of each
		if err := f.eio.Close(ctx); err != nil {
			t.Errorf("closing the server: %v", err)
		}
		f.hc.CloseIdleConnections()
		f.http.Close()
		if n := f.eio.Sessions(); n != 0 {
			t.Errorf("%d sessions left", n)
		}
		eventually(t, "goroutines back to the start", func() bool { return runtime.NumGoroutine() <= before })
		for _, w := range a.wrong {
			t.Errorf("handler contract: %s", w)
		}
	})
	return f
}

// fast is a heartbeat that does not disturb a test.
func fast() engineio.Options { return engineio.Options{MaxPayload: 1_000_000} }

func (f *fixture) url(query string) string { return f.http.URL + "/engine.io/?" + query }

func (f *fixture) sidURL(sid string) string {
	return f.url("EIO=4&transport=polling&sid=" + url.QueryEscape(sid))
}

// answer is what came back for one HTTP request.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
}

func (f *fixture) do(req *http.Request) answer {
	resp, err := f.hc.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(body), resp.Header, err}
}

func (f *fixture) request(method, url string, body io.Reader) *http.Request {
	f.t.Helper()
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		f.t.Fatal(err)
	}
	return req
}

func (f *fixture) get(sid string) answer {
	f.t.Helper()
	return f.do(f.request("GET", f.sidURL(sid), nil))
}

func (f *fixture) post(sid, body string) answer {
	f.t.Helper()
	return f.do(f.request("POST", f.sidURL(sid), strings.NewReader(body)))
}

// later runs one request and delivers its answer.
func later(do func() answer) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- do() }()
	return c
}

// hello is the data of an open packet.
type hello struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

func parseHello(t testing.TB, open string) hello {
	t.Helper()
	data, ok := strings.CutPrefix(open, "0")
	var h hello
	d := json.NewDecoder(strings.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); !ok || err != nil {
		t.Fatalf("not an open packet: %q (%v)", open, err)
	}
	return h
}

// polling opens a session by polling.
func (f *fixture) polling() string {
	f.t.Helper()
	a := f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil))
	f.want(a, 200, "*")
	return parseHello(f.t, a.body).SID
}

// want checks an answer; body "*" stands for any.
func (f *fixture) want(a answer, status int, body string) {
	f.t.Helper()
	if a.err != nil || a.status != status || (body != "*" && a.body != body) {
		f.t.Fatalf("answer %d %.200q (%v), want %d %.200q", a.status, a.body, a.err, status, body)
	}
}

// session returns the session that was opened last and not yet asked for.
func (f *fixture) session() *engineio.Session {
	f.t.Helper()
	return receive(f.t, "a session", f.app.opened)
}

func (f *fixture) wantClosed(want engineio.Reason) {
	f.t.Helper()
	if r := receive(f.t, "the session's end", f.app.closed); r != want {
		f.t.Fatalf("closed by %q, want %q", r, want)
	}
}

func receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("not reached")
	}
}

// eventually polls ok until it holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Errorf("not within %v: %s\n%s", patience, what, buf[:runtime.Stack(buf, true)])
			return
		}
	}
}

func text(s string) *engineio.Frame { return engineio.NewFrame(engineio.Message{Data: []byte(s)}) }
