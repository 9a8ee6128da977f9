package presence_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/presence"
	"github.com/hubbub-chat/hubbub/internal/presence/presencetest"
)

// dial connects as the bus does.
func dial(t testing.TB, addr string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{strings.TrimPrefix(addr, "redis://")},
		DisableCache: true, DisableRetry: true, AlwaysPipelining: true, PipelineMultiplex: -1, ConnWriteTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func node(t testing.TB, c rueidis.Client, deployment, name string) *presence.Redis {
	t.Helper()
	p, err := presence.NewRedis(presence.RedisOptions{Client: c, Name: deployment, Node: name, Badge: "badge of " + name, Partitions: 16,
		Lifetime: presence.Lifetime / pace})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pace is how much faster than life these tests run.
const pace = 2

// pass lets time pass in Redis and here.
func pass(t testing.TB, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d / pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// wipe makes Redis forget what a deployment has told; the tests beside this one keep theirs.
func wipe(t testing.TB, c rueidis.Client, deployment string) {
	t.Helper()
	for _, n := range c.Nodes() {
		keys, err := n.Do(t.Context(), n.B().Keys().Pattern("{"+deployment+"*").Build()).AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if err := c.Do(t.Context(), c.B().Del().Key(key).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func suite(t *testing.T, addr string) {
	c := dial(t, addr)
	presencetest.Run(t, func(t *testing.T, f func(*testing.T, presencetest.Harness)) {
		t.Parallel() // most of them wait
		deployment := enginetest.Name(t)
		f(t, presencetest.Harness{
			Node:  func(name string) chat.Presence { return node(t, c, deployment, name) },
			Pass:  func(d time.Duration) { pass(t, d) },
			Flush: func() { wipe(t, c, deployment) },
		})
	})
}

func TestRedis(t *testing.T) {
	t.Parallel()
	suite(t, enginetest.Redis(t))
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	suite(t, enginetest.NewRedisCluster(t)[0].Addr())
}
