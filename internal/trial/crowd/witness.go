package crowd

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Witness keeps what one person was told: the messages acked, and of each room what he saw from his join on.
type Witness struct {
	name  string
	mu    sync.Mutex
	acks  []ack
	rooms map[string]*stream
	late  []Sample // of messages seen live
	waits []Sample // of acks
	told  []told
	here  map[string]here
	bad   []string
}

// Sample is how long a message took, and when it was sent.
type Sample struct {
	Sent time.Time
	Took time.Duration
}

// Status is what the server says of its engines, in the event `status` and in /readyz: ok, down, and of the store also behind.
type Status struct{ Log, Bus, Store string }

type told struct {
	at time.Time
	Status
}

// here is what the last `presence` event of a room said.
type here struct {
	count int
	stale bool
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
	seq      int64
	id, text string
	message  bool
}

func newWitness(name string) *Witness {
	return &Witness{name: name, rooms: map[string]*stream{}, here: map[string]here{}}
}

func (w *Witness) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(format, args...)
}

func (w *Witness) failLocked(format string, args ...any) {
	if len(w.bad) < 20 {
		w.bad = append(w.bad, w.name+": "+fmt.Sprintf(format, args...))
	}
}

func (w *Witness) room(id string) *stream {
	if w.rooms[id] == nil {
		w.rooms[id] = &stream{}
	}
	return w.rooms[id]
}

// begin: the join is answered. A retried join is answered again; the stream goes on.
func (w *Witness) begin(room string, asOf int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.room(room); !s.started {
		s.started, s.start = true, asOf
		for _, e := range s.events { // a resume may have come before the answer to the join: nothing in it may be lost either
			s.start = min(s.start, e.seq-1)
		}
	}
}

// event takes a record of a room. connected is when the person's connection began: a message sent before that is a replay, and says
// nothing about how fast live is.
func (w *Witness) event(name, room string, seq int64, id, text string, at, connected time.Time) {
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
	s.events = append(s.events, seen{seq, id, text, message})
	if message && at.After(connected) {
		w.late = append(w.late, Sample{at, time.Since(at)})
	}
}

func (w *Witness) gap(room string, from, to int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room(room).gaps = append(w.room(room).gaps, [2]int64{from, to})
}

func (w *Witness) acked(room, id, text string, began time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acks = append(w.acks, ack{room, id, text})
	w.waits = append(w.waits, Sample{began, time.Since(began)})
}

func (w *Witness) status(s Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.told); n == 0 || w.told[n-1].Status != s {
		w.told = append(w.told, told{time.Now(), s})
	}
}

// Status is what this person was told last of the engines.
func (w *Witness) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) == 0 {
		return Status{}
	}
	return w.told[len(w.told)-1].Status
}

func (w *Witness) presence(room string, h here) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.here[room] = h
}

func (w *Witness) anyStale() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.here {
		if h.stale {
			return true
		}
	}
	return false
}

// last is the highest seq seen of a room.
func (w *Witness) last(room string) int64 {
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

// samples gives the delays of messages sent in [from, to): until they were acked, and until they were seen.
func (w *Witness) samples(from, to time.Time) (acks, seen []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pick := func(all []Sample) (out []time.Duration) {
		for _, s := range all {
			if !s.Sent.Before(from) && s.Sent.Before(to) {
				out = append(out, s.Took)
			}
		}
		return out
	}
	return pick(w.waits), pick(w.late)
}

func (w *Witness) ackCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acks)
}

// Quantile gives the q-th part of durations; 0 of none.
func Quantile(ds []time.Duration, q float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	s := slices.Clone(ds)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))].Round(time.Millisecond)
}

// NewWitness makes a witness who has seen nothing.
func NewWitness(name string) *Witness { return newWitness(name) }

// Took notes a message that was acked, and seen live, so long after it was sent.
func (w *Witness) Took(sent time.Time, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waits, w.late = append(w.waits, Sample{sent, took}), append(w.late, Sample{sent, took})
}
