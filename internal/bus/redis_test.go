package bus_test

import (
	"testing"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/bus/bustest"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// openRedis opens a bus that is closed when the test ends.
func openRedis(t testing.TB, addr, query string, change ...func(*bus.RedisOptions)) *bus.Redis {
	t.Helper()
	o, err := bus.ParseRedis(addr + query)
	if err != nil {
		t.Fatal(err)
	}
	o.Partitions = 16
	for _, f := range change {
		f(&o)
	}
	b, err := bus.OpenRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestRedis(t *testing.T) {
	t.Parallel()
	addr := enginetest.Redis(t)
	bustest.Run(t, func(t *testing.T, f func(*testing.T, bustest.Harness)) {
		name := "?name=" + enginetest.Name(t)
		f(t, bustest.Harness{A: openRedis(t, addr, name), B: openRedis(t, addr, name)})
	})
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := enginetest.NewRedisCluster(t)
	bustest.Run(t, func(t *testing.T, f func(*testing.T, bustest.Harness)) {
		name := "?name=" + enginetest.Name(t)
		f(t, bustest.Harness{A: openRedis(t, nodes[0].Addr(), name), B: openRedis(t, nodes[1].Addr(), name)})
	})
}
