// Package socketio is a server of Socket.IO protocol 5: hop 1 of a message's path. It knows nothing of chat, and serves any
// program that speaks to the official clients.
//
//	io := socketio.New(socketio.Options{})
//	root := io.Of("/")
//	root.OnConnection(func(s *socketio.Socket) { s.Join("all") })
//	root.On("hello", func(e *socketio.Event) { e.Ack("hi") })
//	http.Handle("/socket.io/", io)
//
// # Who runs what
//
// The handlers of one connection run one at a time, in the order in which its packets came: middleware and OnConnection first, then
// events, OnDisconnect last. No socket owns a goroutine: a handler runs on the goroutine that reads the connection, so while it
// works nothing more is read from that client, and it must not block for as long as the ping timeout. Middleware and OnConnection
// may block for seconds: they run on a goroutine of their own, which ends with them, and what the client sends meanwhile waits in
// a bounded queue. So a handler must not wait for an answer of the same client (EmitWithAck); OnConnection may, and so may any
// goroutine a handler starts.
//
// # What a broadcast costs
//
// A broadcast is encoded once, into a frame that all sockets share. Handing it to a socket never blocks; a client that does not
// read fast enough is closed.
package socketio
