// Package roundrobin is the least a load balancer can be: each request goes to the next node that accepts a connection, whoever sent it
// and whatever session it belongs to. It keeps nothing about clients, so it shows that the cluster needs no sticky sessions.
package roundrobin

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

// dialWithin is how long a node may take to accept.
const dialWithin = time.Second

// Proxy is an http.Handler in front of nodes. Websocket upgrades pass through it like any other request.
type Proxy struct {
	nodes   []string // host:port
	next    atomic.Uint64
	handler *httputil.ReverseProxy
	dialer  *http.Transport
	counts  []atomic.Int64 // of requests, by node
}

// New makes a proxy for nodes, each host:port; at least one.
func New(nodes []string) *Proxy {
	p := &Proxy{nodes: nodes, counts: make([]atomic.Int64, len(nodes))}
	// No connection is used twice: net/http repeats a GET by itself when a kept connection turns out dead, and a poll that was
	// answered must not be repeated, for its packets would be lost.
	p.dialer = &http.Transport{DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext, DisableKeepAlives: true, DisableCompression: true}
	p.handler = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.SetXForwarded() // Host stays what the client asked for
		},
		Transport:     p,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // clients that leave, nodes that die: daily bread here
	}
	return p
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// RoundTrip passes a request to the next node that accepts. Only a node that did not accept is skipped: what was sent once is not sent
// again. It is the http.RoundTripper of the proxy's own handler.
func (p *Proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	first := p.next.Add(1) - 1
	var problems []error
	for i := range uint64(len(p.nodes)) {
		at := int((first + i) % uint64(len(p.nodes)))
		out := r.Clone(r.Context())
		out.URL = &url.URL{Scheme: "http", Host: p.nodes[at], Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		if r.Body != nil {
			out.Body = unclosed{r.Body}
		}
		res, err := p.dialer.RoundTrip(out)
		if err == nil {
			p.counts[at].Add(1)
			return res, nil
		}
		problems = append(problems, err)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || r.Context().Err() != nil {
			break
		}
	}
	return nil, errors.Join(problems...)
}

// unclosed is a body that a failed attempt does not close: the next one needs it.
type unclosed struct{ io.Reader }

func (unclosed) Close() error { return nil }

// Counts gives how many requests each node has answered.
func (p *Proxy) Counts() []int64 {
	out := make([]int64, len(p.counts))
	for i := range p.counts {
		out[i] = p.counts[i].Load()
	}
	return out
}
