package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Forwarding is what a Forwarder needs. Secret must be there; a zero field means its default.
type Forwarding struct {
	Secret    auth.Secret
	Advertise auth.NodeAddress // where other nodes reach this one; zero: its session ids are plain, and nobody forwards to it
	Proxies   auth.Proxies

	MaxPayload   int           // bytes of one POST: 1,000,000
	PingInterval time.Duration // as the transport has it: 25 s
	PingTimeout  time.Duration // 20 s
	WriteTimeout time.Duration // for which a peer may take or give nothing: 10 s
	DialTimeout  time.Duration // to reach another node: 2 s
	Slack        time.Duration // what the queues of two nodes may add to a time that the protocol sets: 5 s
	MaxOpen      int           // requests and websockets forwarded at a time: 20,000

	TLS    *tls.Config // towards nodes that advertise https; nil: the system's authorities
	Logger *slog.Logger
}

func (c Forwarding) withDefaults() Forwarding {
	for _, d := range []struct {
		d   *time.Duration
		def time.Duration
	}{{&c.PingInterval, 25 * time.Second}, {&c.PingTimeout, 20 * time.Second}, {&c.WriteTimeout, 10 * time.Second}, {&c.DialTimeout, 2 * time.Second}, {&c.Slack, 5 * time.Second}} {
		if *d.d <= 0 {
			*d.d = d.def
		}
	}
	if c.MaxPayload <= 0 {
		c.MaxPayload = 1_000_000
	}
	if c.MaxOpen <= 0 {
		c.MaxOpen = 20_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Forwarder makes sticky sessions needless: a session id carries the signed address of its node, and a request that reaches another one
// is passed on there, one hop at most. The first node judges the request's origin and tells the second, signed, who the client is.
type Forwarder struct {
	conf   Forwarding
	sids   *auth.SIDs
	hops   *auth.Hops
	client *http.Transport
	dialer net.Dialer
	said   said
	chunks *sync.Pool

	forwarded, failed, refused atomic.Int64
	draining                   atomic.Bool

	mu     sync.Mutex
	open   map[*passage]struct{} // bounded by MaxOpen
	last   time.Time             // when the last one entered; zero: never
	closed bool
	idle   chan struct{} // closed when closed and nothing is open
}

// ForwardStats are counted since the start.
type ForwardStats struct {
	Forwarded int64 // requests that the session's node answered
	Failed    int64 // it could not be reached, did not answer in time, or did not prove that it is one of ours
	Refused   int64 // requests that come from another node and are not believed
	Open      int   // now under way, websockets included
}

// NewForwarder makes a Forwarder.
func NewForwarder(c Forwarding) *Forwarder {
	c = c.withDefaults()
	f := &Forwarder{conf: c, sids: auth.NewSIDs(c.Secret, c.Advertise), hops: auth.NewHops(c.Secret, nil), chunks: newChunks(), open: map[*passage]struct{}{}, idle: make(chan struct{})}
	// A machine that vanished is noticed within half a minute, however quiet the poll.
	f.dialer = net.Dialer{Timeout: c.DialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 4}}
	// Idle connections are given up before the other side's two minutes are over: a request must not meet a connection that is being closed.
	f.client = &http.Transport{DialContext: f.dialer.DialContext, TLSClientConfig: f.tls(""), TLSHandshakeTimeout: 2 * c.DialTimeout, DisableCompression: true,
		MaxIdleConns: 4096, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 45 * time.Second, MaxResponseHeaderBytes: maxHead}
	return f
}

// maxHead bounds the head of a node's answer, bytes.
const maxHead = 32 << 10

func (f *Forwarder) tls(host string) *tls.Config {
	c := &tls.Config{}
	if f.conf.TLS != nil {
		c = f.conf.TLS.Clone()
	}
	c.MinVersion, c.NextProtos = tls.VersionTLS12, []string{"http/1.1"}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// NewID makes a session id; for engineio.Options.NewID.
func (f *Forwarder) NewID() string { return f.sids.New() }

// Stats gives the counts.
func (f *Forwarder) Stats() ForwardStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return ForwardStats{Forwarded: f.forwarded.Load(), Failed: f.failed.Load(), Refused: f.refused.Load(), Open: len(f.open)}
}

type hopKey struct{}

// Accept stands in front of the protocol: a request that another node forwards is given its client's address, and one whose mark is not
// right is refused as of an unknown session.
func (f *Forwarder) Accept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.draining.Load() && !upgrades(r) {
			w.Header().Set("Connection", "close") // the client's next request may find another node
		}
		mark := r.Header.Get(auth.HopHeader)
		if mark == "" {
			next.ServeHTTP(w, r)
			return
		}
		client, err := f.hops.Verify(mark, r.URL.Query().Get("sid"))
		if err != nil {
			f.refused.Add(1)
			if f.said.first(err.Error()) {
				f.conf.Logger.Warn("a request that claims to be forwarded by a node is refused: compare --secret and the clocks of the nodes, or somebody forges them", "error", err)
			}
			engineio.UnknownSession().Write(w, r)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), hopKey{}, true))
		if client.IsValid() {
			r.RemoteAddr = net.JoinHostPort(client.String(), "0")
		}
		w.Header().Set(auth.HopHeader, f.hops.Answer(mark))
		next.ServeHTTP(w, r)
	})
}

