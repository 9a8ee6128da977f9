package socketio

import "errors"

// Errors of sending.
var (
	// ErrNotConnected: the socket has not got its CONNECT answer yet (middleware is still at work), or has left its namespace, or
	// its connection has ended.
	ErrNotConnected = errors.New("socketio: socket is not connected")
	// ErrReserved: the event's name is one that clients and servers use for themselves, such as "connect".
	ErrReserved = errors.New("socketio: reserved event name")
	// ErrPlaceholder: an argument's JSON holds an object that a client would take for an attachment.
	ErrPlaceholder = errors.New("socketio: argument looks like an attachment's placeholder")
	// ErrTooManyAttachments: more attachments than Options.MaxAttachments.
	ErrTooManyAttachments = errors.New("socketio: too many attachments")
	// ErrInvalidJSON: a json.RawMessage among the arguments is not JSON.
	ErrInvalidJSON = errors.New("socketio: argument is not JSON")
	// ErrTooManyAcks: Options.MaxAcks answers are awaited already.
	ErrTooManyAcks = errors.New("socketio: too many answers awaited")
	// ErrTooManyRooms: the socket is in Options.MaxRooms rooms already.
	ErrTooManyRooms = errors.New("socketio: too many rooms")
	// ErrNoAck: the client wants no answer to this event.
	ErrNoAck = errors.New("socketio: event wants no answer")
	// ErrAcked: the event has been answered.
	ErrAcked = errors.New("socketio: event was answered already")
)

// What a client may do wrong beyond a malformed packet; each ends its connection.
var (
	errNotJoined      = errors.New("packet for a namespace that was not joined")
	errJoinedTwice    = errors.New("CONNECT for a namespace that is joined")
	errConnectFlood   = errors.New("CONNECT over and over")
	errConnectError   = errors.New("CONNECT_ERROR from a client")
	errTextExpected   = errors.New("binary message without a header")
	errBinaryExpected = errors.New("text while attachments are missing")
	errEventTooLarge  = errors.New("event and attachments too large")
	errStalled        = errors.New("handlers did not keep up for the ping timeout")
)
