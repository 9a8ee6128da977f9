package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"sync"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Reasons that OnDisconnect gets beside those of engineio.Reason. The words are the reference server's.
const (
	reasonClient  = "client namespace disconnect"
	reasonServer  = "server namespace disconnect"
	reasonRefused = "connection refused" // ours: middleware refused, here or further on
)

type state uint8

const (
	stateConnecting state = iota // middleware is at work
	stateOpen
	stateEnded
)

// Socket is one client in one namespace. Its methods may be called from any goroutine.
type Socket struct {
	id        string
	ns        *Namespace
	session   *session
	auth      json.RawMessage
	recovered bool // set before the CONNECT answer

	rooms  map[string]struct{} // guarded by ns.mu
	member bool                // counted in ns; guarded by ns.mu

	mu       sync.Mutex
	state    state
	data     any
	handlers map[string]func(*Event)
	any      func(*Event)
	gone     func(reason string)
	acks     map[uint64]func(Arguments, error) // answers awaited
}

func newSocket(s *session, ns *Namespace, auth json.RawMessage) *Socket {
	var id [15]byte
	rand.Read(id[:]) // never fails, see crypto/rand
	if len(auth) == 0 {
		auth = json.RawMessage("{}")
	}
	return &Socket{id: base64.RawURLEncoding.EncodeToString(id[:]), ns: ns, session: s, auth: auth}
}

// ID is the socket's public id, fresh for each CONNECT. The socket is in the room of that name.
func (s *Socket) ID() string { return s.id }

// Namespace is the name of the socket's namespace, "/" for the main one.
func (s *Socket) Namespace() string { return s.ns.name }

// Auth is the payload of the CONNECT as it came, a valid JSON object; {} when there was none.
func (s *Socket) Auth() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.auth
}

// Request is the first HTTP request of the connection.
func (s *Socket) Request() *engineio.Request { return s.session.eio.Request() }

// Forget lets go of what only the connecting needed: the headers and the query of the request, and the payload of the CONNECT. An
// application that has seen them saves more than a kilobyte for each idle socket.
func (s *Socket) Forget() {
	s.mu.Lock()
	s.auth = json.RawMessage("{}")
	s.mu.Unlock()
	s.session.eio.ForgetRequest()
}

// Transport is "polling" or "websocket", as it is now.
func (s *Socket) Transport() string { return s.session.eio.Transport() }

// Recovered tells whether the client was given the pid it had presented.
func (s *Socket) Recovered() bool { return s.recovered }

// Data returns what SetData stored.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// SetData stores a value of the application with the socket.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = v
}

