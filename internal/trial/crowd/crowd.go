// Package crowd is the people of a trial: clients that talk, lose their connection, retry and resume, each with a witness of what he was
// told; and the judge, who holds what was acked, seen and kept against each other. It knows the protocol and nothing of the server.
package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// Options of a crowd.
type Options struct {
	Clients, Rooms int
	Seed           uint64
	Pace           time.Duration // between two sends of a person, on average
	Budget         int           // of messages in all; 0: no bound
	Restless       time.Duration // between two needless reconnects of a person, on average; 0: never
	// Way gives the address of the i-th person's server, and the transport. nil: Addr by websocket.
	Way      func(i int) (addr string, by client.Transport)
	Addr     string
	Watchers []string // addresses at each of which one more person watches every room and says nothing

	Visitors     int // who say nothing either, and may be sent away
	VisitorsAddr string
}

// Crowd is people who share rooms, and the contexts that end their talking and their staying.
type Crowd struct {
	People   []*Person // all: those who talk, the watchers, the visitors
	Watchers []*Person
	Visitors []*Person
	Rooms    []string

	talkers int
	budget  atomic.Int64
	talking context.Context
	hush    context.CancelFunc
	staying context.Context
	leave   context.CancelFunc
	all     sync.WaitGroup // who stays
	sending sync.WaitGroup // who talks
}

// Gather connects the people, makes the rooms and lets everyone join all of them. The crowd must be ended by Finish or Leave, also after
// an error.
func Gather(ctx context.Context, o Options) (*Crowd, error) {
	c := &Crowd{talkers: o.Clients}
	c.budget.Store(1 << 40)
	if o.Budget > 0 {
		c.budget.Store(int64(o.Budget))
	}
	c.staying, c.leave = context.WithCancel(ctx)
	c.talking, c.hush = context.WithCancel(c.staying)
	for i := range o.Clients {
		addr, by := o.Addr, client.WebSocket
		if o.Way != nil {
			addr, by = o.Way(i)
		}
		c.add(newPerson(fmt.Sprintf("p%02d", i), addr, by, o.Seed*1000+uint64(i), o.Pace, o.Restless))
	}
	for i, addr := range o.Watchers {
		c.Watchers = append(c.Watchers, c.add(newPerson(fmt.Sprintf("w%02d", i), addr, client.WebSocket, o.Seed, o.Pace, 0)))
	}
	for i := range o.Visitors {
		c.Visitors = append(c.Visitors, c.add(newPerson(fmt.Sprintf("v%02d", i), o.VisitorsAddr, client.WebSocket, o.Seed, o.Pace, 0)))
	}
	ctx, cancel := context.WithTimeout(ctx, gatherWithin)
	defer cancel()
	for i := range o.Rooms {
		var made struct{ Room struct{ ID string } }
		err := c.People[0].Call(ctx, "room:create", map[string]any{"clientId": newID(), "name": fmt.Sprintf("trial %d", i)},
			func(raw json.RawMessage) { _ = json.Unmarshal(raw, &made) })
		if err != nil || made.Room.ID == "" {
			return c, fmt.Errorf("make a room: %w", errors.Join(err, c.People[0].trouble()))
		}
		c.Rooms = append(c.Rooms, made.Room.ID)
	}
	return c, c.each(func(p *Person) error {
		for _, room := range c.Rooms {
			if err := p.join(ctx, room); err != nil {
				return fmt.Errorf("%s joins: %w", p.Name, errors.Join(err, p.trouble()))
			}
		}
		return nil
	})
}

// gatherWithin bounds the making of rooms and the joining.
const gatherWithin = 90 * time.Second

func (c *Crowd) add(p *Person) *Person {
	c.People = append(c.People, p)
	c.all.Go(func() { p.stay(c.staying) })
	return p
}

func (c *Crowd) each(f func(*Person) error) error {
	errs := make([]error, len(c.People))
	var wg sync.WaitGroup
	for i, p := range c.People {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Talk lets everyone but watchers and visitors send until Hush.
func (c *Crowd) Talk() {
	for _, p := range c.People[:c.talkers] {
		c.sending.Go(func() { p.talk(c.talking, c.staying, c.Rooms, &c.budget) })
	}
}

// Hush ends the talking and waits until every send is acked.
func (c *Crowd) Hush(within time.Duration) error {
	c.hush()
	done := make(chan struct{})
	go func() { c.sending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(within):
		waiting := 0
		for _, p := range c.People {
			waiting += len(p.unacked)
		}
		return fmt.Errorf("%d sends were not acked within %v of the last fault", waiting, within)
	}
}

// Leave sends everyone home and waits until all are gone.
func (c *Crowd) Leave() {
	c.leave()
	c.sending.Wait()
	c.all.Wait()
}

// Acks is how many sends have been acked so far.
func (c *Crowd) Acks() int {
	n := 0
	for _, p := range c.People {
		n += p.Seen.ackCount()
	}
	return n
}

// Delays gives, of the messages sent in [from, to), how long each took to its ack, and to each of its readers who saw it live.
func (c *Crowd) Delays(from, to time.Time) (acks, seen []time.Duration) {
	for _, p := range c.People {
		a, s := p.Seen.samples(from, to)
		acks, seen = append(acks, a...), append(seen, s...)
	}
	return acks, seen
}

// Figures counts what the clients did: requests, and refusals by code.
type Figures struct {
	Tries, Upgrades int
	Refused         map[string]int
}

// Figures gives the counts so far.
func (c *Crowd) Figures() Figures {
	f := Figures{Refused: map[string]int{}}
	for _, p := range c.People {
		p.mu.Lock()
		f.Tries += p.tries
		f.Upgrades += p.upgrades
		for code, n := range p.refused {
			f.Refused[code] += n
		}
		p.mu.Unlock()
	}
	return f
}

// Finish ends the talking, waits until every send is acked and history is seen by everyone, judges, and prints the figures. Then
// everyone leaves.
func (c *Crowd) Finish(ctx context.Context) error {
	defer c.Leave()
	if err := c.Hush(60 * time.Second); err != nil {
		return err
	}
	kept, err := c.History(ctx)
	if err != nil {
		return err
	}
	verdict, err := c.Judge(ctx, kept)
	fmt.Println(verdict)
	f := c.Figures()
	fmt.Printf("%d tries; refusals by code: %v\n", f.Tries, f.Refused)
	return err
}

// quiet is how long it is watched what still comes when everyone has all: a second copy may be late, for a digest comes once a second.
const quiet = 3 * time.Second

// Judge waits until everyone has seen the end of every room, and nothing more comes, and judges.
func (c *Crowd) Judge(ctx context.Context, kept History) (Verdict, error) {
	late := settle(ctx, c.People, kept, 30*time.Second)
	pause(ctx, quiet)
	v, err := Judge(c.People, kept)
	return v, errors.Join(late, err)
}
