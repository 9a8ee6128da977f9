package engineio

import (
	"context"
	"net/http"
)

// Message is one Engine.IO message packet's payload.
type Message struct {
	Data   []byte
	Binary bool
}

// Frame is one or more messages that must stay adjacent. Immutable.
type Frame struct{}

// NewFrame encodes ms; it keeps no reference to their data.
func NewFrame(ms ...Message) *Frame { panic("soon") }

// Size is the number of bytes counted against a queue.
func (f *Frame) Size() int { panic("soon") }

// Session is one client.
type Session struct{}

// ID is the secret session id: never log or expose it.
func (s *Session) ID() string { panic("soon") }

// Send queues f and never blocks.
func (s *Session) Send(f *Frame) error { panic("soon") }

// SendVolatile sends f if the transport can write right now.
func (s *Session) SendVolatile(f *Frame) bool { panic("soon") }

// Queued is the number of bytes waiting.
func (s *Session) Queued() int { panic("soon") }

// Ready waits until Queued() <= max.
func (s *Session) Ready(ctx context.Context, max int) error { panic("soon") }

// Close ends the session; what is queued goes out first.
func (s *Session) Close(r Reason) { panic("soon") }

// Request is the request that opened the session.
func (s *Session) Request() *Request { panic("soon") }

// Transport is "polling" or "websocket".
func (s *Session) Transport() string { panic("soon") }

// Data is the slot of the layer above.
func (s *Session) Data() any { panic("soon") }

// SetData fills the slot of the layer above.
func (s *Session) SetData(v any) { panic("soon") }

// Server is an http.Handler that serves Engine.IO.
type Server struct{}

// New makes a server that tells h of its sessions.
func New(o Options, h Handler) *Server { panic("soon") }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("soon") }

// Sessions is the number of sessions.
func (s *Server) Sessions() int { panic("soon") }

// Close closes all sessions and waits for their goroutines.
func (s *Server) Close(ctx context.Context) error { panic("soon") }
