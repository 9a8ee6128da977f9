package bus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// What subscriptions may have waiting in Redis, by its own defaults: enough for the longest poll of a relay.
const (
	leastHard = 32 << 20 // bytes
	leastSoft = 8 << 20  // bytes, for a minute
)

// Finding is a setting of an engine that will hurt.
type Finding struct {
	Node string // which server
	What string // is wrong, a sentence
	Mend string // what to do about it, a sentence
}

// Check looks at the settings of every Redis node, for `hubbub doctor` and at the start: nothing found, nothing wrong.
func (r *Redis) Check(ctx context.Context) []Finding {
	var out []Finding
	for addr, node := range r.client.Nodes() {
		if r.opt.Sentinel != "" {
			addr = r.opt.Sentinel
		}
		info, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil {
			out = append(out, Finding{addr, fmt.Sprintf("It does not answer (%v).", err), "Start it, or take it out of the cluster."})
			continue
		}
		for _, f := range append(checkInfo(info, r.client.Mode() == rueidis.ClientModeCluster), checkSettings(ctx, node)...) {
			out = append(out, Finding{addr, f.What, f.Mend})
		}
	}
	if r.client.Mode() == rueidis.ClientModeCluster {
		out = append(out, r.checkCluster(ctx)...)
	}
	slices.SortFunc(out, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.What, b.What)) })
	return out
}

func checkInfo(info string, cluster bool) []Finding {
	if !cluster && infoField(info, "role") == "slave" {
		return []Finding{{What: "This is a replica: presence can not be written to it.", Mend: "Give the address of the master, or of Sentinels with ?sentinel=MASTER."}}
	}
	return nil
}

func checkSettings(ctx context.Context, node rueidis.Client) []Finding {
	conf, err := node.Do(ctx, node.B().ConfigGet().Parameter("maxmemory", "maxmemory-policy", "client-output-buffer-limit").Build()).AsStrMap()
	if err != nil {
		return []Finding{{What: fmt.Sprintf("Its settings can not be read (%v).", err),
			Mend: "Look yourself that maxmemory-policy is noeviction and that client-output-buffer-limit pubsub is at least 32mb 8mb 60."}}
	}
	return append(checkMemory(conf), checkBuffers(conf["client-output-buffer-limit"])...)
}

func checkMemory(conf map[string]string) []Finding {
	policy := conf["maxmemory-policy"]
	if conf["maxmemory"] == "0" || policy == "noeviction" || policy == "" {
		return nil
	}
	return []Finding{{What: fmt.Sprintf("maxmemory-policy is %s: when memory is short, Redis drops who is here.", policy),
		Mend: "Set maxmemory-policy noeviction, or give Hubbub a Redis of its own."}}
}

// checkBuffers reads "normal 0 0 0 slave … pubsub 33554432 8388608 60".
func checkBuffers(limits string) []Finding {
	fields := strings.Fields(limits)
	i := slices.Index(fields, "pubsub")
	if i < 0 || i+3 >= len(fields) {
		return nil
	}
	hard, _ := strconv.ParseInt(fields[i+1], 10, 64)
	soft, _ := strconv.ParseInt(fields[i+2], 10, 64)
	if (hard == 0 || hard >= leastHard) && (soft == 0 || soft >= leastSoft) {
		return nil
	}
	return []Finding{{What: fmt.Sprintf("client-output-buffer-limit pubsub is %s: a burst of messages ends the subscriptions.", strings.Join(fields[i+1:i+4], " ")),
		Mend: "Set client-output-buffer-limit \"pubsub 32mb 8mb 60\" or more."}}
}

func (r *Redis) checkCluster(ctx context.Context) []Finding {
	info, err := r.client.Do(ctx, r.client.B().ClusterInfo().Build()).ToString()
	if err != nil {
		return []Finding{{What: fmt.Sprintf("The state of the cluster can not be read (%v).", err), Mend: "Look at CLUSTER INFO yourself."}}
	}
	state, slots := infoField(info, "cluster_state"), infoField(info, "cluster_slots_ok")
	if state == "ok" && slots == "16384" {
		return nil
	}
	return []Finding{{What: fmt.Sprintf("The cluster's state is %q with %s of 16384 slots served.", state, slots),
		Mend: "Bring back the nodes that are missing, or run redis-cli --cluster fix."}}
}
