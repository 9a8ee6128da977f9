package gateway

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Stats are numbers for the metrics. Sockets, Users, Subscriptions and Waiting are as of now; the others only rise.
type Stats struct {
	Sockets       int
	Users         int
	Subscriptions int
	Waiting       int                 // requests and resumes that wait for their turn, or are at work
	Events        int64               // that clients sent
	Frames        int64               // of rooms and users, handed to sockets
	Panics        int64               // of handlers
	Answers       map[chat.Code]int64 // by code; empty: ok
	Ended         map[string]int64    // sockets, by the reason of their end
}

// counters are what only rises.
type counters struct {
	events, frames, panics atomic.Int64

	mu      sync.Mutex
	answers map[chat.Code]int64 // one entry for each code there is
	ends    map[string]int64    // one for each reason there is: they are the server's own words
}

func (c *counters) ended(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends == nil {
		c.ends = map[string]int64{}
	}
	c.ends[reason]++
}

func (c *counters) answered(code chat.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers = map[chat.Code]int64{}
	}
	c.answers[code]++
}

// Stats gives the numbers as of now.
func (g *Gateway) Stats() Stats {
	st := Stats{Users: g.users.count(), Events: g.counts.events.Load(), Frames: g.counts.frames.Load(), Panics: g.counts.panics.Load()}
	for _, c := range g.all() {
		st.Sockets++
		c.mu.Lock()
		st.Subscriptions += len(c.subs)
		c.mu.Unlock()
		c.rooms.mu.Lock()
		st.Waiting += c.rooms.jobs
		c.rooms.mu.Unlock()
	}
	g.counts.mu.Lock()
	defer g.counts.mu.Unlock()
	st.Answers, st.Ended = maps.Clone(g.counts.answers), maps.Clone(g.counts.ends)
	return st
}
