package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// person is one client: he stays connected, joins rooms, sends, retries every send with its client id until it is acked, resumes by
// since, and keeps what he saw.
type person struct {
	name string
	addr string
	rng  *rand.Rand
	pace time.Duration
	seen *witness

	mu    sync.Mutex
	conn  *client.Client
	token string
	log   string
	since map[string]int64

	ctx       context.Context // of staying
	reopening sync.WaitGroup

	unacked chan struct{} // one place for each send under way
	tries   int
	refused map[string]int // negative answers, by code
}

func newPerson(name, addr string, seed uint64, pace time.Duration) *person {
	return &person{name: name, addr: addr, rng: rand.New(rand.NewPCG(seed, 77)), pace: pace, seen: newWitness(name), since: map[string]int64{},
		unacked: make(chan struct{}, 8), refused: map[string]int{}}
}

// stay keeps the person connected until ctx ends.
func (p *person) stay(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	p.mu.Unlock()
	defer p.reopening.Wait()
	for ctx.Err() == nil {
		c, err := p.connect(ctx)
		if err == nil {
			p.mu.Lock()
			p.conn = c
			p.mu.Unlock()
			select {
			case <-c.Done():
			case <-ctx.Done():
				c.Close()
				<-c.Done()
			}
			p.mu.Lock()
			p.conn = nil
			p.mu.Unlock()
		}
		pause(ctx, time.Duration(20+rand.IntN(150))*time.Millisecond)
	}
}

func (p *person) connect(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p.mu.Lock()
	auth := map[string]any{"name": p.name}
	if p.token != "" {
		auth["token"] = p.token
	}
	if len(p.since) > 0 {
		since := map[string]int64{}
		for r, s := range p.since {
			since[r] = s
		}
		auth["since"], auth["log"] = since, p.log
	}
	p.mu.Unlock()
	return client.Dial(ctx, p.addr, auth, p.hear)
}

// hear takes an event.
func (p *person) hear(name string, data json.RawMessage) {
	var e struct {
		Seq        int64
		ID, RoomID string
		Text       string
		At         int64
		Token, Log string
		From, To   int64
		Reason     string
	}
	if err := json.Unmarshal(data, &e); err != nil {
		p.seen.fail("an event %s that is not JSON: %v", name, err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case name == "session":
		p.log = e.Log
		if e.Token != "" {
			p.token = e.Token
		}
	case name == "gap" && e.To == 0: // the room was not resumed: open it anew, after the same place
		p.reopening.Go(func() { p.reopen(e.RoomID) })
	case name == "gap":
		p.seen.gap(e.RoomID, e.From, e.To, e.Reason)
		p.since[e.RoomID] = max(p.since[e.RoomID], e.To)
	case e.Seq > 0:
		p.seen.event(name, e.RoomID, e.Seq, e.ID, e.At)
		p.since[e.RoomID] = max(p.since[e.RoomID], e.Seq)
	}
}

// call repeats a request until it is answered with ok, and gives that answer. A refusal that no retry can mend ends it.
func (p *person) call(ctx context.Context, name string, payload any, done func(json.RawMessage)) error {
	for ctx.Err() == nil {
		p.mu.Lock()
		c := p.conn
		p.mu.Unlock()
		if c == nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		result := make(chan error, 1)
		p.tries++
		c.Emit(name, payload, func(raw json.RawMessage, err error) {
			if err == nil {
				raw, err = client.Answer(raw)
			}
			if err == nil {
				done(raw)
			}
			result <- err
		})
		var err error
		select {
		case err = <-result:
		case <-time.After(12 * time.Second):
			p.seen.fail("%s was not answered within 12 s", name)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		var f *client.Failure
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			p.mu.Lock()
			p.refused[f.Code]++
			p.mu.Unlock()
			if f.Code != "unavailable" && f.Code != "unknown" && f.Code != "overloaded" && f.Code != "rate_limited" {
				return fmt.Errorf("%s: %w", name, f)
			}
			pause(ctx, time.Duration(max(f.RetryAfterMs, 50)+rand.IntN(100))*time.Millisecond)
		default:
			pause(ctx, 10*time.Millisecond)
		}
	}
	return ctx.Err()
}

// join makes the person a member of a room and begins his stream of it.
func (p *person) join(ctx context.Context, room string) error {
	return p.call(ctx, "room:join", map[string]any{"roomId": room, "clientId": newID()}, func(raw json.RawMessage) {
		var a struct{ AsOf int64 }
		if err := json.Unmarshal(raw, &a); err != nil {
			p.seen.fail("join: %v", err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen.begin(room, a.AsOf)
		p.since[room] = max(p.since[room], a.AsOf)
	})
}

// reopen goes on with a room that a resume could not have.
func (p *person) reopen(room string) {
	p.mu.Lock()
	ctx := p.ctx
	p.mu.Unlock()
	for ctx.Err() == nil {
		p.mu.Lock()
		since := p.since[room]
		p.mu.Unlock()
		err := p.call(ctx, "room:open", map[string]any{"roomId": room, "since": since}, func(raw json.RawMessage) {
			var a struct{ AsOf int64 }
			_ = json.Unmarshal(raw, &a)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.since[room] = max(p.since[room], a.AsOf)
		})
		if err == nil {
			return
		}
		p.seen.fail("room:open after a gap: %v", err)
	}
}

// talk sends into rooms until ctx ends; each send is retried until acked, also after that, until hard ends.
func (p *person) talk(ctx, hard context.Context, rooms []string) {
	var all sync.WaitGroup
	for n := 1; ctx.Err() == nil; n++ {
		room := rooms[p.rng.IntN(len(rooms))]
		text, id := fmt.Sprintf("%s:%d:%x", p.name, n, p.rng.Uint64()), newID()
		select {
		case p.unacked <- struct{}{}:
		case <-ctx.Done():
			all.Wait()
			return
		}
		all.Go(func() {
			defer func() { <-p.unacked }()
			began := time.Now()
			err := p.call(hard, "message:send", map[string]any{"roomId": room, "clientId": id, "text": text}, func(raw json.RawMessage) {
				var a struct{ ID string }
				_ = json.Unmarshal(raw, &a)
				p.seen.acked(room, a.ID, text, time.Since(began))
			})
			if err != nil {
				p.seen.fail("a send ended without an ack: %v", err)
			}
		})
		pause(ctx, time.Duration(p.rng.Int64N(int64(2*p.pace))))
	}
	all.Wait()
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
