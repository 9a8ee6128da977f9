package bus_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// single connects to one server alone.
func single(t testing.TB, hostport string) rueidis.Client {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{hostport}, ForceSingleClient: true, DisableCache: true})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func hostport(s *enginetest.Server) string { return strings.TrimPrefix(s.Addr(), "redis://") }

func command(t testing.TB, c rueidis.Client, words ...string) string {
	t.Helper()
	m, err := c.Do(t.Context(), c.B().Arbitrary(words...).Build()).ToAny()
	must(t, err)
	return fmt.Sprint(m)
}

// rooms are so many that every partition, and so every node, has some.
const manyRooms = 1000

func many(o *bus.RedisOptions) { o.Partitions = 128 }

// TestRedisClusterAllOverTheSlots: partitions of all nodes are heard, wherever a node asked first.
func TestRedisClusterAllOverTheSlots(t *testing.T) {
	t.Parallel()
	nodes := enginetest.NewRedisCluster(t)
	a := openRedis(t, nodes[0].Addr()+","+hostport(nodes[1])+","+hostport(nodes[2]), "", many)
	b := openRedis(t, nodes[2].Addr(), "", many) // one address is enough
	allHear(t, a, counters(b, manyRooms))
	must(t, a.Publish(t.Context(), toAll(manyRooms)), a.Ping(t.Context()), b.Ping(t.Context()))
	for _, n := range nodes {
		if chs := command(t, single(t, hostport(n)), "PUBSUB", "SHARDCHANNELS"); strings.Count(chs, "room:") < manyRooms/6 {
			t.Errorf("%s serves few channels: %d", n.Addr(), strings.Count(chs, "room:"))
		}
	}
	if fs := a.Check(t.Context()); len(fs) != 0 {
		t.Errorf("found %+v", fs)
	}
}

// TestRedisClusterSlotsMove: subscriptions follow their slots to another node.
func TestRedisClusterSlotsMove(t *testing.T) {
	t.Parallel()
	nodes := enginetest.NewRedisCluster(t)
	a, b := openRedis(t, nodes[0].Addr(), "", many), openRedis(t, nodes[1].Addr(), "", many)
	cs := counters(b, manyRooms)
	allHear(t, a, cs)
	var clients []rueidis.Client
	for _, n := range nodes {
		clients = append(clients, single(t, hostport(n)))
	}
	restless, stopped := make(chan struct{}), make(chan struct{})
	go func() { // channels come and go meanwhile
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-restless:
				return
			default:
				b.Subscribe(room(manyRooms+i%500), func([]byte) {})()
			}
		}
	}()
	to := command(t, clients[1], "CLUSTER", "MYID")
	for slot := range 1000 { // they lie on the first node
		for _, i := range []int{1, 0, 2} {
			if i == 0 && slot%2 == 0 {
				continue // hears of it from the others
			}
			command(t, clients[i], "CLUSTER", "SETSLOT", strconv.Itoa(slot), "NODE", to)
		}
	}
	close(restless)
	<-stopped
	allHear(t, a, cs)
	eventually(t, "all is well", func() bool { return a.Ping(t.Context()) == nil && b.Ping(t.Context()) == nil })
}

// TestRedisClusterLosesANode: what lies on other nodes goes on; what lay on this one comes back with it.
func TestRedisClusterLosesANode(t *testing.T) {
	t.Parallel()
	nodes := enginetest.NewRedisCluster(t)
	for _, n := range nodes {
		command(t, single(t, hostport(n)), "CONFIG", "SET", "cluster-require-full-coverage", "no")
	}
	a, b := openRedis(t, nodes[0].Addr(), "", many), openRedis(t, nodes[1].Addr(), "", many)
	cs := counters(b, manyRooms)
	allHear(t, a, cs)
	must(t, nodes[2].Pause())
	eventually(t, "it is noticed", func() bool { return a.Ping(t.Context()) != nil && b.Ping(t.Context()) != nil })
	before := make([]int64, len(cs))
	for i, c := range cs {
		before[i] = c.Load()
	}
	eventually(t, "most rooms still hear", func() bool {
		if err := a.Publish(t.Context(), toAll(manyRooms)); err == nil {
			t.Error("a publish with notes for the dead node succeeded")
		}
		n := 0
		for i, c := range cs {
			if c.Load() >= before[i]+2 { // not what was on its way
				n++
			}
		}
		return n > manyRooms/2
	})
	must(t, nodes[2].Continue())
	allHear(t, a, cs)
	eventually(t, "all is well", func() bool { return a.Ping(t.Context()) == nil && b.Ping(t.Context()) == nil })
}

// sentinels starts three Sentinels that watch a master.
func sentinels(t *testing.T, master *enginetest.Server) (addr string) {
	t.Helper()
	var hosts []string
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		must(t, l.Close())
		host, masterPort, _ := strings.Cut(hostport(master), ":")
		conf := filepath.Join(t.TempDir(), fmt.Sprint("sentinel", i, ".conf"))
		must(t, os.WriteFile(conf, fmt.Appendf(nil, "port %d\nbind 127.0.0.1\nsentinel monitor mymaster %s %s 2\n"+
			"sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n", port, host, masterPort), 0o600))
		cmd := exec.CommandContext(t.Context(), "redis-server", conf, "--sentinel")
		must(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		hosts = append(hosts, fmt.Sprint("127.0.0.1:", port))
	}
	for _, h := range hosts {
		eventually(t, "the sentinels know each other and the replica", func() bool {
			c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{h}, ForceSingleClient: true, DisableCache: true, AlwaysRESP2: true})
			if err != nil {
				return false
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			m, err := c.Do(ctx, c.B().Arbitrary("SENTINEL", "MASTER", "mymaster").Build()).AsStrMap()
			return err == nil && m["num-other-sentinels"] == "2" && m["num-slaves"] == "1"
		})
	}
	return "redis://" + strings.Join(hosts, ",") + "?sentinel=mymaster"
}

// TestRedisSentinelFailover: the bus follows the master.
func TestRedisSentinelFailover(t *testing.T) {
	t.Parallel()
	master, replica := enginetest.NewRedis(t), enginetest.NewRedis(t)
	host, port, _ := strings.Cut(hostport(master), ":")
	command(t, single(t, hostport(replica)), "REPLICAOF", host, port)
	addr := sentinels(t, master)
	a, b := openRedis(t, addr, ""), openRedis(t, addr, "")
	cs := counters(b, 100)
	allHear(t, a, cs)
	must(t, master.Kill())
	asked := single(t, hostport(replica))
	eventually(t, "the replica is the master", func() bool { // which cuts its connections
		role, err := asked.Do(t.Context(), asked.B().Role().Build()).ToArray()
		return err == nil && len(role) > 0 && strings.Contains(fmt.Sprint(role[0].ToString()), "master")
	})
	allHear(t, a, cs)
	eventually(t, "all is well", func() bool { return a.Ping(t.Context()) == nil && b.Ping(t.Context()) == nil })
	if fs := a.Check(t.Context()); len(fs) != 0 {
		t.Errorf("found %+v", fs)
	}
}
