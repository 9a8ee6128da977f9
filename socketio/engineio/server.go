package engineio

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

const (
	transportPolling   = "polling"
	transportWebsocket = "websocket"

	protocolVersion = "4"
)

// shutdownLinger is the time a polling client has for its last poll when the
// server closes.
const shutdownLinger = time.Second

// Server is an http.Handler that serves Engine.IO 4 on whatever path it is
// mounted. Make one with New.
type Server struct {
	opts    Options
	handler Handler
	buffers bufferPool
	gzip    compressors
	writers writers
	later   later

	mu       sync.Mutex // guards all below
	sessions map[string]*Session
	alive    int           // sessions that have not been released
	draining bool          // no new sessions
	closing  bool          // nor will those there are stay
	idle     chan struct{} // closed when closing and alive is 0
}

// New makes a server that tells h of its sessions.
func New(o Options, h Handler) *Server {
	return &Server{
		opts:     o.withDefaults(),
		handler:  h,
		gzip:     newCompressors(),
		sessions: map[string]*Session{},
		idle:     make(chan struct{}),
	}
}

// Sessions returns the number of sessions, those included whose last packets
// wait for the client.
func (srv *Server) Sessions() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return len(srv.sessions)
}

// Drain refuses new sessions from now on, with 503: their clients try again, and
// a balancer may send them elsewhere. Those there are go on, until Close.
func (srv *Server) Drain() {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.draining = true
}

// Close refuses new sessions, closes all others (ShuttingDown) and waits until
// nothing of them remains. When ctx ends first the connections are cut and
// ctx.Err() is returned. Polling requests end with their answer; stop the HTTP
// server afterwards.
func (srv *Server) Close(ctx context.Context) error {
	for _, s := range srv.stop() {
		s.closeWithin(ShuttingDown, shutdownLinger)
	}
	select {
	case <-srv.idle:
		return nil
	case <-ctx.Done():
	}
	for _, s := range srv.stop() {
		s.abort(ShuttingDown, nil)
	}
	return ctx.Err()
}

// stop marks the server as closing and returns its sessions.
func (srv *Server) stop() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if !srv.closing {
		srv.closing = true
		srv.idleLocked()
	}
	return slices.Collect(maps.Values(srv.sessions))
}

func (srv *Server) idleLocked() {
	if srv.closing && srv.alive == 0 {
		select {
		case <-srv.idle:
		default:
			close(srv.idle)
		}
	}
}

// newSession makes and registers a session. Its call lock is held until
// Session.open, so that nothing reaches the handler before Open. The caller
// has one hold of it. Its heartbeat runs: the client counts from the answer.
func (srv *Server) newSession(r *http.Request, query url.Values) (*Session, *Refusal) {
	s := &Session{
		srv:   srv,
		id:    srv.opts.NewID(),
		holds: 2, // the caller's, and one that goneLocked gives back
	}
	s.req.Store(&Request{Header: r.Header, Query: query, RemoteAddr: r.RemoteAddr, Host: r.Host, Time: time.Now(), TLS: r.TLS != nil})
	if s.id == "" {
		return nil, badRequest()
	}
	if srv.opts.Admit != nil {
		release, err := srv.opts.Admit(r)
		if err != nil {
			return nil, forbidden(err)
		}
		s.release = release
	}
	if wantsWebsocket(r) {
		s.out.push(encodeFrame(packet.EnginePacket{Type: packet.EngineOpen, Data: s.handshake()}))
	}
	s.call.Lock()
	s.startHeartbeat()
	if refusal := srv.register(s); refusal != nil {
		s.timer.Stop()
		if s.release != nil {
			s.release()
		}
		return nil, refusal
	}
	return s, nil
}

func (srv *Server) register(s *Session) *Refusal {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closing || srv.draining {
		return shuttingDown().filled()
	}
	if srv.sessions[s.id] != nil {
		return badRequest()
	}
	srv.sessions[s.id] = s
	srv.alive++
	return nil
}

func (srv *Server) lookup(sid string) *Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[sid]
}

func (srv *Server) forget(sid string) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, sid)
}

// released is called once for each session, when nothing of it remains.
func (srv *Server) released(s *Session) {
	defer func() {
		if v := recover(); v != nil {
			srv.logPanic("release", v)
		}
		srv.mu.Lock()
		defer srv.mu.Unlock()
		srv.alive--
		srv.idleLocked()
	}()
	if s.release != nil {
		s.release()
	}
	if srv.opts.Release != nil {
		srv.opts.Release(s)
	}
}

func (srv *Server) logPanic(where string, v any) {
	srv.opts.Logger.Error("engineio: the handler panicked; its session is closed",
		"in", where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

// handshake is the data of the open packet, see Engine.IO v4 §handshake.
func (s *Session) handshake(upgrades ...string) []byte {
	o := &s.srv.opts
	data, _ := json.Marshal(struct { // strings and numbers: cannot fail
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{s.id, append([]string{}, upgrades...), o.PingInterval.Milliseconds(), o.PingTimeout.Milliseconds(), o.MaxPayload})
	return data
}
