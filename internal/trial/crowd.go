package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

// crowd is the people of a trial, their rooms, and the contexts that end their talking and their staying.
type crowd struct {
	people []*person
	rooms  []string

	talking context.Context
	hush    context.CancelFunc
	staying context.Context
	leave   context.CancelFunc
	all     sync.WaitGroup // who stays
	talkers sync.WaitGroup
}

// gather connects the people, makes the rooms and lets everyone join all of them.
func gather(ctx context.Context, o options, addr string) (*crowd, error) {
	c := &crowd{}
	c.staying, c.leave = context.WithCancel(ctx)
	c.talking, c.hush = context.WithCancel(c.staying)
	for i := range o.clients {
		p := newPerson(fmt.Sprintf("p%02d", i), addr, o.seed*1000+uint64(i), o.pace)
		c.people = append(c.people, p)
		c.all.Go(func() { p.stay(c.staying) })
	}
	for i := range o.rooms {
		var made struct{ Room struct{ ID string } }
		err := c.people[0].call(ctx, "room:create", map[string]any{"clientId": newID(), "name": fmt.Sprintf("trial %d", i)},
			func(raw json.RawMessage) { _ = json.Unmarshal(raw, &made) })
		if err != nil || made.Room.ID == "" {
			return c, fmt.Errorf("make a room: %w", errors.Join(err, errors.New("no id")))
		}
		c.rooms = append(c.rooms, made.Room.ID)
	}
	return c, c.each(func(p *person) error {
		for _, room := range c.rooms {
			if err := p.join(ctx, room); err != nil {
				return fmt.Errorf("%s joins: %w", p.name, err)
			}
		}
		return nil
	})
}

func (c *crowd) each(f func(*person) error) error {
	errs := make([]error, len(c.people))
	var wg sync.WaitGroup
	for i, p := range c.people {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// talk lets everyone send until hush.
func (c *crowd) talk() {
	for _, p := range c.people {
		c.talkers.Go(func() { p.talk(c.talking, c.staying, c.rooms) })
	}
}

// finish ends the talking, waits until every send is acked, reads history and judges. Then everyone leaves.
func (c *crowd) finish(ctx context.Context) error {
	defer c.all.Wait()
	defer c.leave()
	c.hush()
	done := make(chan struct{})
	go func() { c.talkers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		return errors.New("some sends were not acked within 60 s of the last fault")
	}
	kept := map[string][]message{}
	for _, room := range c.rooms {
		h, err := history(ctx, c.people[0], room)
		if err != nil {
			return err
		}
		kept[room] = h
	}
	if err := settle(ctx, c.people, kept); err != nil {
		_, worse := judge(c.people, kept)
		return errors.Join(err, worse)
	}
	report, err := judge(c.people, kept)
	fmt.Println(report)
	tries, refused := 0, map[string]int{}
	for _, p := range c.people {
		tries += p.tries
		for code, n := range p.refused {
			refused[code] += n
		}
	}
	fmt.Printf("%d tries; refusals by code: %v\n", tries, maps.Clone(refused))
	return err
}

// acks is how many sends have been acked so far.
func (c *crowd) acks() int {
	n := 0
	for _, p := range c.people {
		n += p.seen.ackCount()
	}
	return n
}

// late gives the delays, from `at` to the reader, since the last call.
func (c *crowd) late() []time.Duration {
	var out []time.Duration
	for _, p := range c.people {
		out = append(out, p.seen.takeLate()...)
	}
	return out
}
