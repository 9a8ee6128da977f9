package engineio

import (
	"slices"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// maxPollPackets is the most packets in one polling answer. Python clients
// refuse more and drop the session (python-engineio, max_decode_packets).
const maxPollPackets = 16

// keepQueue is the most slots an empty queue keeps for later.
const keepQueue = 16

// entry is a queued frame; the packets before from have gone out by polling.
type entry struct {
	frame *Frame
	from  int
}

// queue is what waits for one client, in order. Its bound is kept by Session.
type queue struct {
	entries []entry
	bytes   int
}

func (q *queue) empty() bool { return len(q.entries) == 0 }

// has tells whether f is queued.
func (q *queue) has(f *Frame) bool {
	return slices.ContainsFunc(q.entries, func(e entry) bool { return e.frame == f })
}

// push adds f; a frame without packets has nothing to say.
func (q *queue) push(f *Frame) {
	if len(f.parts) == 0 {
		return
	}
	q.entries = append(q.entries, entry{frame: f})
	q.bytes += f.Size()
}

// takeAll empties the queue, for the websocket.
func (q *queue) takeAll() (entries []entry, bytes int) {
	entries, bytes = q.entries, q.bytes
	q.entries, q.bytes = nil, 0
	return entries, bytes
}

// reuse gives the slots of takeAll back for later, if they are few.
func (q *queue) reuse(entries []entry) {
	if q.entries == nil && cap(entries) <= keepQueue {
		clear(entries)
		q.entries = entries[:0]
	}
}

// takePackets appends up to max packets to body, with separators, and tells
// how many there were.
func (q *queue) takePackets(body []byte, max int) ([]byte, int) {
	n, done := 0, 0
	for i := range q.entries {
		e := &q.entries[i]
		before := e.frame.tailSize(e.from)
		for e.from < len(e.frame.parts) && n < max {
			body = appendPacket(body, e.frame.polling(e.from))
			e.from++
			n++
		}
		q.bytes -= before - e.frame.tailSize(e.from)
		if e.from < len(e.frame.parts) {
			break
		}
		done++
	}
	q.drop(done)
	return body, n
}

// drop removes the first n entries and lets go of their frames.
func (q *queue) drop(n int) {
	rest := copy(q.entries, q.entries[n:])
	clear(q.entries[rest:])
	q.entries = q.entries[:rest]
	if rest == 0 && cap(q.entries) > keepQueue {
		q.entries = nil
	}
}

// appendPacket adds one packet to a polling body.
func appendPacket(body, p []byte) []byte {
	if len(body) > 0 {
		body = append(body, packet.EngineSeparator)
	}
	return append(body, p...)
}
