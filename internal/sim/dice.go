package sim

import (
	"math/rand/v2"
	"time"
)

// dice are one role's chance: the world's, a node's life's, the bus's, a client's, a socket's. So what one role does, and how often
// (goroutines of a life that has just been ended run in any order), changes nothing for the others. World.mu guards them.
type dice struct{ rng *rand.Rand }

// newDice makes the dice that all others come from.
func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 20260101))} }

// child makes dice of a role's own.
func (d dice) child() dice { return newDice(d.rng.Uint64()) }

// between draws a time; every draw ends in random nanoseconds, so that no two things happen in the same instant.
func (d dice) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(d.rng.Int64N(int64(hi-lo)+1)) + time.Duration(d.rng.Int64N(1000))
}

func (d dice) chance(p float64) bool { return p > 0 && d.rng.Float64() < p }
func (d dice) pick(n int) int        { return d.rng.IntN(n) }
