// Command trial tries a real hubbub process from outside: it is killed with -9, or its store goes away, while clients talk, retry and
// resume; then an observer that knows the protocol only holds what was acked, seen and kept against each other.
//
//	trial kill   -bin ./hubbub -kills 40 -seed 7 -clients 20 -rooms 4
//	trial outage -bin ./hubbub-faults -for 60s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
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
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("kill or outage?")
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
	fs.BoolVar(&o.verbose, "v", false, "show the server's log")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())%1_000_000 + 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("seed %d, %d clients, %d rooms\n", o.seed, o.clients, o.rooms)
	switch args[0] {
	case "kill":
		return kill(ctx, o)
	case "outage":
		return outage(ctx, o)
	}
	return fmt.Errorf("there is no trial %q: kill or outage", args[0])
}
