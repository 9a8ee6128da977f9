// Package hostile is bad company: clients that stall, dawdle, flood, or want everything at once. Each company does so until it is told to
// stop, and reports what became of it. It knows the protocol and nothing of the server.
package hostile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a company.
type Options struct {
	Addr  string // host:port of the server
	Rooms int    // that are to be found there
	Scale float64
	Seed  uint64
	// Patience is how long after the end of the load the last of the stalled may still be there. The server gives up on a client that
	// takes nothing for 10 s.
	Patience time.Duration
}

// Report is what became of a company.
type Report struct {
	Clients  int            `json:"clients"` // connections that it held at most, as it meant to
	Counts   map[string]int `json:"counts"`
	Problems []string       `json:"problems"` // promises to the hostile that were broken, such as a gap that nobody told of
}

func (r Report) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", what, r.Counts[what]))
	}
	return strings.Join(parts, ", ")
}

// company is one kind of bad company. run makes its preparations, calls ready, goes on until the stage's stop ends, and returns when
// nothing of it is left.
type company struct {
	name, what string
	run        func(ctx context.Context, s *stage) error
}

var companies = [...]company{
	{"stalled", "a quarter of the sockets join busy rooms and stop reading; they come back and resume", stalled},
	{"slow", "connections that send a byte a second: headers, POST bodies, halves of websocket frames", slow},
	{"flood", "connections that say nothing, handshakes without CONNECT, CONNECT and away", flood},
	{"everything", "one client on ten sockets, each subscribed to every room", everything},
	{"greedy", "one sends at 100 times its limit, one sends the longest texts, some ask for pages and do not read them", greedy},
}

// Names of the companies there are, each with what it does.
func Names() (names, what []string) {
	for _, c := range companies {
		names, what = append(names, c.name), append(what, c.what)
	}
	return names, what
}

// Run lets a company loose. ready is called once it is at it; it ends some time after stop is done.
func Run(ctx context.Context, name string, o Options, ready func(), stop context.Context) (Report, error) {
	for _, c := range companies {
		if c.name == name {
			s := &stage{Options: o, ready: ready, stop: stop, counts: map[string]int{}}
			err := c.run(ctx, s)
			s.mu.Lock()
			defer s.mu.Unlock()
			return Report{s.clients, s.counts, s.problems}, err
		}
	}
	return Report{}, fmt.Errorf("there is no company %q", name)
}

// stage is where a company acts.
type stage struct {
	Options
	ready func()
	stop  context.Context

	mu       sync.Mutex
	clients  int
	counts   map[string]int
	problems []string
}

// many gives a number of the full size at this scale, at least one.
func (s *stage) many(n int) int { return max(int(float64(n)*s.Scale), 1) }

func (s *stage) count(what string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what] += n
}

// expect notes how many connections the company means to hold.
func (s *stage) expect(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients += n
}

func (s *stage) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) < 10 {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
	}
}

// stopped tells whether the company is to stop.
func (s *stage) stopped() bool { return s.stop.Err() != nil }

// rest waits, and tells whether the company is to go on.
func (s *stage) rest(d time.Duration) bool {
	select {
	case <-time.After(d):
	case <-s.stop.Done():
	}
	return !s.stopped()
}

// each calls do for 0 … n-1, some at a time, and joins the first errors.
func each(n, together int, do func(i int) error) error {
	turns := make(chan struct{}, together)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			errs[i] = do(i)
			<-turns
		})
	}
	all.Wait()
	var some []error
	for _, err := range errs {
		if err != nil && len(some) < 3 {
			some = append(some, err)
		}
	}
	return errors.Join(some...)
}

// chance is a source of random numbers for the i-th actor, the same in every run of a seed.
func (s *stage) chance(i int) *rand.Rand { return rand.New(rand.NewPCG(s.Seed, uint64(i))) }
