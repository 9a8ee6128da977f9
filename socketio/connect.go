package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// Connecting is a client that asks to join a namespace, as middleware sees it.
type Connecting struct {
	Socket  *Socket           // its id is chosen; it may be prepared (SetData, Join, On) but cannot send yet
	Auth    json.RawMessage   // the payload of its CONNECT, an object; {} when it sent none
	PID     string            // private id of an earlier connection (connection state recovery); "" when it presents none
	Offset  string            // the last offset it says it got
	Request *engineio.Request // the first HTTP request of its connection
	answer  string
}

// AnswerPID puts a private session id into the CONNECT answer. A client that gets back the PID it presented takes itself for
// recovered; any other value is what it will present next time. Without it the answer holds no pid and no recovery takes place.
func (c *Connecting) AnswerPID(pid string) { c.answer = pid }

// ConnectError is an error of middleware that the client gets to see: its connect_error event has the message, and the data in the
// error's property data. Any other error is told as "Internal error", without data.
type ConnectError struct {
	Message string
	Data    any // encoded as JSON; nil: none
}

// Error is the message.
func (e *ConnectError) Error() string { return "socketio: connection refused: " + e.Message }

// A connection may ask to join this often at once, and once a second in the long run. Middleware is dear (it checks signatures and asks
// databases) and a refusal costs the client nothing, so one that asks over and over is closed. Programs join a namespace or two.
const (
	connectBurst = 100
	connectEvery = time.Second
)

// mayConnect takes one CONNECT from the connection's budget. The handling of one session's packets is serial.
func (s *session) mayConnect(now time.Time) bool {
	if floor := now.Add(-connectBurst * connectEvery); s.spent.Before(floor) {
		s.spent = floor
	}
	s.spent = s.spent.Add(connectEvery)
	return !s.spent.After(now)
}

// connect answers a CONNECT. It may block, so it runs on a goroutine of its own.
func (s *session) connect(in *incoming) {
	ns := s.srv.namespace(in.Namespace)
	switch {
	case !s.mayConnect(time.Now()):
		s.fail(errConnectFlood)
		return
	case ns == nil:
		s.refuse(in.Namespace, &ConnectError{Message: "Invalid namespace"})
		return
	case s.find(in.Namespace) != nil:
		s.fail(errJoinedTwice)
		return
	case len(in.Data) > s.srv.opt.MaxAuth:
		s.refuse(in.Namespace, &ConnectError{Message: "Auth too large"})
		return
	}
	sock := newSocket(s, ns, in.Data)
	c := &Connecting{Socket: sock, Auth: sock.auth, Request: s.eio.Request()}
	c.PID, c.Offset = recovery(sock.auth)
	answered := false
	defer func() {
		if !answered { // a panic, which is about to end the connection
			sock.detach()
			sock.disconnected(string(engineio.ForcedServerClose))
		}
	}()
	err := s.ask(ns, c)
	answered = true
	if err != nil {
		s.turnAway(sock, err)
		return
	}
	sock.recovered = c.answer != "" && c.answer == c.PID
	if !s.admit(sock, c.answer) {
		s.turnAway(sock, &ConnectError{Message: "Disconnected"})
		return
	}
	if f := ns.connectionHandler(); f != nil {
		f(sock)
	}
}

// turnAway ends a socket that will not be connected. What middleware prepared it may undo in an OnDisconnect handler.
func (s *session) turnAway(sock *Socket, err error) {
	sock.detach()
	over, reason := s.isOver()
	if !over { // else nobody is there; and "refused" would keep a client from coming back after a restart
		s.refuse(sock.ns.name, err)
		reason = reasonRefused
	}
	sock.disconnected(reason)
}

// ask runs the namespace's middleware. Its context ends with the connection, with the server, and after the connect timeout.
func (s *session) ask(ns *Namespace, c *Connecting) error {
	ctx, cancel := context.WithTimeout(s.srv.ctx, s.srv.opt.ConnectTimeout)
	defer cancel()
	s.mu.Lock()
	s.cancel = cancel
	gone := s.ended
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
	}()
	if gone {
		return context.Canceled
	}
	for _, f := range ns.chain() {
		if err := f(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// admit makes the socket part of its namespace, the CONNECT answer first. False: the connection has ended meanwhile, or somebody
// disconnected the socket while its middleware was at work.
func (s *session) admit(sock *Socket, pid string) bool {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	s.sockets = append(s.sockets, sock)
	s.left = slices.DeleteFunc(s.left, func(name string) bool { return name == sock.ns.name })
	s.mu.Unlock()
	if !sock.connected(connectAnswer(sock, pid)) {
		s.remove(sock, false)
		return false
	}
	s.srv.waiting.remove(s)
	sock.ns.add(sock)
	return true
}

func connectAnswer(sock *Socket, pid string) *engineio.Frame {
	b := packet.AppendSocketHeader(nil, packet.SocketConnect, 0, sock.ns.name, "")
	b = packet.AppendString(append(b, `{"sid":`...), sock.id)
	if pid != "" {
		b = packet.AppendString(append(b, `,"pid":`...), pid)
	}
	return engineio.NewFrame(engineio.Message{Data: append(b, '}')})
}

// refuse answers with CONNECT_ERROR; the connection and its other namespaces stay.
func (s *session) refuse(namespace string, err error) {
	log := s.srv.opt.Engine.Logger
	refusal, ok := errors.AsType[*ConnectError](err)
	if !ok {
		log.Warn("socketio: middleware failed", "namespace", namespace, "error", err)
		refusal = &ConnectError{Message: "Internal error"}
	}
	b := packet.AppendSocketHeader(nil, packet.SocketConnectError, 0, namespace, "")
	b = packet.AppendString(append(b, `{"message":`...), refusal.Message)
	if refusal.Data != nil {
		data, err := appendMarshalled(nil, refusal.Data)
		if err != nil {
			log.Error("socketio: data of a refusal", "namespace", namespace, "error", err)
		} else {
			b = append(append(b, `,"data":`...), data...)
		}
	}
	// A client that is gone needs no answer.
	_ = s.eio.Send(engineio.NewFrame(engineio.Message{Data: append(b, '}')}))
}

// recovery finds the pid and offset that official clients put into their auth when they were given a pid before.
func recovery(auth json.RawMessage) (pid, offset string) {
	if !bytes.Contains(auth, []byte(`"pid"`)) {
		return "", ""
	}
	var found struct {
		PID    json.RawMessage `json:"pid"`
		Offset json.RawMessage `json:"offset"`
	}
	if json.Unmarshal(auth, &found) != nil {
		return "", ""
	}
	// A value that is not a string is as good as none.
	if json.Unmarshal(found.PID, &pid) != nil {
		pid = ""
	}
	if json.Unmarshal(found.Offset, &offset) != nil {
		offset = ""
	}
	return pid, offset
}
