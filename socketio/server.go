package socketio

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Server serves Socket.IO as an http.Handler, on whatever path it is mounted; clients expect /socket.io/.
type Server struct {
	opt     Options
	engine  *engineio.Server
	bundle  *bundle
	waiting waiting

	ctx    context.Context // ends with Close; parent of every middleware's
	cancel context.CancelFunc

	mu         sync.RWMutex
	namespaces map[string]*Namespace
	running    sync.WaitGroup // goroutines of middleware and the handlers behind it
	closed     bool           // running does not grow any more
}

// New makes a server. It has no namespaces yet: a client that asks for one that Of did not make is told "Invalid namespace".
func New(o Options) *Server {
	o = o.withDefaults()
	srv := &Server{opt: o, namespaces: make(map[string]*Namespace)}
	srv.ctx, srv.cancel = context.WithCancel(context.Background())
	srv.waiting.timeout = o.ConnectTimeout
	srv.bundle = loadBundle(o.ClientBundle, o.BundleVersion, o.Engine.CORS)
	srv.engine = engineio.New(o.Engine, upper{srv})
	return srv
}

// Of returns the namespace of that name, which it makes if need be. A name begins with "/"; one that does not gets it.
func (srv *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	n := srv.namespaces[name]
	if n == nil {
		n = newNamespace(srv, name)
		srv.namespaces[name] = n
	}
	return n
}

// namespace finds a namespace; nil when there is none.
func (srv *Server) namespace(name string) *Namespace {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.namespaces[name]
}

// ServeHTTP serves the client's files and hands everything else to the transport.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !srv.bundle.serve(w, r) {
		srv.engine.ServeHTTP(w, r)
	}
}

// Connections is the number of open connections, whatever namespaces they have joined.
func (srv *Server) Connections() int { return srv.engine.Sessions() }

// Waiting is the number of connections that have joined no namespace yet.
func (srv *Server) Waiting() int { return srv.waiting.count() }

// Drain refuses new connections from now on, with 503, so that their clients try again elsewhere. Those there are go on, until Close.
func (srv *Server) Drain() { srv.engine.Drain() }

// Close ends every connection ("server shutting down"), so that the clients come back by themselves, and waits until their
// OnDisconnect handlers have run, or until ctx ends, whose error it then returns.
func (srv *Server) Close(ctx context.Context) error {
	srv.waiting.stop()
	err := srv.engine.Close(ctx)
	srv.cancel() // of middleware whose session has ended; before that, its answer would be a refusal, which clients do not retry
	srv.mu.Lock()
	srv.closed = true
	srv.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		srv.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spawn runs f on a goroutine that Close waits for. Once Close has seen the last session end there is nothing worth waiting for.
func (srv *Server) spawn(f func()) {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	if srv.closed {
		go f()
		return
	}
	srv.running.Go(f)
}

// upper is the server as the transport sees it.
type upper struct{ srv *Server }

// Open makes the session's upper half and starts its connect timeout.
func (u upper) Open(e *engineio.Session) {
	s := &session{srv: u.srv, eio: e}
	e.SetData(s)
	u.srv.waiting.add(s)
}

// Message takes one packet, or a part of one.
func (u upper) Message(e *engineio.Session, data []byte, binary bool) {
	if s, ok := e.Data().(*session); ok {
		s.message(data, binary)
	}
}

// Close ends the session's sockets.
func (u upper) Close(e *engineio.Session, reason engineio.Reason) {
	if s, ok := e.Data().(*session); ok {
		u.srv.waiting.remove(s)
		s.end(string(reason))
	}
}
