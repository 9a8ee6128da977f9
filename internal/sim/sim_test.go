package sim

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds   = flag.Uint64("sim.seeds", 20, "how many seeds")
	from    = flag.Uint64("sim.from", 1, "the first seed")
	breaks  = flag.String("sim.break", "", "rules to break, separated by commas: see breaks_test.go")
	only    = flag.String("sim.only", "", "these kinds of fault alone, separated by commas: see faults.go")
	verbose = flag.Bool("sim.v", false, "tell what happens")
)

// one runs a seed in a bubble of its own.
func one(t *testing.T, seed uint64, o options, count map[string]int) (bad string) {
	t.Helper()
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would shuffle goroutines
	synctest.Test(t, func(*testing.T) { bad = run(seed, o, count) })
	return bad
}

// TestSeeds runs the real live path under random faults; the first broken invariant ends it. One processor makes a seed's run the same
// each time, as far as the runtime allows: what is left to it is the order of goroutines that become ready in one instant.
func TestSeeds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	o := options{only: *only, verbose: *verbose, breaks: map[string]bool{}}
	if *breaks != "" {
		for _, b := range strings.Split(*breaks, ",") {
			o.breaks[b] = true
		}
	}
	again := ""
	if *breaks != "" {
		again = " BREAK=" + *breaks
	}
	count, began := map[string]int{}, time.Now()
	for seed := *from; seed < *from+*seeds; seed++ {
		if bad := one(t, seed, o, count); bad != "" {
			t.Fatalf("seed %d: %s\nagain: make sim SEEDS=1 FROM=%d%s", seed, bad, seed, again)
		}
		if n := seed - *from + 1; n%500 == 0 {
			fmt.Fprintf(os.Stderr, "%d seeds, %v\n", n, time.Since(began).Round(time.Second))
		}
	}
	report := ""
	for _, name := range slices.Sorted(maps.Keys(count)) {
		report += fmt.Sprintf("%10d  %s\n", count[name], name)
	}
	t.Logf("%d seeds from %d without a violation, in %v\n%s", *seeds, *from, time.Since(began).Round(time.Second), report)
	if *seeds >= 200 && *only == "" && *breaks == "" {
		for _, name := range []string{"node crashes", "copies in the log", "copies beyond the window", "explicit gaps", "log trimmed",
			"hub: fills", "hub: fallbacks", "hub: copies passed over", "hub: resumes with a place", "late copies dropped by the client",
			"history reads checked", "bus: lost to a node", "resumes that had to wait", "messages acked"} {
			if count[name] == 0 {
				t.Errorf("no run went through: %s", name)
			}
		}
	}
}
