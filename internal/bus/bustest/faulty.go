package bustest

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Faults say how a node's bus misbehaves. The zero value is health. Chances are between 0 and 1 and judged for every note that
// reaches a subscription.
type Faults struct {
	Drop    float64       // chance that it is lost
	Repeat  float64       // chance that it comes twice
	Late    float64       // chance that it is late, by up to LateBy, and so overtaken
	LateBy  time.Duration // at most
	Latency time.Duration // of every note, between half of it and all; order is kept. 0: none
	Deaf    bool          // nothing arrives, though Publish succeeds: subscriptions that are not back yet
	Down    bool          // Publish and Ping fail after Stall, nothing arrives, what was on its way is lost
	Stall   time.Duration // at most 1 s by the port's contract
}

// FaultStats counts what happened at the subscriptions of a Faulty.
type FaultStats struct {
	Arrived, Dropped, Repeated, Delayed, Refused uint64
}

// maxOnTheWay bounds the delayed notes of one Faulty; more are lost.
const maxOnTheWay = 100_000

// Faulty is one node's handle on an inner bus, with faults at its end: give each node its own, around the shared bus. It uses timers
// only, so in a synctest bubble time is virtual; chances are drawn per subscription from the seed, the channel and how many
// subscriptions of it came before, so that they do not depend on which subscription hears first.
type Faulty struct {
	inner chat.Bus
	last  *bus.Memory // calls the subscribers, serially
	seed  uint64

	mu       sync.Mutex
	faults   Faults
	stats    FaultStats
	made     map[chat.Channel]uint64
	lines    int
	onTheWay int
}

var _ chat.Bus = (*Faulty)(nil)

// Wrap gives a healthy Faulty around inner.
func Wrap(inner chat.Bus, seed uint64) *Faulty {
	return &Faulty{inner: inner, last: bus.NewMemory(bus.Options{}), seed: seed, made: map[chat.Channel]uint64{}}
}

// Close ends its subscriptions; the inner bus is another's.
func (f *Faulty) Close() { f.last.Close() }

// Set replaces the faults.
func (f *Faulty) Set(x Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = x
}

// Faults gives those that are set.
func (f *Faulty) Faults() Faults {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults
}

// Stats gives the counters.
func (f *Faulty) Stats() FaultStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Publish publishes on the inner bus unless this node's bus is down.
func (f *Faulty) Publish(ctx context.Context, ns []chat.Note) error {
	if err := f.refuse(ctx, "publish"); err != nil {
		return err
	}
	return f.inner.Publish(ctx, ns)
}

// Ping asks the inner bus unless this node's bus is down.
func (f *Faulty) Ping(ctx context.Context) error {
	if err := f.refuse(ctx, "ping"); err != nil {
		return err
	}
	return f.inner.Ping(ctx)
}

func (f *Faulty) refuse(ctx context.Context, what string) error {
	f.mu.Lock()
	x := f.faults
	if x.Down {
		f.stats.Refused++
	}
	f.mu.Unlock()
	if !x.Down {
		return nil
	}
	if x.Stall > 0 {
		timer := time.NewTimer(x.Stall)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("%s: the bus is down: %w", what, chat.ErrUnavailable)
}

// Subscribe subscribes to the inner bus with the faults in between.
func (f *Faulty) Subscribe(ch chat.Channel, sub func(data []byte)) (stop func()) {
	f.mu.Lock()
	nth := f.made[ch]
	f.made[ch]++
	f.lines++
	h := fnv.New64a()
	fmt.Fprintf(h, "%s#%d", ch, nth)
	// A private channel of f.last, so that f.last's serial calls and its stop are ours.
	l := &line{f: f, ch: chat.Channel(fmt.Sprint(f.lines)), rng: rand.New(rand.NewPCG(f.seed, h.Sum64()))}
	f.mu.Unlock()
	end := f.last.Subscribe(l.ch, sub)
	cut := f.inner.Subscribe(ch, l.arrive)
	return func() {
		cut()
		end()
	}
}

// line is the way of the notes from the inner bus to one subscription. It is guarded by Faulty.mu.
type line struct {
	f    *Faulty
	ch   chat.Channel
	rng  *rand.Rand
	last time.Time // the latest arrival of those that keep their order
}

// arrive judges a note.
func (l *line) arrive(data []byte) {
	l.f.mu.Lock()
	x, stats := l.f.faults, &l.f.stats
	stats.Arrived++
	if x.Down || x.Deaf || l.chance(x.Drop) {
		stats.Dropped++
		l.f.mu.Unlock()
		return
	}
	copies := 1
	if l.chance(x.Repeat) {
		stats.Repeated++
		copies = 2
	}
	var waits []time.Duration
	for range copies {
		waits = append(waits, l.wait(x))
	}
	l.f.mu.Unlock()
	for _, wait := range waits {
		if wait <= 0 {
			l.hand(data)
			continue
		}
		l.later(wait, data)
	}
}

// wait draws how long a copy is on its way. One that is not late arrives after all that were on the way before it.
func (l *line) wait(x Faults) time.Duration {
	if l.chance(x.Late) && x.LateBy > 0 {
		l.f.stats.Delayed++
		return 1 + time.Duration(l.rng.Int64N(int64(x.LateBy)))
	}
	now := time.Now()
	at := now
	if x.Latency > 0 {
		at = at.Add(x.Latency/2 + time.Duration(l.rng.Int64N(int64(x.Latency/2)+1)))
	}
	if !at.After(l.last) && l.last.After(now) {
		at = l.last.Add(1)
	}
	l.last = at
	return at.Sub(now)
}

func (l *line) later(wait time.Duration, data []byte) {
	f := l.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onTheWay >= maxOnTheWay {
		f.stats.Dropped++
		return
	}
	f.onTheWay++
	time.AfterFunc(wait, func() {
		f.mu.Lock()
		f.onTheWay--
		lost := f.faults.Down
		if lost {
			f.stats.Dropped++
		}
		f.mu.Unlock()
		if !lost {
			l.hand(data)
		}
	})
}

// hand queues a note for the subscriber. The private bus never refuses.
func (l *line) hand(data []byte) {
	_ = l.f.last.Publish(context.Background(), []chat.Note{{Channel: l.ch, Data: data}})
}

func (l *line) chance(p float64) bool { return p > 0 && l.rng.Float64() < p }
