package crowd

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

// Person is one client: he stays connected, joins rooms, sends, retries every send with its client id until it is acked, resumes by
// since, and keeps what he saw.
type Person struct {
	Name string
	Seen *Witness

	addr     string
	by       client.Transport
	rng      *rand.Rand // of talking
	pace     time.Duration
	restless time.Duration // mean time between two connections that are cut for no reason; 0: never

	mu        sync.Mutex
	conn      *client.Client
	connected time.Time // when the connection was begun
	changed   time.Time // when he came or went
	attempt   int       // to connect: names a connection
	user      string
	token     string
	log       string
	since     map[string]int64
	away      chan struct{} // closed when he comes back; nil: he is not away
	refused   map[string]int
	tries     int
	upgrades  int
	lastError error

	ctx       context.Context // of staying
	reopening sync.WaitGroup

	unacked chan struct{} // one place for each send under way
}

func newPerson(name, addr string, by client.Transport, seed uint64, pace, restless time.Duration) *Person {
	return &Person{Name: name, addr: addr, by: by, rng: rand.New(rand.NewPCG(seed, 77)), pace: pace, restless: restless, Seen: newWitness(name),
		since: map[string]int64{}, unacked: make(chan struct{}, 8), refused: map[string]int{}}
}

// trouble says why the person could not connect, and what he was refused.
func (p *Person) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("%s (%v): the last attempt to connect gave %v; refusals %v", p.Name, p.by, p.lastError, p.refused)
}

// hear takes an event of a connection.
func (p *Person) hear(attempt int, name string, data json.RawMessage) {
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		p.Seen.fail("an event %s that is not JSON: %v", name, err)
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
		p.user = e.User.ID
		p.Seen.status(e.Status)
	case name == "status":
		p.Seen.status(Status{e.Log, e.Bus, e.Store})
	case name == "presence":
		p.Seen.presence(e.RoomID, here{e.Count, e.Stale})
	case name == "gap" && e.To == 0: // the room was not resumed: open it anew, after the same place
		p.reopening.Go(func() { p.reopen(attempt, e.RoomID) })
	case name == "gap":
		p.Seen.gap(e.RoomID, e.From, e.To)
		p.since[e.RoomID] = max(p.since[e.RoomID], e.To)
	case e.Seq > 0:
		p.Seen.event(name, e.RoomID, e.Seq, e.ID, e.Text, time.UnixMilli(e.At), p.connected)
		p.since[e.RoomID] = max(p.since[e.RoomID], e.Seq)
	}
}

// event is the union of the fields of all events that a person looks at.
type event struct {
	Seq             int64
	ID, RoomID      string
	Text            string
	At              int64
	Token           string
	Log, Bus, Store string
	User            struct{ ID string }
	Status          Status
	From, To        int64
	Count           int
	Stale           bool
}

// Call repeats a request until it is answered with ok, and gives that answer to done. A refusal that no retry can mend ends it.
func (p *Person) Call(ctx context.Context, name string, payload any, done func(json.RawMessage)) error {
	for ctx.Err() == nil {
		err := p.Try(ctx, name, payload, done)
		var f *client.Failure
		switch {
		case err == nil:
			return nil
		case errors.As(err, &f):
			if !retriable(f) {
				return fmt.Errorf("%s: %w", name, f)
			}
			pause(ctx, time.Duration(max(f.RetryAfterMs, 50)+rand.IntN(100))*time.Millisecond)
		default:
			pause(ctx, 10*time.Millisecond)
		}
	}
	return ctx.Err()
}

// retriable says whether a refusal asks for another try. See docs/protocol.md, Errors.
func retriable(f *client.Failure) bool {
	return f.Code == "unavailable" || f.Code == "unknown" || f.Code == "overloaded" || f.Code == "rate_limited"
}

// Try asks once. The error is a *client.Failure, or says that there is no connection, or that it ended.
func (p *Person) Try(ctx context.Context, name string, payload any, done func(json.RawMessage)) error {
	p.mu.Lock()
	c := p.conn
	p.mu.Unlock()
	if c == nil {
		return client.ErrClosed
	}
	return p.tryOn(ctx, c, name, payload, done)
}

func (p *Person) tryOn(ctx context.Context, c *client.Client, name string, payload any, done func(json.RawMessage)) error {
	p.mu.Lock()
	p.tries++
	p.mu.Unlock()
	result := make(chan error, 1)
	c.Emit(name, payload, func(raw json.RawMessage, err error) {
		if err == nil {
			raw, err = client.Answer(raw)
		}
		if err == nil {
			done(raw)
		}
		result <- err
	})
	overdue := time.NewTimer(answerWithin)
	defer overdue.Stop()
	select {
	case err := <-result:
		var f *client.Failure
		if errors.As(err, &f) {
			p.mu.Lock()
			p.refused[f.Code]++
			p.mu.Unlock()
		}
		return err
	case <-overdue.C:
		p.Seen.fail("%s was not answered within %v", name, answerWithin)
		c.Close() // then at least the transport's end answers it
		return client.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answerWithin is DESIGN.md §2, G6, with something for the way.
const answerWithin = 12 * time.Second

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
