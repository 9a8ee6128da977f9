package engineio

import (
	"net/http"
	"net/url"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// ServeHTTP answers one request of a client: a handshake, a poll, a POST, or a
// websocket. What path it came by is the caller's business.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if srv.cors(w, r) {
		return
	}
	query := r.URL.Query()
	if refusal := srv.verify(r, query); refusal != nil {
		refusal.write(w, r)
		return
	}
	sid := query.Get("sid")
	if sid == "" {
		srv.serveHandshake(w, r, query)
		return
	}
	s := srv.lookup(sid)
	if s == nil || !s.hold() {
		srv.serveUnknown(w, r, sid)
		return
	}
	defer s.unhold()
	s.serve(w, r, query)
}

// serveUnknown answers a request whose session is not here.
func (srv *Server) serveUnknown(w http.ResponseWriter, r *http.Request, sid string) {
	if srv.opts.Foreign != nil {
		if refusal := srv.allow(r); refusal != nil {
			refusal.write(w, r)
			return
		}
		if srv.opts.Foreign(w, r, sid) {
			return
		}
	}
	unknownSession().write(w, r)
}

// verify checks what needs no session, in the order of the reference server.
func (srv *Server) verify(r *http.Request, query url.Values) *Refusal {
	switch query.Get("transport") {
	case transportPolling, transportWebsocket:
	default:
		return refuse(codeUnknownTransport, "Transport unknown")
	}
	if !plainOrigin(r.Header.Get("Origin")) {
		return badRequest()
	}
	return nil
}

// serve answers a request that names this session.
func (s *Session) serve(w http.ResponseWriter, r *http.Request, query url.Values) {
	upgrade := wantsWebsocket(r)
	transport := query.Get("transport")
	if upgrade != (transport == transportWebsocket) || (!upgrade && transport != s.Transport()) {
		badRequest().write(w, r)
		return
	}
	if err := s.srv.allow(r); err != nil {
		err.write(w, r)
		return
	}
	switch {
	case upgrade:
		s.upgrade(w, r)
	case r.Method == http.MethodGet:
		s.serveGet(w, r)
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		(&Refusal{Status: http.StatusMethodNotAllowed, Code: codeBadRequest, Message: "Bad request"}).write(w, r)
	}
}

// serveHandshake opens a session.
func (srv *Server) serveHandshake(w http.ResponseWriter, r *http.Request, query url.Values) {
	upgrade := wantsWebsocket(r)
	refusal := srv.verifyHandshake(r, query, upgrade)
	if refusal != nil {
		refusal.write(w, r)
		return
	}
	s, refusal := srv.newSession(r, query)
	if refusal != nil {
		refusal.write(w, r)
		return
	}
	if upgrade {
		s.openWebsocket(w, r)
		return
	}
	defer s.unhold()
	s.open()
	if s.isClosed() { // the handler panicked
		badRequest().write(w, r)
		return
	}
	open := packet.EnginePacket{Type: packet.EngineOpen, Data: s.handshake(transportWebsocket)}
	if err := srv.writeBody(w, r, packet.AppendEngine(nil, open)); err != nil {
		s.abort(TransportError, nil)
	}
}

// verifyHandshake checks a request without a session id, in the order of the
// reference server; that one notices a wrong version on a websocket only after
// the 101, this one before.
func (srv *Server) verifyHandshake(r *http.Request, query url.Values, upgrade bool) *Refusal {
	if r.Method != http.MethodGet {
		return refuse(codeBadMethod, "Bad handshake method")
	}
	if upgrade != (query.Get("transport") == transportWebsocket) {
		return badRequest()
	}
	if err := srv.allow(r); err != nil {
		return err
	}
	if query.Get("EIO") != protocolVersion {
		return refuse(codeBadVersion, "Unsupported protocol version")
	}
	return nil
}

// allow asks Options.Allow.
func (srv *Server) allow(r *http.Request) *Refusal {
	if srv.opts.Allow == nil {
		return nil
	}
	if err := srv.opts.Allow(r); err != nil {
		return forbidden(err)
	}
	return nil
}

// openWebsocket answers 101 and starts a session on the connection. The
// goroutine is a fresh one: that of the HTTP server holds larger buffers.
func (s *Session) openWebsocket(w http.ResponseWriter, r *http.Request) {
	c := &wsConn{s: s, live: true}
	if err := c.accept(w, r); err != nil {
		s.discard()
		return
	}
	go func() {
		s.goLive(c)
		s.open()
		c.run()
	}()
}

// goLive gives a new session its websocket. What is queued, the open packet
// first, goes out.
func (s *Session) goLive(c *wsConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ws = c
	if s.state != stateOpen { // the server was closed in between
		c.abortLocked(closeFrame(0))
		return
	}
	s.kickLocked()
}

// discard forgets a session of which the handler has not heard.
func (s *Session) discard() {
	s.call.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneLocked()
	s.unholdLocked()
}

func (s *Session) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateClosed
}
