package socketio

import (
	"bytes"
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// session is what this layer keeps of one connection: the sockets it carries, one for each namespace joined.
type session struct {
	srv    *Server
	eio    *engineio.Session
	half   *incoming   // a packet whose attachments are not complete; of the reading goroutine only
	broken atomic.Bool // the client broke the rules or a handler panicked: what it sends counts no more

	spent time.Time // how far CONNECTs have used up the budget of mayConnect; of whoever handles packets only

	due   time.Time     // of waiting
	place *list.Element // of waiting

	mu      sync.Mutex
	sockets []*Socket          // joined namespaces: few, so a slice
	left    []string           // namespaces from which the server disconnected it: packets may still be on their way
	cancel  context.CancelFunc // of the middleware at work
	ended   bool
	reason  string
	box     mailbox
}

// incoming is one whole packet.
type incoming struct {
	packet.SocketPacket
	attachments [][]byte
	size        int // bytes it holds
}

// message takes one Engine.IO message. It runs on the reading goroutine.
func (s *session) message(data []byte, binary bool) {
	if s.broken.Load() {
		return
	}
	in, err := s.assemble(data, binary)
	if err != nil {
		s.fail(err)
		return
	}
	if in == nil {
		return
	}
	if in.Type == packet.SocketAck || in.Type == packet.SocketBinaryAck {
		// An answer is awaited by somebody who may be what the queue waits for, so it passes by.
		if sock := s.find(in.Namespace); sock != nil {
			sock.answered(in)
			return
		}
	}
	s.post(item{packet: in}, true)
}

// assemble returns a packet once it is whole. The packet owns its bytes: one copy of the message.
func (s *session) assemble(data []byte, binary bool) (*incoming, error) {
	if binary {
		return s.attach(data)
	}
	if s.half != nil {
		return nil, errBinaryExpected
	}
	p, err := packet.DecodeSocket(bytes.Clone(data), s.srv.opt.limits())
	if err != nil {
		return nil, err
	}
	in := &incoming{SocketPacket: p, size: len(data)}
	if in.Attachments == 0 {
		return in, nil
	}
	if !s.expects(in.Namespace) {
		return nil, errNotJoined
	}
	if in.size > s.srv.opt.MaxEvent {
		return nil, errEventTooLarge
	}
	s.half = in
	return nil, nil
}

func (s *session) attach(data []byte) (*incoming, error) {
	in := s.half
	if in == nil {
		return nil, errTextExpected
	}
	if in.size += len(data); in.size > s.srv.opt.MaxEvent {
		return nil, errEventTooLarge
	}
	in.attachments = append(in.attachments, append([]byte{}, data...))
	if len(in.attachments) < in.Attachments {
		return nil, nil
	}
	s.half = nil
	return in, nil
}

// expects tells whether a packet for the namespace may be legal by the time it is handled. What is not is refused before its
// attachments are collected.
func (s *session) expects(namespace string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.box.busy || s.indexOf(namespace) >= 0 || slices.Contains(s.left, namespace)
}

// handle acts on one packet. Calls for one session are serial.
func (s *session) handle(in *incoming) {
	if s.broken.Load() {
		return
	}
	switch in.Type {
	case packet.SocketConnect:
		s.connect(in)
		return
	case packet.SocketConnectError:
		s.fail(errConnectError)
		return
	}
	sock := s.find(in.Namespace)
	if sock == nil {
		if !s.wasLeft(in.Namespace) {
			s.fail(errNotJoined)
		}
		return
	}
	switch in.Type {
	case packet.SocketDisconnect:
		if s.remove(sock, false) {
			sock.detach()
			sock.disconnected(reasonClient)
		}
	case packet.SocketAck, packet.SocketBinaryAck:
		sock.answered(in)
	case packet.SocketEvent, packet.SocketBinaryEvent:
		if in.Data != nil { // "42" alone is no event
			sock.dispatch(in)
		}
	}
}

// fail ends the connection of a client that breaks the rules.
func (s *session) fail(err error) {
	if s.broken.CompareAndSwap(false, true) {
		s.srv.opt.Engine.Logger.Debug("socketio: closing a connection", "error", err)
		s.eio.Close(engineio.ParseError)
	}
}

// end is told once that the connection is gone. Its sockets send nothing from now on; their handlers hear of it when what the
// client sent before has been handled.
func (s *session) end(reason string) {
	s.mu.Lock()
	s.ended, s.reason = true, reason
	sockets, cancel := slices.Clone(s.sockets), s.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	for _, sock := range sockets {
		sock.detach()
	}
	s.half = nil
	s.post(item{over: true, reason: reason}, true)
}

// over tells the sockets that remain that the connection has ended.
func (s *session) over(reason string) {
	s.mu.Lock()
	sockets := s.sockets
	s.sockets = nil
	s.mu.Unlock()
	for _, sock := range sockets {
		s.guard(func() { sock.disconnected(reason) })
	}
}

// isOver tells whether the connection has ended, and why.
func (s *session) isOver() (bool, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended, s.reason
}

func (s *session) find(namespace string) *Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.indexOf(namespace); i >= 0 {
		return s.sockets[i]
	}
	return nil
}

func (s *session) indexOf(namespace string) int {
	return slices.IndexFunc(s.sockets, func(sock *Socket) bool { return sock.ns.name == namespace })
}

func (s *session) wasLeft(namespace string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.left, namespace)
}

// remove takes sock off the session; false when it was not there any more. byServer remembers the namespace: until the client
// joins it again, what still comes for it was sent before the client knew, and is no offence.
func (s *session) remove(sock *Socket, byServer bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.sockets, sock)
	if i < 0 {
		return false
	}
	s.sockets = slices.Delete(s.sockets, i, i+1)
	if byServer {
		s.left = append(s.left, sock.ns.name)
	}
	return true
}
