// Package httpd is the listener's routes: the page, Socket.IO, health and metrics, with the headers that keep a browser safe. Who may
// open a socket is decided here, with auth, before the protocol hears of a request.
package httpd

import (
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
)

// Config is what the routes lead to.
type Config struct {
	App          fs.FS // the built page; nil: it was not built
	Socket       http.Handler
	Forward      *Forwarder // lets other nodes forward to Socket; nil: they may not
	Health       func() Health
	Metrics      http.Handler
	MetricsToken string // opens /metrics from beyond loopback
	Proxies      auth.Proxies
}

// New gives the handler of a node's listener.
func New(c Config) http.Handler {
	mux := http.NewServeMux()
	if c.Forward != nil {
		c.Socket = c.Forward.Accept(c.Socket)
	}
	mux.Handle("/socket.io/", c.Socket)
	mux.Handle("/socket.io", c.Socket)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", readyz(c.Health))
	mux.HandleFunc("/metrics", guardMetrics(c))
	if c.App == nil {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			plain(w, http.StatusServiceUnavailable, "This hubbub was built without its page: run make web, then build again.\n")
		})
	} else {
		mux.Handle("/", newPage(c.App))
	}
	return secure(mux)
}

// NewServer gives an http.Server with the time limits that slow and hostile clients need, and at most so many connections that have not
// brought a request yet. Long polls and websockets set their own deadlines, so there is none on bodies and answers as a whole.
func NewServer(h http.Handler, newcomers int) *http.Server {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	bound(srv, newcomers)
	return srv
}

// bodyWithin is how long net/http may wait for the body of a request that was answered without it. What reads a body sets a time of its
// own.
const bodyWithin = 10 * time.Second

// policy allows the page its own files and its own socket, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// secure sets what every answer carries. Client bundles under /socket.io/ are for other pages too and keep CORS to the protocol.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin))
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if !strings.HasPrefix(r.URL.Path, "/socket.io") {
			h.Set("Content-Security-Policy", policy)
			h.Set("X-Frame-Options", "DENY")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasPrefix(r.URL.Path, "/socket.io") {
			h.Set("Allow", "GET, HEAD")
			plain(w, http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
