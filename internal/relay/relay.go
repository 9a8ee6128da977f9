// Package relay is hop 5 of a message's path: it tails the log and publishes each partition's records to their rooms, in order, as
// spans, and once a second the partition's digest (DESIGN.md §4, Spans and Relay; model/relay.go). Nothing rests on it but speed:
// what it says is true of an immutable log, so any number of relays may run, from any place, and be killed.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Group is the consumer group that all relays of a deployment join by default.
const Group = "hubbub-relay"

// publishWait bounds a publish: the bus hands over within 1 s, by its contract.
const publishWait = time.Second

// Options of a relay. Zero values mean the defaults.
type Options struct {
	Group    string       // default Group; begins with the deployment's name
	Times    chat.Times   // Digest is used; default chat.DefaultTimes
	Logger   *slog.Logger // default slog.Default
	HeadsMax int          // rooms whose heads a partition remembers between two digests; default 10,000
}

// Relay is a node's relay: a chat.Handler that the log hands partitions to. Safe for concurrent use.
type Relay struct {
	log    chat.Log
	bus    chat.Bus
	opt    Options
	logger *slog.Logger

	mu      sync.Mutex
	parts   map[int]*partition // those that the log handed to this node
	stats   Stats
	failing bool // the last publish failed
}

var _ chat.Handler = (*Relay)(nil)

// Stats counts what a relay did since it was made, and says what it holds.
type Stats struct {
	Spans, Records, Digests uint64 // handed to the bus
	Lost                    uint64 // notes of publishes that failed; never retried
	Failed                  uint64 // publishes that failed
	Forgotten               uint64 // times that the heads of a partition were dropped because they were too many
	Partitions              []Place
}

// Place is how far a relay has read a partition.
type Place struct {
	Partition int
	Seq       chat.Seq
	Digest    time.Time // when the bus last took its digest; zero: not yet
}

// New makes a relay from log to bus.
func New(log chat.Log, bus chat.Bus, o Options) *Relay {
	if o.Group == "" {
		o.Group = Group
	}
	if o.Times.Digest <= 0 {
		o.Times.Digest = chat.DefaultTimes().Digest
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.HeadsMax <= 0 {
		o.HeadsMax = 10_000
	}
	return &Relay{log: log, bus: bus, opt: o, logger: o.Logger, parts: map[int]*partition{}}
}

// Run relays whatever partitions the log hands over, until ctx ends. A log that lost the place at which a partition was to begin is
// joined again, a second later: every start is correct. An error means that the log has been closed.
func (r *Relay) Run(ctx context.Context) error {
	for {
		err := r.log.Join(ctx, r.opt.Group, r)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case !errors.Is(err, chat.ErrTrimmed) && !errors.Is(err, chat.ErrRewound):
			return fmt.Errorf("relay: %w", err)
		}
		r.logger.Warn("the relay joins anew", "error", err)
		timer := time.NewTimer(time.Second)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// Begin starts at the log's end. By the fence any start is correct: what nobody relayed, the hubs find by the first digest.
func (r *Relay) Begin(ctx context.Context, p int) (chat.Mark, error) {
	info, err := r.log.Info(ctx)
	if err != nil {
		return chat.Mark{}, fmt.Errorf("relay: find the log's end: %w", err)
	}
	if p < 0 || p >= len(info.Partitions) {
		return chat.Mark{}, fmt.Errorf("relay: the log has %d partitions, none of number %d", len(info.Partitions), p)
	}
	end := info.Partitions[p].Last
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts[p] = newPartition(p, end, r.opt, time.Now())
	return chat.Mark{Seq: end}, nil
}

// Records publishes a poll's records and, when it is time, the digest. It never waits longer than a publish may take.
func (r *Relay) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, atEnd bool) {
	r.mu.Lock()
	part := r.parts[p]
	r.mu.Unlock()
	if part == nil || ctx.Err() != nil {
		return
	}
	var did Stats
	if part.forgetful() {
		did.Forgotten = 1
	}
	notes := part.spans(rs, &did)
	part.advance(upTo.Seq, atEnd)
	if d, ok := part.digest(time.Now()); ok {
		notes = append(notes, chat.Note{Partition: p, Channel: chat.DigestChannel(p), Data: d.Encode()})
		did.Digests = 1
	}
	if err := r.publish(ctx, notes); err != nil {
		did = Stats{Lost: uint64(len(notes)), Failed: 1, Forgotten: did.Forgotten}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.add(did)
	part.shown.Seq = part.place
	if did.Digests > 0 {
		part.shown.Digest = time.Now()
	}
}

// End forgets a partition.
func (r *Relay) End(p int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.parts, p)
}

// Stats gives the counters, and the partitions in their order.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Partitions = places(r.parts)
	return s
}

// publish hands notes to the bus, once. An outage of the bus is logged when it begins and when it ends.
func (r *Relay) publish(ctx context.Context, notes []chat.Note) error {
	if len(notes) == 0 {
		return nil
	}
	short, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	err := r.bus.Publish(short, notes)
	if ctx.Err() != nil { // taken back meanwhile: that is not the bus's fault
		return err
	}
	r.mu.Lock()
	changed := r.failing != (err != nil)
	r.failing = err != nil
	r.mu.Unlock()
	switch {
	case changed && err != nil:
		r.logger.Warn("the relay can not publish; hubs will tail the log themselves", "error", err)
	case changed:
		r.logger.Info("the relay publishes again")
	}
	return err
}

func (s *Stats) add(d Stats) {
	s.Spans += d.Spans
	s.Records += d.Records
	s.Digests += d.Digests
	s.Lost += d.Lost
	s.Failed += d.Failed
	s.Forgotten += d.Forgotten
}
