package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// witness keeps what one person was told: the messages acked, and of each room what he saw from his join on.
type witness struct {
	name  string
	mu    sync.Mutex
	acks  []ack
	rooms map[string]*stream
	late  []time.Duration // from a message's `at` until it was seen
	waits []time.Duration // for acks
	bad   []string
}

type ack struct{ room, id, text string }

// stream is what was seen of a room after start.
type stream struct {
	started bool
	start   int64
	events  []seen
	gaps    [][2]int64
}

type seen struct {
	seq     int64
	id      string
	message bool
}

func newWitness(name string) *witness { return &witness{name: name, rooms: map[string]*stream{}} }

func (w *witness) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(format, args...)
}

func (w *witness) failLocked(format string, args ...any) {
	if len(w.bad) < 20 {
		w.bad = append(w.bad, w.name+": "+fmt.Sprintf(format, args...))
	}
}

func (w *witness) room(id string) *stream {
	if w.rooms[id] == nil {
		w.rooms[id] = &stream{}
	}
	return w.rooms[id]
}

// begin: the join is answered. A retried join is answered again; the stream goes on.
func (w *witness) begin(room string, asOf int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.room(room); !s.started {
		s.started, s.start = true, asOf
		for _, e := range s.events { // a resume may have come before the answer to the join: nothing in it may be lost either
			s.start = min(s.start, e.seq-1)
		}
	}
}

func (w *witness) event(name, room string, seq int64, id string, at int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.room(room)
	if n := len(s.events); n > 0 && s.events[n-1].seq >= seq {
		w.failLocked("room %s: event %d came after %d", room, seq, s.events[n-1].seq)
	}
	if s.started && seq <= s.start {
		w.failLocked("room %s: event %d lies before the stream's beginning %d", room, seq, s.start)
	}
	message := name == "message:new"
	s.events = append(s.events, seen{seq, id, message})
	if message {
		w.late = append(w.late, time.Since(time.UnixMilli(at)))
	}
}

func (w *witness) gap(room string, from, to int64, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room(room).gaps = append(w.room(room).gaps, [2]int64{from, to})
	_ = reason
}

func (w *witness) acked(room, id, text string, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks = append(w.acks, ack{room, id, text})
	w.waits = append(w.waits, wait)
}

// last is the highest seq seen of a room.
func (w *witness) last(room string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.room(room)
	top := s.start
	if n := len(s.events); n > 0 {
		top = max(top, s.events[n-1].seq)
	}
	for _, g := range s.gaps {
		top = max(top, g[1])
	}
	return top
}

// takeLate gives the delays of messages seen since the last call.
func (w *witness) takeLate() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.late
	w.late = nil
	return out
}

func (w *witness) ackCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acks)
}

// quantile gives the q-th part of sorted durations.
func quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	s := slices.Clone(ds)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))].Round(time.Millisecond)
}
