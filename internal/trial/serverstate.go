package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bench"
	"github.com/hubbub-chat/hubbub/internal/trial/hostile"
)

// What may be left of clients that have gone: the runtime's own goroutines, connections that are being closed.
const (
	leftGoroutines = 10
	leftFiles      = 10
)

// look takes the state of the server.
func look(ctx context.Context, addr string, p bench.Process) (state, hostile.Metrics, error) {
	m, err := hostile.Scrape(ctx, addr)
	if err != nil {
		return state{}, nil, err
	}
	rss, err := p.RSS()
	return state{rss, m["go_goroutines"], m["process_open_fds"]}, m, err
}

// highest gives the most memory that was resident until ctx ends.
func highest(ctx context.Context, p bench.Process) (most int64) {
	for ctx.Err() == nil {
		if rss, err := p.RSS(); err == nil {
			most = max(most, rss)
		}
		pause(ctx, 100*time.Millisecond)
	}
	return most
}

// awaitBack waits until goroutines and descriptors are what they were, and notes if they do not become so.
func (r *sitting) awaitBack(ctx context.Context, addr string, p bench.Process) {
	for deadline := time.Now().Add(backSoon); ; pause(ctx, 500*time.Millisecond) {
		now, m, err := look(ctx, addr, p)
		if err != nil {
			r.bad = append(r.bad, fmt.Sprintf("the server does not answer afterwards: %v", err))
			return
		}
		r.after, r.ended = now, m.Ended()
		if now.goroutines <= r.before.goroutines+leftGoroutines && now.files <= r.before.files+leftFiles {
			return
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			r.bad = append(r.bad, fmt.Sprintf("%v after the clients left there are %.0f goroutines (%.0f before) and %.0f descriptors (%.0f before)", backSoon,
				now.goroutines, r.before.goroutines, now.files, r.before.files))
			return
		}
	}
}

// share is what a hostile company may keep alive in the server.
type share struct {
	each int64 // bytes for a connection
	all  int64 // beside that
}

// shareOf a company. A connection that says little costs its goroutine and its buffers; one that does not read holds its place in
// what is shared by all readers of its rooms, and answers of its own up to --queue-bytes; who fills rooms with the longest texts fills
// what the log, the persister and SQLite keep of them on their way, and the rooms' tails.
func shareOf(company string) share {
	switch company {
	case "stalled":
		return share{each: 128 << 10}
	case "slow":
		return share{each: 64 << 10}
	case "flood":
		return share{each: 16 << 10}
	case "everything":
		return share{each: 1 << 20}
	case "greedy":
		return share{each: 1 << 20, all: 96 << 20}
	}
	return share{}
}

const (
	spare   = 32 << 20 // by which a run differs from another
	garbage = 3        // the collector lets the heap grow to so many times what is alive (cmd/hubbub/tune.go)
)

// boundOf is the memory that the server may have resident in company: what it had at most without, and the company's share.
func boundOf(name string, all, alone []sitting) int64 {
	most := int64(0)
	for _, s := range alone {
		most = max(most, s.most)
	}
	clients := 0
	for _, s := range all {
		clients = max(clients, s.report.Clients)
	}
	s := shareOf(name)
	return most + spare + garbage*(int64(clients)*s.each+s.all)
}

// broken lists the promises that a sitting broke, whatever its latency.
func (r sitting) broken(name string, bound int64) (bad []string) {
	say := func(format string, args ...any) { bad = append(bad, name+": "+fmt.Sprintf(format, args...)) }
	for _, b := range r.bad {
		say("%s", b)
	}
	for _, p := range r.report.Problems {
		say("%s", p)
	}
	if err := r.load.Wrong(); err != nil {
		say("of the others' messages %v", err)
	}
	if r.load.Refused > 0 || r.load.Closed > 0 {
		say("%d messages of the others were refused (%s), and %d of their sockets closed (%s)", r.load.Refused, r.load.RefusedWhy, r.load.Closed, r.load.ClosedWhy)
	}
	if bound > 0 && r.most > bound {
		say("the server had %d MiB resident, and the bound is %d MiB", r.most>>20, bound>>20)
	}
	return bad
}
