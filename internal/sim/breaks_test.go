//go:build !race

package sim

import (
	"runtime"
	"testing"
)

// broken rules, each with a seed near which it shows. All are those of the design's model, under the same names.
var broken = []struct {
	name string
	seed uint64
	what string
}{
	{"ignore-fence", 1, "a hub delivers whatever comes"},
	{"no-position", 1, "a hub does not drop what is at or below its position"},
	{"no-digest", 134, "digests are a sign of life and nothing else"},
	{"digest-per-partition", 16, "whether a digest follows on the last one is asked per node, not per room"},
	{"timer-digest", 8, "a relay says that it has read to the end when its reads hang"},
	{"no-fallback", 15, "a node never tails the log itself"},
	{"no-dedupe", 5, "hubs do not look for copies"},
	{"cold-memory", 7, "a room is opened without the ids of the last window"},
	{"late-membership", 36, "old requests to join or leave are appended"},
	{"since-by-ack", 5, "a client's since is advanced by acks"},
	{"resume-at-once", 5, "a resume does not wait until the room has come to since"},
	{"resume-unasked", 12, "a resume does not ask since when the user is a member"},
	{"join-over-resume", 5, "a join subscribes a socket that is being resumed"},
	{"early-answer", 203, "a join is answered from the view before the record"},
	{"w-before-rows", 1, "the store moves W before its rows are there"},
	{"w-after-rows", 10, "W is read after the rows"},
	{"rows-above-w", 4, "rows above W are believed"},
	{"unfolded-batch", 22, "the persister writes the copies in a batch in any order"},
	{"store-messages-only", 1, "joins and leaves are no rows of the history"},
	{"scan-from-since", 381, "a read scans the log from since, not from W"},
	{"no-lookup", 61, "a read does not look up the ids above W in the store"},
	{"blind-start", 1, "a relay knows no fences"},
}

// TestBreaks shows that the observer sees each broken rule. Some show in one seed of four hundred; the race detector shuffles goroutines, so
// that no seed is the same run twice, and therefore this is for builds without it: make sim, which make test runs.
func TestBreaks(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, b := range broken {
		o := options{breaks: map[string]bool{b.name: true}}
		caught := ""
		seed := b.seed
		for ; seed < b.seed+600 && caught == ""; seed++ {
			caught = one(t, seed, o, map[string]int{})
		}
		if caught == "" {
			t.Errorf("%s (%s) was not caught by the seeds %d to %d", b.name, b.what, b.seed, seed-1)
			continue
		}
		t.Logf("%-21s caught by seed %d: %s", b.name, seed-1, caught)
	}
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
