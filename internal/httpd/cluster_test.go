package httpd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

const secretText = "a secret of all nodes"

// member is one node of a test's cluster: the real listener, protocol and forwarder; its application echoes.
type member struct {
	forward *httpd.Forwarder
	sockets *socketio.Server
	http    *httptest.Server
	addr    string // host:port
	log     *logBuffer

	mu    sync.Mutex
	asked []asked // requests that the protocol saw
}

// asked is what the protocol saw of a request.
type asked struct{ remote, origin, cookie, method string }

// setup changes how a member is made.
type setup struct {
	secret    string // secretText
	listen    string // 127.0.0.1:0
	plain     bool   // without --advertise
	tls       bool
	origins   string
	proxies   string
	forward   func(*httpd.Forwarding)
	engine    func(*engineio.Options)
	perClient int
	tight     bool // little room in the kernel for what clients do not take
}

func newMember(t testing.TB, s setup) *member {
	t.Helper()
	if s.secret == "" {
		s.secret = secretText
	}
	if s.listen == "" {
		s.listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", s.listen)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{addr: l.Addr().String(), log: &logBuffer{}}
	secret, err := auth.NewSecret(s.secret)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(m.log, nil))
	proxies, err := auth.ParseProxies(s.proxies)
	if err != nil {
		t.Fatal(err)
	}
	origins, err := auth.ParseOrigins(s.origins, proxies, logger)
	if err != nil {
		t.Fatal(err)
	}
	c := httpd.Forwarding{Secret: secret, Proxies: proxies, Logger: logger, MaxPayload: 1_000_000}
	if !s.plain {
		text := m.addr
		if s.tls {
			text = "https://" + text
		}
		if c.Advertise, err = auth.ParseNodeAddress(text); err != nil {
			t.Fatal(err)
		}
	}
	if s.forward != nil {
		s.forward(&c)
	}
	m.forward = httpd.NewForwarder(c)
	m.serve(t, l, s, origins, proxies, logger)
	return m
}

func (m *member) serve(t testing.TB, l net.Listener, s setup, origins *auth.Origins, proxies auth.Proxies, logger *slog.Logger) {
	limit := s.perClient
	if limit == 0 {
		limit = 1000
	}
	gate := auth.NewGate(auth.GateLimits{Sockets: 1000, PerAddress: limit, Handshakes: 1000}, proxies, func() int { return 0 })
	door := httpd.Admission{Origins: origins, Gate: gate}
	o := engineio.Options{CORS: door.CORS, Allow: door.Allow, Admit: door.Admit, NewID: m.forward.NewID, Foreign: m.forward.Foreign, Logger: logger}
	if s.engine != nil {
		s.engine(&o)
	}
	m.sockets = socketio.New(socketio.Options{Engine: o})
	m.sockets.Of("/").OnAny(func(e *socketio.Event) {
		if err := e.Socket.Emit("echo", e.Values()...); err == nil && e.HasAck() {
			_ = e.Ack(len(e.Args)) // an error: the client has gone
		}
	})
	seen := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked = append(m.asked, asked{r.RemoteAddr, r.Header.Get("Origin"), r.Header.Get("Cookie"), r.Method})
		m.mu.Unlock()
		m.sockets.ServeHTTP(w, r)
	})
	m.http = httptest.NewUnstartedServer(nil)
	m.http.Listener.Close()
	m.http.Listener, m.http.Config = l, httpd.NewServer(httpd.New(httpd.Config{Socket: seen, Forward: m.forward, Proxies: proxies,
		Health: func() httpd.Health { return httpd.Health{State: httpd.StateOK} }}), 1000)
	if s.tight {
		m.http.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
			return ctx
		}
	}
	if s.tls {
		m.http.StartTLS()
	} else {
		m.http.Start()
	}
	t.Cleanup(func() { m.stop(t) })
}

// stop ends the node in the order of node.stop; a second call does nothing.
func (m *member) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.forward.Drain(ctx, 0); err != nil {
		t.Errorf("drain: %v", err)
	}
	if err := m.sockets.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	m.http.Close()
}

func (m *member) url() string { return m.http.URL + "/socket.io/" }

// requests lists what the protocol saw.
func (m *member) requests() []asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]asked(nil), m.asked...)
}

// roundRobin gives the address of a proxy that sends every request to the next node.
func roundRobin(t testing.TB, nodes ...*member) string {
	t.Helper()
	var next atomic.Int64
	transport := &http.Transport{DisableCompression: true}
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			u, _ := url.Parse(nodes[int(next.Add(1))%len(nodes)].http.URL)
			r.SetURL(u)
		}}
	server := httptest.NewServer(proxy)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return server.URL + "/socket.io/"
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually waits until f holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !f(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// noLeak checks, when everything else of the test has been cleaned up, that no goroutine is left.
func noLeak(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		eventually(t, "goroutines back to the start", func() bool {
			http.DefaultTransport.(*http.Transport).CloseIdleConnections()
			return runtime.NumGoroutine() <= before
		})
	})
}

// refusal reads the body of a refused request.
func refusal(t testing.TB, body []byte) (code int) {
	t.Helper()
	var e struct {
		Code    *int
		Message string
	}
	if err := json.Unmarshal(body, &e); err != nil || e.Code == nil || e.Message == "" {
		t.Fatalf("not a refusal: %s", body)
	}
	return *e.Code
}
