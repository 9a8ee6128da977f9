package socketio

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Namespace is a set of sockets with handlers of its own. Set its handlers before clients come; later changes apply to what comes
// later. Its methods may be called from any goroutine.
type Namespace struct {
	srv     *Server
	name    string
	lastAck atomic.Uint64

	mu         sync.RWMutex
	middleware []func(context.Context, *Connecting) error
	connection func(*Socket)
	handlers   map[string]func(*Event)
	any        func(*Event)
	sockets    map[string]*Socket              // by id
	rooms      map[string]map[*Socket]struct{} // except those named by an id, which are in sockets
}

func newNamespace(srv *Server, name string) *Namespace {
	return &Namespace{
		srv:     srv,
		name:    name,
		sockets: make(map[string]*Socket),
		rooms:   make(map[string]map[*Socket]struct{}),
	}
}

// Name is the namespace's name, "/" for the main one.
func (n *Namespace) Name() string { return n.name }

// Use adds middleware, which runs before a client's CONNECT is answered, in the order added; an error refuses the client (see
// ConnectError). It may block: only this client waits. When the client leaves meanwhile, ctx ends.
func (n *Namespace) Use(f func(ctx context.Context, c *Connecting) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.middleware = append(n.middleware[:len(n.middleware):len(n.middleware)], f)
}

// OnConnection sets the handler that runs when a client was answered. What it emits follows the CONNECT answer, and no event of the
// client is handled before it returns.
func (n *Namespace) OnConnection(f func(*Socket)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.connection = f
}

// On sets the handler of an event for all sockets that have none of their own. nil removes it.
func (n *Namespace) On(event string, f func(*Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	setHandler(&n.handlers, event, f)
}

// OnAny sets the handler of every event that has no other; see Socket.OnAny.
func (n *Namespace) OnAny(f func(*Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.any = f
}

// Emit sends an event to all sockets of the namespace.
func (n *Namespace) Emit(name string, args ...any) error {
	return Broadcast{ns: n}.Emit(name, args...)
}

// To addresses the sockets of rooms.
func (n *Namespace) To(rooms ...string) Broadcast { return Broadcast{ns: n}.To(rooms...) }

// Except addresses all sockets but those of rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return Broadcast{ns: n}.Except(rooms...) }

// Volatile addresses all sockets whose connection can take an event right now.
func (n *Namespace) Volatile() Broadcast { return Broadcast{ns: n}.Volatile() }

// Sockets lists the sockets of the namespace, in no order.
func (n *Namespace) Sockets() []*Socket { return Broadcast{ns: n}.Sockets() }

// Socket finds a socket by its id; nil when it is not connected.
func (n *Namespace) Socket(id string) *Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.sockets[id]
}

func (n *Namespace) chain() []func(context.Context, *Connecting) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.middleware
}

func (n *Namespace) connectionHandler() func(*Socket) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.connection
}

// handler finds the handler of an event that the socket has none for; fallback is the socket's catch-all.
func (n *Namespace) handler(event string, fallback func(*Event)) func(*Event) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if f := n.handlers[event]; f != nil {
		return f
	}
	if fallback != nil {
		return fallback
	}
	return n.any
}

func (n *Namespace) nextAck() uint64 { return n.lastAck.Add(1) - 1 }

func (n *Namespace) frame(ack, name string, args []any) (*engineio.Frame, error) {
	return encode(packet.SocketEvent, n, ack, &name, args)
}
