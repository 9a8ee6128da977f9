package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// The parts of a run. Those of health are not scaled: they are the promises.
const (
	warmUp     = 5 * time.Second
	calmFor    = 20 * time.Second
	toldWithin = 5 * time.Second  // DESIGN.md §2, G7
	hereWithin = 10 * time.Second // G8
	backWithin = 30 * time.Second // I-12: p99 is what it was
	window     = 5 * time.Second  // over which a p99 is taken
)

// attempt is one fault tried on one deployment.
type attempt struct {
	o     options
	f     fault
	d     *deployment
	c     *crowd.Crowd
	rng   *rand.Rand
	calm  [2]time.Time
	fault [2]time.Time
	row   figures

	mu       sync.Mutex
	bad      []error
	reviving map[*server]bool
}

// breach notes a promise that was not kept; the run goes on, so that one breach does not hide others.
func (r *attempt) breach(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.bad) < 30 {
		r.bad = append(r.bad, fmt.Errorf(format, args...))
	}
}

// chaos tries one fault after the other, each on a fresh deployment, and prints the table.
func chaos(ctx context.Context, o options) error {
	var rows []figures
	var bad []error
	known := false
	for _, f := range faults {
		if o.fault != "all" && o.fault != f.name {
			continue
		}
		known = true
		fmt.Printf("\n%s: %s\n", f.name, f.what)
		r := &attempt{o: o, f: f, rng: rand.New(rand.NewPCG(o.seed, 5)), row: figures{fault: f.name}, reviving: map[*server]bool{}}
		if err := r.all(ctx); err != nil {
			bad = append(bad, err)
			fmt.Printf("FAILED %s (SEED=%d FAULT=%s CHAOS_SCALE=%v):\n%v\n", f.name, o.seed, f.name, o.scale, err)
			r.row.failed = true
		}
		rows = append(rows, r.row)
		if ctx.Err() != nil {
			break
		}
	}
	if !known {
		return fmt.Errorf("there is no fault %q; there are: all%s", o.fault, names())
	}
	fmt.Printf("\nseed %d, scale %v\n", o.seed, o.scale)
	printFigures(rows)
	if len(bad) > 0 {
		return fmt.Errorf("%d of %d faults broke a promise: see above, and the nodes' logs in .cache/chaos", len(bad), len(rows))
	}
	if ctx.Err() == nil {
		fmt.Println("chaos: passed")
	}
	return ctx.Err()
}

func (r *attempt) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * r.o.scale) }

// all is the whole run. Everything it started has ended when it returns.
func (r *attempt) all(ctx context.Context) (err error) {
	if r.d, err = deploy(ctx, r.o, 0); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, r.d.end()); err != nil {
			err = errors.Join(err, r.d.keepLogs(r.f.name))
		}
	}()
	if r.c, err = crowd.Gather(ctx, r.people()); err != nil {
		r.c.Leave()
		return err
	}
	defer r.c.Leave()
	r.c.Talk()
	pause(ctx, warmUp)
	r.calm[0] = time.Now()
	pause(ctx, max(r.scaled(calmFor), 2*window))
	r.calm[1] = time.Now()

	r.fault[0] = time.Now()
	r.f.run(ctx, r)
	r.fault[1] = time.Now()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.healed(ctx)
	r.judge(ctx)
	return errors.Join(r.bad...)
}

// people are half by websocket, or by an upgrade to one, and half by polling only, all through the proxy; one watcher at each node; and
// visitors, who are steady until a fault sends them away.
func (r *attempt) people() crowd.Options {
	total := warmUp + max(r.scaled(calmFor), 2*window) + r.scaled(r.f.length) + backWithin + 2*window
	pace := max(r.o.pace, time.Duration(float64(total)*float64(r.o.clients)/float64(r.o.budget)*1.1))
	return crowd.Options{Clients: r.o.clients, Rooms: r.o.rooms, Seed: r.o.seed, Pace: pace, Budget: r.o.budget, Restless: 30 * time.Second,
		Way: func(i int) (string, client.Transport) {
			by := [...]client.Transport{client.Polling, client.WebSocket, client.Polling, client.Upgrade}[i%4]
			if r.o.direct && by != client.WebSocket {
				return r.d.nodes[i%nodes].addr, by
			}
			return r.d.addr, by
		},
		Watchers: r.d.addrs(), Visitors: 2, VisitorsAddr: r.d.addr}
}

