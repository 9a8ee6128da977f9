package bench

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// receiver is the judge of what one socket gets: every message of its room once, each sender's in order.
type receiver struct {
	*socket
	index, room int

	mu        sync.Mutex // its reading goroutine holds it for a moment; the end of the run looks
	last      []int      // by the sender's place in the room: the highest number seen
	missing   map[[2]int]struct{}
	duplicate int64
	disorder  int64
	order     uint64       // of all messages as they came, to be compared with the room's other sockets
	delivered atomic.Int64 // messages, each once
}

// verdict is what note says of a delivery.
type verdict int

const (
	fresh verdict = iota
	again
)

// note takes one delivery: place is the sender's in the room.
func (r *receiver) note(place, number int) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place >= len(r.last) {
		return again
	}
	last := r.last[place]
	if number <= last {
		hole := [2]int{place, number}
		if _, ok := r.missing[hole]; !ok {
			r.duplicate++
			return again
		}
		delete(r.missing, hole)
		r.disorder++
	} else {
		for hole := last + 1; hole < number; hole++ {
			if r.missing == nil {
				r.missing = map[[2]int]struct{}{}
			}
			r.missing[[2]int{place, hole}] = struct{}{}
		}
		r.last[place] = number
	}
	r.order = (bits.RotateLeft64(r.order, 5) ^ (uint64(place)<<40 | uint64(number))) * 0x9e3779b97f4a7c15
	r.delivered.Add(1)
	return fresh
}

// latencies collects durations of many sockets, in microseconds.
type latencies struct {
	shards [16]struct {
		mu sync.Mutex
		h  *hdrhistogram.Histogram
	}
}

// longest is the most that is told apart; what takes longer counts as that.
const longest = 60 * time.Second

func newLatencies() *latencies {
	l := &latencies{}
	for i := range l.shards {
		l.shards[i].h = hdrhistogram.New(1, longest.Microseconds(), 3)
	}
	return l
}

func (l *latencies) add(shard int, d time.Duration) {
	s := &l.shards[shard%len(l.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.h.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds())) // can not fail: it is within the bounds
}

// Percentiles of a duration, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (l *latencies) percentiles() Percentiles {
	all := hdrhistogram.New(1, longest.Microseconds(), 3)
	for i := range l.shards {
		l.shards[i].mu.Lock()
		all.Merge(l.shards[i].h)
		l.shards[i].mu.Unlock()
	}
	at := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1000 }
	return Percentiles{at(50), at(90), at(99), float64(all.Max()) / 1000}
}
