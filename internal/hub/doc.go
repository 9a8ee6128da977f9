// Package hub is hop 7 of a message's path: this node's open rooms. A room has a position, and the view, the tail and the memory of
// ids that are the fold of the log through it; spans move it on, from wherever they come (DESIGN.md §4, Spans and Hub; the rules are
// those of the executable model beside it). The hub owns the set of sockets of a room and hands each record to them once.
//
// Locks, outermost first: partition.mu → room.mu → slot.mu; room.mu → scanner.mu; room.mu → presence.mu; Hub.life is innermost.
// Nothing that blocks is called under any of them: not the bus, the log, the history, the presence, nor Listener.Ready. Deliver, Ended
// and the Encoder are called under room.mu, and never block.
//
// Goroutines: Run's own ticker and the presence's; one per room while it opens; at most two per partition while it reads the log (cold:
// rooms that open; hot: rooms with a hole, and the fallback). An idle room has none, nor a timer.
package hub
