// Package engineio is a server of Engine.IO protocol 4: sessions that start
// as HTTP long-polling or as a websocket, move from the first to the second
// without losing or reordering a message, and are watched by a heartbeat.
//
// It is the lowest part of hop 1 of a message's path and knows nothing of
// Socket.IO. The layer above implements [Handler], gets whole messages in
// order, and answers with [Frame] values that are encoded once and may be
// shared by any number of sessions.
//
// What a session costs: while it is idle, one goroutine and a small read
// buffer on a websocket, neither on polling; a writer goroutine exists only
// while there is something to write. Output queues are bounded in bytes. A
// client that reads too slowly is closed and never delays another.
//
// Rules are those of the Engine.IO v4 protocol text and, where that is
// silent, of the reference server; deviations are explained where they stand.
package engineio
