package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Redis is the bus of a cluster: sharded Pub/Sub of Redis 7 or later, where all channels of a partition lie in one slot by their hash tag
// ({name:p17}room:…). Notes are pipelined out on one connection per Redis node and come in on another, which only queues them: the
// queues, the serial calls and what a slow subscription loses are those of Memory. Redis may be flushed, paused, killed and restarted
// at any time; subscriptions come back by themselves.
type Redis struct {
	opt    RedisOptions
	log    *slog.Logger
	client rueidis.Client
	queues *Memory
	ears   *ears

	waiting crowd
	gates   []*gate // one; in a cluster one per partition

	published atomic.Uint64
	closing   sync.Once
}

var _ chat.Bus = (*Redis)(nil)

// Client gives the connection, for those who keep something else in the same Redis (presence). It lives until Close.
func (r *Redis) Client() rueidis.Client { return r.client }

// Publish hands ns over in one round trip per Redis node, within a second. Errors, all of them chat.ErrUnavailable too: that of an
// ended ctx, no answer, or what Redis refused; some notes may have arrived. It never retries.
func (r *Redis) Publish(ctx context.Context, ns []chat.Note) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publish to Redis: %w", err)
	}
	if len(ns) == 0 {
		return nil
	}
	var err error
	if len(r.gates) == 1 {
		err = r.publish(ctx, r.gates[0], ns)
	} else {
		err = r.publishEach(ctx, ns)
	}
	if err != nil {
		return fmt.Errorf("publish %d notes to Redis: %w: %w", len(ns), err, chat.ErrUnavailable)
	}
	return nil
}

// publishEach publishes each partition's notes through its gate, at the same time. A relay's batch is of one partition.
func (r *Redis) publishEach(ctx context.Context, ns []chat.Note) error {
	byGate := map[*gate][]chat.Note{}
	for _, n := range ns {
		g := r.gates[r.partition(n.Channel)%len(r.gates)]
		byGate[g] = append(byGate[g], n)
	}
	errs := make(chan error, len(byGate))
	for g, part := range byGate {
		if len(byGate) == 1 {
			return r.publish(ctx, g, part)
		}
		go func() { errs <- r.publish(ctx, g, part) }()
	}
	var first error
	for range byGate {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// publish hands notes over in one round trip, in their order.
func (r *Redis) publish(ctx context.Context, g *gate, ns []chat.Note) error {
	return g.pass(ctx, r.waiting, func(ctx context.Context) error {
		cmds := make(rueidis.Commands, len(ns))
		for i, n := range ns {
			cmds[i] = r.client.B().Spublish().Channel(r.key(n.Channel)).Message(rueidis.BinaryString(n.Data)).Build()
		}
		failed, first := 0, error(nil)
		for _, res := range r.client.DoMulti(ctx, cmds...) {
			if err := res.Error(); err != nil {
				if failed++; first == nil {
					first = err
				}
			}
		}
		r.published.Add(uint64(len(ns) - failed))
		return first
	})
}

// Ping asks every Redis node that has a partition, through the very command that publishes, and fails too while a part of the
// subscriptions is not in place.
func (r *Redis) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	short, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	var cmds rueidis.Commands
	for _, p := range r.ears.representatives() {
		cmds = append(cmds, r.client.B().Spublish().Channel(r.tag(p)+"ping").Message("").Build())
	}
	err := r.ears.deaf()
	for _, res := range r.client.DoMulti(short, cmds...) {
		if e := res.Error(); e != nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("ping Redis: %w: %w", err, chat.ErrUnavailable)
	}
	return nil
}

// Subscribe calls f, one note at a time, until stop; see Memory.Subscribe for what stop does. The subscription is in place a moment
// later, and again after every loss of the connection; what was published meanwhile is not heard.
func (r *Redis) Subscribe(ch chat.Channel, f func(data []byte)) (stop func()) {
	end := r.queues.Subscribe(ch, f)
	key, p := r.key(ch), r.partition(ch)
	r.ears.want(key, p)
	var once sync.Once
	return func() {
		once.Do(func() { r.ears.unwant(key) })
		end()
	}
}

// Stats gives the counters; Dropped are the notes that slow subscriptions lost.
func (r *Redis) Stats() Stats {
	s := r.queues.Stats()
	s.Published = r.published.Load()
	return s
}

// Close ends every subscription as its stop would, and the connections. It may be called more than once.
func (r *Redis) Close() error {
	r.closing.Do(func() {
		r.ears.close()
		r.queues.Close()
		r.client.Close()
	})
	return nil
}

// tag begins the channels and keys of a partition: the braces put them all into one slot.
func (r *Redis) tag(p int) string { return "{" + r.opt.Name + ":p" + strconv.Itoa(p) + "}" }

func (r *Redis) key(ch chat.Channel) string { return r.tag(r.partition(ch)) + string(ch) }

// partition works out where a channel lies. Publisher and subscriber must agree, so it follows from the channel alone.
func (r *Redis) partition(ch chat.Channel) int {
	kind, id, _ := strings.Cut(string(ch), ":")
	if kind == "digest" {
		if p, err := strconv.Atoi(id); err == nil && p >= 0 {
			return p
		}
	}
	return chat.PartitionOf(chat.RoomID(id), r.opt.Partitions)
}

// hear takes what came on a channel. It runs on the connection's reader, so it only queues.
func (r *Redis) hear(key, data string) {
	if _, ch, ok := strings.Cut(key, "}"); ok {
		_ = r.queues.Publish(context.Background(), []chat.Note{{Channel: chat.Channel(ch), Data: []byte(data)}})
	}
}
