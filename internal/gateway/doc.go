// Package gateway is hop 2 of a message's path: chat spoken over Socket.IO. It turns a client's events into requests of chat.Service,
// in the order they came, answers each exactly once, and turns records, gaps and whispers into frames that are encoded once and shared
// by all sockets of a room. docs/protocol.md is what it speaks, to the letter.
//
// A connected socket costs no goroutine and no timer here; only what waits for something does.
package gateway
