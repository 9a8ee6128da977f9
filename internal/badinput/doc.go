// Package badinput is the table of bad input: at every door of Hubbub (HTTP, Engine.IO, Socket.IO, events, tokens, flags, files on disk,
// records in the log, documents in the store) what must not be, each row with the typed error that is expected. It has tests only.
//
// While the table runs, bystanders talk in a room of the same node: they must not notice anything. Afterwards every message that was
// acknowledged is in history once, and goroutines and file descriptors are back where they were.
package badinput
