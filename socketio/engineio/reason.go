package engineio

import "errors"

// Reason says why a session ended. The words are those of the reference
// server, so that logs and recovery rules read alike everywhere.
type Reason string

// The reasons this package gives. A caller of [Session.Close] may use its own.
const (
	// TransportError: the connection broke, or the client broke the rules of
	// its transport (overlapping requests, a malformed websocket frame).
	TransportError Reason = "transport error"
	// TransportClose: the client left, by a close packet or by hanging up.
	TransportClose Reason = "transport close"
	// ForcedClose: the layer above lost interest in the client.
	ForcedClose Reason = "forced close"
	// PingTimeout: no pong arrived in time.
	PingTimeout Reason = "ping timeout"
	// ParseError: the client sent something that is not a packet.
	ParseError Reason = "parse error"
	// ShuttingDown: the server is being closed.
	ShuttingDown Reason = "server shutting down"
	// SlowClient: the output queue was full, or nothing could be written for
	// Options.WriteTimeout.
	SlowClient Reason = "slow client"
	// ForcedServerClose: the server gave the session up, for instance after a
	// panic in its handler.
	ForcedServerClose Reason = "forced server close"
)

// ErrClosed is returned by operations on a session that has ended or is
// being closed.
var ErrClosed = errors.New("engineio: session closed")