// Foreign forwards a request to the node of its session id; for engineio.Options.Foreign. It is false when there is no such node: the id
// is not signed, or of this very node, or the request has had its hop.
func (f *Forwarder) Foreign(w http.ResponseWriter, r *http.Request, sid string) bool {
	node, err := f.sids.Node(sid)
	if errors.Is(err, auth.ErrSigned) && f.said.first(err.Error()) {
		f.conf.Logger.Warn("a session id of a node was not signed with this node's secret: --secret probably differs between the nodes, or somebody forges ids")
	}
	if err != nil || node == f.sids.Own() || r.Context().Value(hopKey{}) != nil {
		return false
	}
	p := &passage{f: f, w: w, r: r, sid: sid, node: node, rc: http.NewResponseController(w), upgrade: upgrades(r)}
	p.mark = f.hops.Mark(sid, f.conf.Proxies.Client(r))
	if !f.enter(p) {
		(&engineio.Refusal{Status: http.StatusServiceUnavailable, Message: "this node forwards all it can", RetryAfter: time.Second}).Write(w, r)
		return true
	}
	transport := r.URL.Query().Get("transport")
	switch {
	case p.upgrade != (transport == "websocket"), r.Method == http.MethodGet && r.ContentLength != 0:
		p.leave()
		(&engineio.Refusal{Status: http.StatusBadRequest, Code: 3, Message: "Bad request"}).Write(w, r)
	case p.upgrade:
		p.tunnel()
	case r.Method == http.MethodGet:
		defer p.leave()
		p.poll()
	case r.Method == http.MethodPost:
		defer p.leave()
		p.post()
	default:
		p.leave()
		w.Header().Set("Allow", "GET, POST")
		(&engineio.Refusal{Status: http.StatusMethodNotAllowed, Code: 3, Message: "Bad request"}).Write(w, r)
	}
	return true
}

func upgrades(r *http.Request) bool { return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") }

// passage is one request that is being forwarded.
type passage struct {
	f    *Forwarder
	w    http.ResponseWriter
	r    *http.Request
	rc   *http.ResponseController
	sid  string
	node auth.NodeAddress
	mark string

	upgrade bool    // a websocket is asked for
	body    *upload // of a POST

	ctx    context.Context         // ends with the client's request, with the time for an answer, or when this node stops
	cancel context.CancelCauseFunc // guarded by Forwarder.mu once the passage is open
}

var (
	errStopping = errors.New("this node stops")
	errTime     = errors.New("the node did not answer in time")
	errProof    = errors.New("what answered at the node's address did not prove that it is of this deployment")
)

// enter counts the passage in, unless too many are open.
func (f *Forwarder) enter(p *passage) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.open) >= f.conf.MaxOpen {
		return false
	}
	p.ctx, p.cancel = context.WithCancelCause(p.r.Context())
	f.open[p], f.last = struct{}{}, time.Now()
	return true
}

// cut ends it for the given cause.
func (p *passage) cut(cause error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.cancel(cause)
}

// outlive lets the passage go on when the HTTP server believes that the request is over.
func (p *passage) outlive() {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(p.ctx))
	if cause := context.Cause(p.ctx); errors.Is(cause, errStopping) {
		cancel(cause)
	}
	p.cancel(nil)
	p.ctx, p.cancel = ctx, cancel
}

// leave counts it out.
func (p *passage) leave() {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	p.cancel(nil)
	delete(f.open, p)
	f.idleLocked()
}

func (f *Forwarder) idleLocked() {
	if f.closed && len(f.open) == 0 {
		select {
		case <-f.idle:
		default:
			close(f.idle)
		}
	}
}

// request makes what the session's node is asked: nothing of the client's own but what the protocol needs there.
func (p *passage) request(ctx context.Context, method string) *http.Request {
	asked := p.r.URL.Query()
	query := url.Values{"EIO": {"4"}, "transport": {asked.Get("transport")}, "sid": {p.sid}}
	if asked.Get("b64") == "1" {
		query.Set("b64", "1")
	}
	u := &url.URL{Scheme: "http", Host: p.node.Host, Path: "/socket.io/", RawQuery: query.Encode()}
	if p.node.TLS {
		u.Scheme = "https"
	}
	req := &http.Request{Method: method, URL: u, Host: p.node.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	for _, name := range []string{"Accept-Encoding", "Content-Type"} {
		if v := p.r.Header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	req.Header.Set("User-Agent", "hubbub")
	req.Header.Set(auth.HopHeader, p.mark)
	return req.WithContext(ctx)
}

// broken answers a client whose node did not: its session is lost to it, and it opens a new one.
func (p *passage) broken(err error) {
	if cause := context.Cause(p.ctx); cause != nil {
		err = cause
	}
	switch {
	case p.r.Context().Err() != nil: // the client has gone: nobody's fault
	case errors.Is(err, errStopping) && p.r.Method == http.MethodGet && !p.upgrade:
		// A poll ends as it does when its own node stops: with a close packet.
		h := p.w.Header()
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		h.Set("Cache-Control", "no-store")
		_, _ = io.WriteString(p.w, "1")
		return
	case !errors.Is(err, errStopping):
		p.f.failed.Add(1)
		if p.f.said.first("node " + p.node.Host) {
			p.f.conf.Logger.Warn("could not forward a request to the node of its session", "node", p.node.String(), "error", err)
		}
	}
	engineio.UnknownSession().Write(p.w, p.r)
}
