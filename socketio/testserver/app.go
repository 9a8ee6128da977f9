package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// app is both fixtures.
type app struct {
	engine *engineio.Server
	socket *socketio.Server
}

func newApp(c config, log *slog.Logger) *app {
	opt := engineio.Options{
		PingInterval: c.pingInterval,
		PingTimeout:  c.pingTimeout,
		MaxPayload:   c.maxPayload,
		CORS:         func(*http.Request, string) bool { return true },
		Logger:       log,
	}
	a := &app{
		engine: engineio.New(opt, echo{log}),
		socket: socketio.New(socketio.Options{Engine: opt, ConnectTimeout: c.connectTimeout}),
	}
	main := a.socket.Of("/")
	if c.chat {
		serveChat(main)
		return a
	}
	main.OnConnection(a.greet)
	main.On("message", func(e *socketio.Event) {
		a.check(log, e.Socket.Emit("message-back", e.Values()...))
	})
	main.On("message-with-ack", func(e *socketio.Event) {
		a.check(log, e.Ack(e.Values()...))
	})
	a.socket.Of("/custom").OnConnection(a.greet)
	return a
}

// greet sends the payload of the CONNECT back.
func (a *app) greet(s *socketio.Socket) {
	if err := s.Emit("auth", s.Auth()); err != nil {
		s.CloseTransport(engineio.ForcedServerClose)
	}
}

// check logs what a client that is still there would have wanted to get.
func (a *app) check(log *slog.Logger, err error) {
	if err != nil && !errors.Is(err, socketio.ErrNotConnected) && !errors.Is(err, engineio.ErrClosed) {
		log.Error("answer", "error", err)
	}
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", a.engine)
	mux.Handle("/socket.io/", a.socket)
	return mux
}

func (a *app) close(ctx context.Context) error {
	return errors.Join(a.engine.Close(ctx), a.socket.Close(ctx))
}

// echo is the Engine.IO fixture.
type echo struct{ log *slog.Logger }

// Open has nothing to do.
func (e echo) Open(*engineio.Session) {}

// Message sends the message back, text as text and binary as binary.
func (e echo) Message(s *engineio.Session, data []byte, binary bool) {
	err := s.Send(engineio.NewFrame(engineio.Message{Data: data, Binary: binary}))
	if err != nil && !errors.Is(err, engineio.ErrClosed) {
		e.log.Error("echo", "error", err)
	}
}

// Close has nothing to do.
func (e echo) Close(*engineio.Session, engineio.Reason) {}
