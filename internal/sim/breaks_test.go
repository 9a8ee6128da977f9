//go:build !race

package sim

import (
	"runtime"
	"testing"
)

// broken rules, each with a seed near which it shows. All but replay-copies are those of the
// design's model, under the same names.
var broken = []struct {
	name string
	seed uint64
	what string
	only string // the kinds of fault under which it is looked for; empty: all
}{
	{"ignore-fence", 1, "a hub delivers whatever comes", ""},
	{"no-position", 1, "a hub does not drop what is at or below its position", ""},
	{"no-digest", 341, "digests are a sign of life and nothing else", ""},
	{"digest-per-partition", 47, "whether a digest follows on the last one is asked per node, not per room", ""},
	{"timer-digest", 65, "a relay says that it has read to the end when its reads hang", ""},
	{"no-fallback", 7, "a node never tails the log itself", ""},
	{"no-dedupe", 13, "hubs do not look for copies", ""},
	{"replay-copies", 2087, "what a history without its store gives is not held against the ids a hub remembers", "store down,appends overtaken by retries,clients move,bus drops"},
	{"cold-memory", 5, "a room is opened without the ids of the last window", ""},
	{"late-membership", 19, "old requests to join or leave are appended", ""},
	{"since-by-ack", 1, "a client's since is advanced by acks", ""},
	{"resume-at-once", 14, "a resume does not wait until the room has come to since", ""},
	{"resume-unasked", 6, "a resume does not ask since when the user is a member", ""},
	{"join-over-resume", 47, "a join subscribes a socket that is being resumed", ""},
	{"early-answer", 198, "a join is answered from the view before the record", ""},
	{"w-before-rows", 1, "the store moves W before its rows are there", ""},
	{"w-after-rows", 13, "W is read after the rows", ""},
	{"rows-above-w", 8, "rows above W are believed", ""},
	{"unfolded-batch", 39, "the persister writes the copies in a batch in any order", ""},
	{"store-messages-only", 1, "joins and leaves are no rows of the history", ""},
	{"scan-from-since", 355, "a read scans the log from since, not from W", ""},
	{"no-lookup", 155, "a read does not look up the ids above W in the store", ""},
	{"blind-start", 1, "a relay knows no fences", ""},
}

// TestBreaks shows that the observer sees each broken rule. Some show in one seed of four hundred; the race detector shuffles goroutines, so
// that no seed is the same run twice, and therefore this is for builds without it: make sim, which make test runs.
func TestBreaks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, b := range broken {
		o := options{breaks: map[string]bool{b.name: true}, only: b.only}
		caught, again := "", 0
		seed := b.seed
		for ; seed < b.seed+2500 && caught == ""; seed++ {
			if caught = one(t, seed, o, map[string]int{}); caught == "" {
				continue
			}
			if again = repeats(t, seed, o); again < 9 { // a race of goroutines, which is no proof: another seed has to say it
				t.Logf("%s: the seed %d says it only %d times of 10 again", b.name, seed, again)
				caught = ""
			}
		}
		if caught == "" {
			t.Errorf("%s (%s) was not caught by the seeds %d to %d", b.name, b.what, b.seed, seed-1)
			continue
		}
		t.Logf("%-21s caught by seed %d, and %d times of 10 again: %s", b.name, seed-1, again, caught)
	}
}

// repeats runs a seed ten times more, and tells how often it is caught.
func repeats(t *testing.T, seed uint64, o options) (n int) {
	for range 10 {
		if one(t, seed, o, map[string]int{}) != "" {
			n++
		}
	}
	return n
}

// TestHarmless shows that a rule which is there for speed alone can be left out: the observer is not merely strict.
func TestHarmless(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for seed := uint64(1); seed <= 30; seed++ {
		if bad := one(t, seed, options{breaks: map[string]bool{"no-known": true}}, map[string]int{}); bad != "" {
			t.Fatalf("seed %d, with every retry appended: %s", seed, bad)
		}
	}
}
