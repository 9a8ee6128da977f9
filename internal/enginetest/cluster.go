package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

const clusterSize, slots = 3, 16384

// NewRedisCluster starts a Redis Cluster of three masters that belongs to the test, the slots dealt out in three runs. It
// returns when each of them sees the whole cluster.
func NewRedisCluster(t testing.TB) []*Server {
	t.Helper()
	var all []*Server
	var buses []int
	for range clusterSize {
		bus, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		buses = append(buses, bus)
		all = append(all, NewRedis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	if err := deal(ctx, all, buses); err != nil {
		t.Fatal(err)
	}
	return all
}

func deal(ctx context.Context, all []*Server, buses []int) error {
	for i, s := range all {
		from, to := i*slots/len(all), (i+1)*slots/len(all)-1
		if _, err := redisCommand(ctx, hostport(s), fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d", from, to)); err != nil {
			return err
		}
		if _, err := redisCommand(ctx, hostport(s), fmt.Sprintf("CLUSTER SET-CONFIG-EPOCH %d", i+1)); err != nil {
			return err
		}
	}
	for i, s := range all[1:] { // their bus is not at the usual 10,000 above their port
		host, port, _ := strings.Cut(hostport(s), ":")
		if _, err := redisCommand(ctx, hostport(all[0]), fmt.Sprintf("CLUSTER MEET %s %s %d", host, port, buses[i+1])); err != nil {
			return err
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := whole(ctx, all)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

func whole(ctx context.Context, all []*Server) error {
	for _, s := range all {
		info, err := redisCommand(ctx, hostport(s), "CLUSTER INFO")
		if err != nil {
			return err
		}
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(all))) {
			return fmt.Errorf("redis cluster: %s", info)
		}
	}
	return nil
}

func hostport(s *Server) string {
	_, rest, _ := strings.Cut(s.Addr(), "://")
	return rest
}
