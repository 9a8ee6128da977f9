package main

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// fault is what is done to a deployment, and what DESIGN.md §6 says still works meanwhile. run returns when all is healed.
type fault struct {
	name, what string
	length     time.Duration // before scaling
	run        func(ctx context.Context, r *attempt)
}

const (
	killEvery = 5 * time.Second
	livePause = 4*time.Second + noise // without the bus, or without the node that relayed: once
	noise     = time.Second           // what a loaded machine may add to it
	progress  = 10 * time.Second      // in each such stretch something must be acked and seen, where §6 says that it is
)

// faults are the runs of make chaos.
var faults = [...]fault{
	{"calm", "nothing is broken: three nodes, one order; polling and upgrades through the proxy", 20 * time.Second, nothing},
	{"nodes-killed", "kill -9 of a node every 5 s", 2 * time.Minute, nodesKilled},
	{"redis-flushed", "FLUSHALL every 5 s", time.Minute, redisFlushed},
	{"redis-killed", "Redis is killed", 30 * time.Second, redisKilled},
	{"kafka-stopped", "Kafka is stopped (SIGSTOP), then killed, then started again", 30 * time.Second, kafkaStopped},
	{"store-stopped", "the MongoDB-wire server is away, and one node after the other is killed", time.Minute, storeStopped},
}

func names() string {
	out := ""
	for _, f := range faults {
		out += ", " + f.name
	}
	return out
}

func nothing(ctx context.Context, r *attempt) {
	r.visitor(0)
	pause(ctx, r.scaled(r.f.length))
	r.visitor(1)
	r.goesOn(r.fault[0], time.Now(), livePause)
}

// visitor sends a visitor away. He must be gone from every room when presence is judged.
func (r *attempt) visitor(i int) { r.c.Visitors[i].GoAway() }

// must notes a failure of the trial itself, such as an engine that does not come back.
func (r *attempt) must(err error) {
	if err != nil {
		r.breach("the trial itself: %w", err)
	}
}

// nodesKilled ends a node with SIGKILL every 5 s and starts it again at once. Those who were on it move.
func nodesKilled(ctx context.Context, r *attempt) {
	var reviving sync.WaitGroup
	defer reviving.Wait()
	end := time.Now().Add(r.scaled(r.f.length))
	for time.Now().Before(end) && ctx.Err() == nil {
		n := r.d.nodes[r.rng.IntN(nodes)]
		if !n.runs() || r.isReviving(n) {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		n.kill(syscall.SIGKILL)
		r.row.kills++
		r.visitor(r.row.kills % 2)
		r.revive(ctx, &reviving, n)
		pause(ctx, killEvery)
	}
	reviving.Wait()
	r.goesOn(r.fault[0], time.Now(), 0)
}

// revive starts a killed node beside what the fault does.
func (r *attempt) revive(ctx context.Context, all *sync.WaitGroup, n *server) {
	r.mu.Lock()
	r.reviving[n] = true
	r.mu.Unlock()
	all.Go(func() {
		took, err := r.d.revive(ctx, n)
		if err != nil && ctx.Err() == nil {
			r.breach("node %s did not start again: %w", n.addr, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.reviving, n)
		r.row.slowest = max(r.row.slowest, took)
	})
}

func (r *attempt) isReviving(n *server) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reviving[n]
}

// redisFlushed empties Redis every 5 s. Nothing of it is needed.
func redisFlushed(ctx context.Context, r *attempt) {
	end := time.Now().Add(r.scaled(r.f.length))
	for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
		r.must(flush(ctx, r.d.redis.Addr()))
		r.visitor(i % 2)
		pause(ctx, killEvery)
	}
	r.goesOn(r.fault[0], time.Now(), livePause)
}

// redisKilled: sends are acked, live goes on after a pause of at most 4 s, everyone is told, presence is marked stale.
func redisKilled(ctx context.Context, r *attempt) {
	began := time.Now()
	r.must(r.d.redis.Kill())
	r.told(ctx, "the bus", func(s crowd.Status) bool { return s.Bus == "down" })
	r.visitor(0)
	if err := r.c.AwaitStale(ctx, toldWithin); err != nil {
		r.breach("without Redis: %v", err)
	}
	pause(ctx, time.Until(began.Add(r.scaled(r.f.length))))
	r.visitor(1)
	r.goesOn(began, time.Now(), livePause)
	r.must(r.d.redis.Restart())
}

// kafkaStopped: for half the time Kafka hangs, then it is dead. Sends are refused in words, history and presence go on.
func kafkaStopped(ctx context.Context, r *attempt) {
	began := time.Now()
	r.must(r.d.kafka.Pause())
	r.told(ctx, "the log", func(s crowd.Status) bool { return s.Log == "down" })
	half := began.Add(r.scaled(r.f.length) / 2)
	r.readable(ctx, half)
	r.visitor(0)
	r.must(r.d.kafka.Kill())
	r.readable(ctx, began.Add(r.scaled(r.f.length)))
	r.visitor(1)
	r.must(r.d.kafka.Restart())
}

// storeStopped: sends are acked and seen while a node is left that has its rooms open. Then nothing can be known until the store is
// back, and what is asked is refused in words.
func storeStopped(ctx context.Context, r *attempt) {
	var reviving sync.WaitGroup
	began, length := time.Now(), r.scaled(r.f.length)
	r.must(r.d.mongo.Kill())
	r.told(ctx, "the store", func(s crowd.Status) bool { return s.Store == "down" })
	r.readable(ctx, time.Now().Add(time.Second)) // the tails
	for i, n := range r.d.nodes {
		pause(ctx, time.Until(began.Add(length*time.Duration(i+1)/4)))
		if i == nodes-1 {
			r.goesOn(began, time.Now(), 0)
		}
		if err := n.lives(); err != nil {
			r.breach("node %d: %w", i+1, err)
		}
		n.kill(syscall.SIGKILL)
		r.row.kills++
		r.visitor(i % 2)
		r.revive(ctx, &reviving, n)
	}
	pause(ctx, time.Until(began.Add(length)))
	r.must(r.d.mongo.Restart())
	reviving.Wait()
}