// On sets the handler of an event, in place of the namespace's and of an earlier one. nil removes it.
func (s *Socket) On(event string, f func(*Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setHandler(&s.handlers, event, f)
}

// OnAny sets the handler of every event that has no handler of its own, neither here nor in the namespace. It is the place to
// answer events nobody knows: a client with retries waits for the answer of each.
func (s *Socket) OnAny(f func(*Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any = f
}

// OnDisconnect sets the handler that is called once, last, when the socket has left its namespace; nothing can be sent any more. Set
// by middleware it is also called for a socket that does not get as far as OnConnection, so that what was prepared can be undone.
func (s *Socket) OnDisconnect(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = f
}

// Emit sends an event. Arguments are encoded as JSON; see Value, json.RawMessage and []byte for those that are not.
func (s *Socket) Emit(name string, args ...any) error {
	f, err := s.ns.frame("", name, args)
	if err != nil {
		return err
	}
	return s.SendFrame(f)
}

// EmitVolatile sends an event if the connection can take it right now, and drops it otherwise.
func (s *Socket) EmitVolatile(name string, args ...any) error {
	f, err := s.ns.frame("", name, args)
	if err != nil {
		return err
	}
	s.sendVolatile(f)
	return nil
}

// SendFrame sends what EncodeEvent made. It never blocks: a socket whose queue is full is closed. Errors: ErrNotConnected,
// engineio.ErrClosed.
func (s *Socket) SendFrame(f *engineio.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock() // held over the send, so that nothing follows a DISCONNECT
	if s.state != stateOpen {
		return ErrNotConnected
	}
	return s.session.eio.Send(f)
}

// sendSoon is SendFrame of a frame that can go out together with what is sent next; see engineio.Session.SendSoon.
func (s *Socket) sendSoon(f *engineio.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return ErrNotConnected
	}
	return s.session.eio.SendSoon(f)
}

func (s *Socket) sendVolatile(f *engineio.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen && s.session.eio.SendVolatile(f)
}

// Queued is the number of bytes that wait for the connection.
func (s *Socket) Queued() int { return s.session.eio.Queued() }

// Ready waits until at most max bytes wait for the connection. Errors: ctx's, engineio.ErrClosed.
func (s *Socket) Ready(ctx context.Context, max int) error { return s.session.eio.Ready(ctx, max) }

// Join puts the socket into rooms. A socket that is gone joins nothing. Error: ErrTooManyRooms, with none of them joined.
func (s *Socket) Join(rooms ...string) error { return s.ns.join(s, rooms) }

// Leave takes the socket out of rooms. It stays in the room of its own id.
func (s *Socket) Leave(rooms ...string) { s.ns.leave(s, rooms) }

// Rooms lists the socket's rooms: its own id, then the others in no order. Empty when it is gone.
func (s *Socket) Rooms() []string { return s.ns.roomsOf(s) }

// To addresses the sockets of rooms, without this one.
func (s *Socket) To(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// Broadcast addresses all other sockets of the namespace.
func (s *Socket) Broadcast() Broadcast { return Broadcast{ns: s.ns, sender: s} }

// Disconnect takes the socket out of its namespace; its client does not come back by itself. With closeTransport the connection,
// and with it the sockets of other namespaces, end too.
func (s *Socket) Disconnect(closeTransport bool) {
	if s.close() {
		s.session.post(item{gone: s, reason: reasonServer}, false)
	}
	if closeTransport {
		s.session.eio.Close(engineio.ForcedServerClose)
	}
}

// CloseTransport ends the connection without a DISCONNECT: the client takes it for an accident and comes back.
func (s *Socket) CloseTransport(reason engineio.Reason) { s.session.eio.Close(reason) }

// close sends DISCONNECT and takes the socket off; false when it was not connected. One whose middleware is still at work will be
// refused.
func (s *Socket) close() bool {
	s.mu.Lock()
	if s.state == stateConnecting {
		s.state = stateEnded
	}
	open := s.state == stateOpen
	s.mu.Unlock()
	if !open || !s.session.remove(s, true) {
		return false
	}
	bye := packet.AppendSocketHeader(nil, packet.SocketDisconnect, 0, s.ns.name, "")
	s.mu.Lock()
	if s.state == stateOpen {
		s.state = stateEnded
		// An error means that the connection is gone, which is what was wanted.
		_ = s.session.eio.Send(engineio.NewFrame(engineio.Message{Data: bye}))
	}
	s.mu.Unlock()
	s.detach()
	return true
}

// connected opens the socket with its CONNECT answer; false when it was ended before.
func (s *Socket) connected(answer *engineio.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateConnecting {
		return false
	}
	s.state = stateOpen
	_ = s.session.eio.Send(answer) // an error: the session is about to end, which its own path tells
	return true
}

// detach makes the socket one that sends nothing and is in no room, and fails the answers it awaits.
func (s *Socket) detach() {
	s.mu.Lock()
	s.state = stateEnded
	acks := s.acks
	s.acks = nil
	s.mu.Unlock()
	s.ns.remove(s)
	for _, f := range acks {
		f(Arguments{}, ErrNotConnected)
	}
}

func (s *Socket) isEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateEnded
}

// disconnected tells the application.
func (s *Socket) disconnected(reason string) {
	s.mu.Lock()
	f := s.gone
	s.gone = nil
	s.mu.Unlock()
	if f != nil {
		f(reason)
	}
}

func setHandler(handlers *map[string]func(*Event), event string, f func(*Event)) {
	if f == nil {
		delete(*handlers, event)
		return
	}
	if *handlers == nil {
		*handlers = make(map[string]func(*Event))
	}
	(*handlers)[event] = f
}
