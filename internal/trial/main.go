// Command trial tries a real hubbub process from outside: it is killed with -9, or its store goes away, while clients talk, retry and
// resume; then an observer that knows the protocol only holds what was acked, seen and kept against each other.
//
//	trial kill   -bin ./hubbub -kills 40 -seed 7 -clients 20 -rooms 4
//	trial outage -bin ./hubbub-faults -for 60s
//	trial cluster -bin ./hubbub
//	trial rates  -bin ./hubbub
//	trial chaos  -bin ./hubbub -fault redis-killed -scale 1 -seed 7
//	trial hostile -bin ./hubbub -company stalled -scale 1 -seed 7
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

type options struct {
	bin     string
	kills   int
	seed    uint64
	clients int
	rooms   int
	outage  time.Duration
	pace    time.Duration
	verbose bool

	fault  string        // chaos: one fault, or all
	scale  float64       // chaos: of every duration; hostile: of every number of sockets
	budget int           // chaos: messages in a run
	floor  time.Duration // chaos: a p99 that is good in any case
	direct bool          // chaos: polling straight to one node, without the proxy
	port   int           // cluster: of the proxy; the nodes follow. 0: free ports

	company string // hostile: one company, or all
	rounds  int    // hostile: how often each is measured
	pin     string // hostile: the processor on which the server runs; empty: any
	dir     string // hostile: in which the server's data is; empty: the machine's for temporary files
	lenient bool   // hostile: no verdict on latency
	addr    string // company: of the server
}

// crowd gives the options of a crowd on one server.
func (o options) crowd(addr string) crowd.Options {
	return crowd.Options{Clients: o.clients, Rooms: o.rooms, Seed: o.seed, Pace: o.pace, Addr: addr}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("kill, outage, cluster, chaos or hostile?")
	}
	var o options
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.StringVar(&o.bin, "bin", "./hubbub", "the server's binary")
	fs.IntVar(&o.kills, "kills", 40, "how often the server is killed")
	fs.Uint64Var(&o.seed, "seed", 0, "of chance; 0: from the clock")
	fs.IntVar(&o.clients, "clients", 20, "clients")
	fs.IntVar(&o.rooms, "rooms", 4, "rooms")
	fs.DurationVar(&o.outage, "for", time.Minute, "how long the store is away at each level")
	fs.DurationVar(&o.pace, "pace", 60*time.Millisecond, "between two sends of a client, on average")
	fs.StringVar(&o.fault, "fault", "all", "chaos: the one fault to try")
	fs.Float64Var(&o.scale, "scale", 1, "chaos: what every duration is multiplied by; hostile: every number of sockets")
	fs.IntVar(&o.budget, "budget", 15000, "chaos: messages in a run, at most")
	fs.DurationVar(&o.floor, "floor", 50*time.Millisecond, "chaos: a p99 up to this is good, whatever it was in calm")
	fs.BoolVar(&o.direct, "direct", false, "chaos: let a client that polls stay at one node, to tell faults of forwarding from others")
	fs.IntVar(&o.port, "port", 3000, "cluster: the proxy's port; the nodes have the next three")
	fs.StringVar(&o.company, "company", "all", "hostile: the one company to try")
	fs.IntVar(&o.rounds, "rounds", 3, "hostile: how often each company is measured, and the load without it")
	fs.StringVar(&o.pin, "pin", "", "hostile: the processor on which the server runs, by taskset")
	fs.StringVar(&o.dir, "dir", "", "hostile: where the server's data is; in memory a slow disk does not hide what clients do to each other")
	fs.BoolVar(&o.lenient, "lenient", false, "hostile: show the latencies, and pass no verdict on them")
	fs.StringVar(&o.addr, "addr", "", "company: address of the server")
	fs.BoolVar(&o.verbose, "v", false, "show the server's log")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())%1_000_000 + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "company":
		return behave(ctx, o)
	case "hostile":
		return hostileTrial(ctx, o)
	}
	if args[0] != "cluster" {
		fmt.Printf("seed %d, %d clients, %d rooms\n", o.seed, o.clients, o.rooms)
	}
	switch args[0] {
	case "cluster":
		return serveCluster(ctx, o)
	case "chaos":
		return chaos(ctx, o)
	case "rates":
		return rates(ctx, o)
	case "kill":
		return kill(ctx, o)
	case "outage":
		return outage(ctx, o)
	}
	return fmt.Errorf("there is no trial %q: kill, outage, cluster, chaos or hostile", args[0])
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
