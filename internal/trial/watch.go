package main

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// told waits until every node's /readyz and every client's status say what is down, and notes who was not told in time.
func (r *attempt) told(ctx context.Context, what string, down func(crowd.Status) bool) {
	var all sync.WaitGroup
	all.Go(func() {
		took, err := r.d.awaitAll(ctx, toldWithin, func(h health) bool { return down(crowd.Status{Log: h.Log, Bus: h.Bus, Store: h.Store}) })
		if r.row.told = took; err != nil {
			r.breach("%s is down: %v", what, err)
		}
	})
	all.Go(func() {
		took, err := r.c.AwaitStatus(ctx, toldWithin, down)
		if r.row.toldClients = took; err != nil {
			r.breach("%s is down: %v", what, err)
		}
	})
	all.Wait()
}

// awaitAll waits until /readyz of every node satisfies want, and tells how long that took.
func (d *deployment) awaitAll(ctx context.Context, within time.Duration, want func(health) bool) (time.Duration, error) {
	began := time.Now()
	for {
		told := ""
		for i, n := range d.nodes {
			if h, err := n.ready(ctx); err != nil || !want(h) {
				told += fmt.Sprintf("; node %d: /readyz says %+v (%v)", i+1, h, err)
			}
		}
		if told == "" {
			return time.Since(began), nil
		}
		if time.Since(began) > within+noise || ctx.Err() != nil {
			return time.Since(began), fmt.Errorf("after %v%s", within, told)
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// goesOn: in every stretch between from and to sends were acked and messages seen live, none later than slowest (0: any).
func (r *attempt) goesOn(from, to time.Time, slowest time.Duration) {
	for at := from; !at.Add(progress).After(to); at = at.Add(progress) {
		acks, seen := r.c.Delays(at, at.Add(progress))
		after := at.Sub(r.fault[0]).Round(time.Second)
		if len(acks) == 0 || len(seen) == 0 {
			r.breach("of what was sent %v to %v into the fault, %d were acked and %d seen", after, after+progress, len(acks), len(seen))
		}
		if worst := crowd.Quantile(seen, 1); slowest > 0 && worst > slowest {
			r.breach("of what was sent %v to %v into the fault, a message was seen live only after %v", after, after+progress, worst)
		}
	}
}

// readable asks every node for the newest messages again and again until the deadline; each must answer.
func (r *attempt) readable(ctx context.Context, until time.Time) {
	for once := true; once || time.Now().Before(until) && ctx.Err() == nil; once = false {
		for i, w := range r.c.Watchers {
			if err := w.Reads(ctx, r.c.Rooms[0]); err != nil && ctx.Err() == nil {
				r.breach("node %d, %v into the fault: %v", i+1, time.Since(r.fault[0]).Round(100*time.Millisecond), err)
				return
			}
		}
		pause(ctx, 500*time.Millisecond)
	}
}

// flush empties Redis.
func flush(ctx context.Context, addr string) error {
	u, err := url.Parse(addr)
	if err != nil {
		return err
	}
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{u.Host}, DisableCache: true, ForceSingleClient: true})
	if err != nil {
		return fmt.Errorf("flush Redis: %w", err)
	}
	defer c.Close()
	return c.Do(ctx, c.B().Flushall().Build()).Error()
}
