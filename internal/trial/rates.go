package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bench"
)

// The load of `trial rates`: rooms of ten, messages when they are due, whatever becomes of those before.
const (
	ratesSockets = 1000
	ratesRooms   = 100
	ratesFor     = time.Minute
)

var ratesPerSecond = []float64{500, 2000}

// rates measures live delivery on three nodes, and on one embedded node, with everything on this machine. Each rate has a fresh
// deployment. History is not judged: that is what chaos is for.
func rates(ctx context.Context, o options) error {
	var rows []ratesRow
	for _, alone := range []bool{false, true} {
		for _, rate := range ratesPerSecond {
			row, err := measureRate(ctx, o, rate, alone)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nnodes\tmessages/s\tsent\tacked\tdeliveries\tack p50\tp99\tdelivery p50\tp99\tlag after\tCPU, % of a core")
	var bad error
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.0f\t%d\t%d\t%d\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%d\t%s\n", r.nodes, r.res.Rate, r.res.Sent, r.res.Acked, r.res.Delivered,
			r.res.Ack.P50, r.res.Ack.P99, r.res.Delivery.P50, r.res.Delivery.P99, r.lag, r.cpu())
		if r.res.Refused+r.res.GivenUp > 0 {
			bad = errors.Join(bad, fmt.Errorf("%s, %.0f/s: %d sends refused (%s)", r.nodes, r.res.Rate, r.res.Refused, r.res.RefusedWhy))
		}
		bad = errors.Join(bad, r.res.Wrong())
	}
	return errors.Join(w.Flush(), bad)
}

// ratesRow is one line of the table.
type ratesRow struct {
	nodes string
	res   *bench.Result
	lag   int64 // records that the store lacks when the load ends
}

// cpu lists the processes with what they used.
func (r ratesRow) cpu() (text string) {
	for _, name := range slices.Sorted(maps.Keys(r.res.CPU)) {
		text += fmt.Sprintf("%s %.0f, ", name, 100*r.res.CPU[name]/r.res.Seconds)
	}
	return text + fmt.Sprintf("generator %.0f", 100*r.res.GeneratorCPU/r.res.Seconds)
}

func measureRate(ctx context.Context, o options, rate float64, alone bool) (row ratesRow, err error) {
	target := bench.Target{Connecting: 16}
	var nodes []*server
	if alone {
		row.nodes = "one, embedded"
		s, err := newServer(o)
		if err != nil {
			return row, err
		}
		defer s.remove()
		if err := s.start(ctx); err != nil {
			return row, err
		}
		target.URLs, target.Watched = []string{"http://" + s.addr}, []bench.Process{{Name: "node", PID: s.cmd.Process.Pid}}
		nodes = []*server{s}
	} else {
		row.nodes = "three, cluster"
		var d *deployment
		if d, err = deploy(ctx, o, 0); err != nil {
			return row, err
		}
		defer func() { err = errors.Join(err, d.end()) }()
		target.URLs, target.Watched = d.targets()
		nodes = d.nodes
	}
	fmt.Printf("%s: %.0f messages/s into rooms of %d for %v\n", row.nodes, rate, ratesSockets/ratesRooms, time.Duration(float64(ratesFor)*o.scale))
	row.res, err = bench.Room(ctx, target, bench.Load{Sockets: ratesSockets, Rooms: ratesRooms, Rate: rate, Size: 100,
		Warmup: time.Duration(10 * float64(time.Second) * o.scale), Duration: time.Duration(float64(ratesFor) * o.scale)})
	if err != nil {
		return row, err
	}
	for _, n := range nodes { // each knows of the partitions that it saves
		h, err := n.ready(ctx)
		if err != nil {
			return row, err
		}
		row.lag += h.Lag
	}
	return row, nil
}

// targets gives the nodes' addresses, and every process of the deployment.
func (d *deployment) targets() (urls []string, all []bench.Process) {
	for i, n := range d.nodes {
		urls = append(urls, "http://"+n.addr)
		all = append(all, bench.Process{Name: fmt.Sprint("node", i+1), PID: n.cmd.Process.Pid})
	}
	for _, pid := range d.mongo.Pids() {
		all = append(all, bench.Process{Name: "store", PID: pid})
	}
	return urls, append(all, bench.Process{Name: "kafka", PID: d.kafka.Pid()}, bench.Process{Name: "redis", PID: d.redis.Pid()})
}
