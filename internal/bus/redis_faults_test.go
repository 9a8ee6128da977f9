package bus_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

const patience = 20 * time.Second

// eventually polls until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for late := time.After(patience); !holds(); {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// counters subscribes to n rooms and counts what each hears.
func counters(b *bus.Redis, n int) []*atomic.Int64 {
	out := make([]*atomic.Int64, n)
	for i := range out {
		c := &atomic.Int64{}
		out[i] = c
		b.Subscribe(room(i), func([]byte) { c.Add(1) })
	}
	return out
}

func room(i int) chat.Channel { return chat.RoomChannel(chat.RoomID(fmt.Sprint(i))) }

// toAll gives a note for each of n rooms.
func toAll(n int) []chat.Note {
	ns := make([]chat.Note, n)
	for i := range ns {
		ns[i] = chat.Note{Channel: room(i), Data: []byte("x")}
	}
	return ns
}

// allHear publishes on from until every counter has risen.
func allHear(t *testing.T, from *bus.Redis, cs []*atomic.Int64) {
	t.Helper()
	before := make([]int64, len(cs))
	for i, c := range cs {
		before[i] = c.Load()
	}
	eventually(t, "everybody hears", func() bool {
		_ = from.Publish(t.Context(), toAll(len(cs)))
		for i, c := range cs {
			if c.Load() == before[i] {
				return false
			}
		}
		return true
	})
}

// TestRedisSubscriptionsComeBack: whatever is done to Redis, every one of many subscriptions is in place again by itself.
func TestRedisSubscriptionsComeBack(t *testing.T) {
	server := enginetest.NewRedis(t)
	const rooms = 3000
	a, b := openRedis(t, server.Addr(), ""), openRedis(t, server.Addr(), "")
	cs := counters(b, rooms)
	allHear(t, a, cs)
	for _, harm := range []struct {
		name string
		do   func()
	}{
		{"flushed", func() {
			if err := a.Client().Do(t.Context(), a.Client().B().Flushall().Build()).Error(); err != nil {
				t.Error(err)
			}
		}},
		{"killed and restarted", func() { must(t, server.Kill(), server.Restart()) }},
		{"killed twice", func() { must(t, server.Kill(), server.Restart(), server.Kill(), server.Restart()) }},
		{"cut off", func() {
			kill := a.Client().B().Arbitrary("CLIENT", "KILL", "TYPE", "pubsub").Build()
			if n, err := a.Client().Do(t.Context(), kill).AsInt64(); err != nil || n == 0 {
				t.Errorf("%d connections killed, %v", n, err)
			}
		}},
		{"stopped for good and all its connections dead", func() {
			must(t, server.Pause())
			eventually(t, "the node notices", func() bool { return b.Ping(t.Context()) != nil })
			must(t, server.Continue())
		}},
	} {
		t.Run(harm.name, func(t *testing.T) {
			harm.do()
			allHear(t, a, cs)
			eventually(t, "both say that they are well", func() bool { return a.Ping(t.Context()) == nil && b.Ping(t.Context()) == nil })
		})
	}
	if s := b.Stats(); s.Subscriptions != rooms {
		t.Errorf("stats %+v", s)
	}
}

// TestRedisSilent: a Redis that takes connections and answers nothing holds nobody up for longer than the port says, however many
// publish at once.
func TestRedisSilent(t *testing.T) {
	server := enginetest.NewRedis(t)
	b := openRedis(t, server.Addr(), "")
	must(t, server.Pause())
	const callers, calls = 200, 4
	slowest := make(chan time.Duration, callers)
	for range callers {
		go func() {
			var worst time.Duration
			for range calls {
				start := time.Now()
				if err := b.Publish(t.Context(), toAll(10)); !errors.Is(err, chat.ErrUnavailable) {
					t.Errorf("publish: %v", err)
				}
				worst = max(worst, time.Since(start))
			}
			slowest <- worst
		}()
	}
	start := time.Now()
	if err := b.Ping(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("ping: %v", err)
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("a ping took %v", d)
	}
	for range callers {
		if d := <-slowest; d > 3*time.Second {
			t.Errorf("a publish took %v", d)
		}
	}
	must(t, server.Continue())
	eventually(t, "it is well again", func() bool { return b.Ping(t.Context()) == nil })
	if err := b.Publish(t.Context(), toAll(1)); err != nil {
		t.Error(err)
	}
}

// TestRedisCloseWhileSilent: a node stops in time although its Redis does not answer, and no subscription is called afterwards.
func TestRedisCloseWhileSilent(t *testing.T) {
	server := enginetest.NewRedis(t)
	b := openRedis(t, server.Addr(), "")
	cs := counters(b, 100)
	allHear(t, b, cs)
	must(t, server.Pause())
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("close hangs")
	}
	b.Close()
	if err := b.Publish(t.Context(), toAll(1)); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("publish on a closed bus: %v", err)
	}
	if err := b.Ping(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("ping of a closed bus: %v", err)
	}
	b.Subscribe("room:x", func([]byte) { t.Error("a closed bus called") })()
}

// TestRedisForgetsChannels: what nobody listens to any more is not subscribed in Redis either.
func TestRedisForgetsChannels(t *testing.T) {
	server := enginetest.NewRedis(t)
	b := openRedis(t, server.Addr(), "")
	count := func() int {
		chs, err := b.Client().Do(t.Context(), b.Client().B().PubsubShardchannels().Build()).AsStrSlice()
		if err != nil {
			t.Error(err)
		}
		return len(chs)
	}
	var stops []func()
	for i := range 2000 {
		stops = append(stops, b.Subscribe(room(i/2), func([]byte) {})) // two each
	}
	eventually(t, "1,000 channels are subscribed", func() bool { return count() == 1000 })
	for i, stop := range stops {
		if i%2 == 0 || i > 1000 {
			stop()
			stop()
		}
	}
	eventually(t, "those of one listener are left", func() bool { return count() == 500 })
	for _, stop := range stops {
		stop()
	}
	eventually(t, "none is left", func() bool { return count() == 0 })
}

// TestRedisSlowSubscriberIsNoBurden: one that blocks neither holds up the connection, nor makes Redis cut it off.
func TestRedisSlowSubscriberIsNoBurden(t *testing.T) {
	server := enginetest.NewRedis(t, "--client-output-buffer-limit", "pubsub", "1mb", "512kb", "1")
	var said bytes.Buffer
	b := openRedis(t, server.Addr(), "", func(o *bus.RedisOptions) {
		o.Queue.Queue, o.Logger = 10, slog.New(slog.NewTextHandler(&said, nil))
	})
	gate := make(chan struct{})
	release := sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release) // before the bus is closed, which waits for the slow one
	b.Subscribe("room:slow", func([]byte) { <-gate })
	heard := counters(b, 1)
	allHear(t, b, heard)
	before := heard[0].Load()
	const rounds = 50
	for i := range int64(rounds) {
		ns := []chat.Note{{Channel: room(0), Data: []byte("x")}}
		for range 10 {
			ns = append(ns, chat.Note{Channel: "room:slow", Data: make([]byte, 20<<10)})
		}
		must(t, b.Publish(t.Context(), ns))
		eventually(t, "the quick one hears each", func() bool { return heard[0].Load() >= before+i+1 })
	}
	release()
	must(t, b.Close())
	if strings.Contains(said.String(), "hears nothing") {
		t.Errorf("the connection was lost: %s", said.String())
	}
	if b.Stats().Dropped == 0 {
		t.Error("the slow one lost nothing")
	}
}
