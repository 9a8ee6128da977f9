package httpd

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// newcomers are the connections that have not yet brought a whole request: silent ones, and those whose headers trickle. Each costs a file
// descriptor, and none is a socket that --sockets or --handshakes would count. Above the bound the oldest has to go: who means it has sent
// his request by then.
type newcomers struct {
	most int

	mu   sync.Mutex
	line list.List // of net.Conn, the oldest first
	at   map[net.Conn]*list.Element
}

// connKey is where a request's context has its connection.
type connKey struct{}

// bound makes srv hold at most n newcomers at a time.
func bound(srv *http.Server, n int) {
	nc := &newcomers{most: n, at: map[net.Conn]*list.Element{}}
	next := srv.Handler
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) }
	srv.ConnState = func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			nc.come(c)
		case http.StateClosed, http.StateHijacked:
			nc.arrived(c)
		}
	}
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			nc.arrived(c)
		}
		next.ServeHTTP(w, r)
	})
}

// come puts a connection at the end of the line, and closes the first if the line is too long.
func (nc *newcomers) come(c net.Conn) {
	nc.mu.Lock()
	nc.at[c] = nc.line.PushBack(c)
	var over net.Conn
	if nc.line.Len() > nc.most {
		over = nc.line.Remove(nc.line.Front()).(net.Conn)
		delete(nc.at, over)
	}
	nc.mu.Unlock()
	if over != nil {
		over.Close()
	}
}

// arrived takes a connection out of the line, if it is in it.
func (nc *newcomers) arrived(c net.Conn) {
	nc.mu.Lock()
	defer nc.mu.Unlock()
	if e := nc.at[c]; e != nil {
		nc.line.Remove(e)
		delete(nc.at, c)
	}
}