// healed holds the time after the fault against the promises.
func (r *attempt) healed(ctx context.Context) {
	heal := r.fault[1]
	var all sync.WaitGroup
	all.Go(func() {
		took, err := r.c.AwaitHere(ctx, hereWithin)
		if r.row.here = took; err != nil {
			r.breach("presence is not right %v after healing: %v", hereWithin, err)
		}
		for _, v := range r.c.Visitors {
			v.ComeBack()
		}
		if _, err := r.c.AwaitHere(ctx, hereWithin); err != nil {
			r.breach("presence is not right %v after the visitors came back: %v", hereWithin, err)
		}
	})
	all.Go(func() {
		took, err := r.d.awaitAll(ctx, backWithin, func(h health) bool { return h.State == "ok" || h.Log == "ok" && h.Bus == "ok" && h.Store == "behind" })
		if r.row.ready = took; err != nil {
			r.breach("not ready %v after healing: %v", backWithin, err)
		}
	})
	all.Wait()
	pause(ctx, time.Until(heal.Add(backWithin+window)))
	r.latency(heal)
}

// latency compares the p99 of windows after healing with that of the calm.
func (r *attempt) latency(heal time.Time) {
	acks, seen := r.c.Delays(r.calm[0], r.calm[1])
	r.row.calmAck, r.row.calmSeen = crowd.Quantile(acks, 0.99), crowd.Quantile(seen, 0.99)
	if len(acks) == 0 || len(seen) == 0 {
		r.breach("in the calm %d sends were acked and %d messages seen", len(acks), len(seen))
	}
	acks, seen = r.c.Delays(r.fault[0], r.fault[1])
	r.row.worstAck, r.row.worstSeen = crowd.Quantile(acks, 1), crowd.Quantile(seen, 1)
	mayAck, maySeen := max(2*r.row.calmAck, r.o.floor), max(2*r.row.calmSeen, r.o.floor)
	told := ""
	for at := time.Duration(0); at+window <= backWithin; at += window / 2 {
		acks, seen := r.c.Delays(heal.Add(at), heal.Add(at+window))
		a, s := crowd.Quantile(acks, 0.99), crowd.Quantile(seen, 0.99)
		if len(acks) > 0 && len(seen) > 0 && a <= mayAck && s <= maySeen {
			r.row.back = at + window
			return
		}
		told += fmt.Sprintf("; at %v: %d acks p99 %v, %d seen p99 %v", at, len(acks), a, len(seen), s)
	}
	r.breach("p99 is not back to twice the calm's within %v: ack %v, seen %v then%s", backWithin, mayAck, maySeen, told)
}

// judge ends the talking and holds everything against history, and history against the database.
func (r *attempt) judge(ctx context.Context) {
	if err := r.c.Hush(60 * time.Second); err != nil {
		r.breach("%w", err)
	}
	reading, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	kept, err := r.c.History(reading)
	if err != nil {
		r.breach("%w", err)
		return
	}
	v, err := r.c.Judge(ctx, kept)
	r.row.verdict, r.row.crowd = v, r.c.Figures()
	if err != nil {
		r.breach("%w", err)
	}
	took, err := r.d.awaitAll(ctx, 2*time.Minute, func(h health) bool { return h.State == "ok" && h.Lag == 0 })
	if r.row.saved = took; err != nil {
		r.breach("the store has not caught up: %v", err)
		return
	}
	rows, err := scan(ctx, r.d.storeAddr())
	if err == nil {
		err = compare(kept, rows)
	}
	if err != nil {
		r.breach("an independent reader of the database: %w", err)
	}
}
