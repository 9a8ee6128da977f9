package persist

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Phase says whether saving goes on.
type Phase string

// The phases.
const (
	Running Phase = "running"
	Paused  Phase = "paused" // the store does not answer, or the log is not the one it belongs to
)

// staleBegin is how long a failed Begin is shown: the log tries again much sooner, unless the partition went elsewhere.
const staleBegin = 30 * time.Second

// State is what a health check wants to know of a persister.
type State struct {
	Phase      Phase // Paused if any part is
	Since      time.Time
	Reason     string    // of the oldest pause
	Refused    *Mismatch // not nil: the log is not the one the store belongs to; appends must be refused
	Lag        int64     // of all partitions: places of the log that are not saved yet
	Partitions []PartitionState
}

// PartitionState is one partition, on the node that saves it.
type PartitionState struct {
	Partition int
	Phase     Phase
	Since     time.Time // of the phase
	Position  chat.Seq  // Paused: the first record that waits (0: W could not be read); Running: W
	Reason    string    // Paused: why
	W         chat.Seq
	Head      chat.Seq // how far the log is known to reach
	Lag       int64    // Head − W, not counting what lies before the log's first place
}

// Stats counts what a persister did since it was made.
type Stats struct {
	Batches  uint64 // saved, with or without records
	Records  uint64 // in them, without the copies
	Copies   uint64 // records left out: the batch has the first copy of their id
	Failures uint64 // operations of the store that failed
	Halvings uint64
	Pauses   uint64
	Buried   uint64 // records that can never be stored
	Trims    uint64
}

// State gives the state now, partitions in their order.
func (s *Persister) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Phase: Running, Refused: s.refused()}
	if s.waiting != "" {
		st.pause(s.since, s.waiting)
	}
	for _, w := range s.workers {
		if !w.begun && time.Since(w.touched) > staleBegin {
			continue
		}
		p := w.state
		if p.Phase == Running {
			p.Position = p.W
		}
		p.Lag = max(0, int64(p.Head-max(p.W, w.first-1)))
		st.Lag += p.Lag
		st.Partitions = append(st.Partitions, p)
	}
	slices.SortFunc(st.Partitions, func(a, b PartitionState) int { return cmp.Compare(a.Partition, b.Partition) })
	for _, p := range st.Partitions {
		if p.Phase == Paused {
			st.pause(p.Since, p.Reason)
		}
	}
	if m := st.Refused; m != nil {
		st.pause(m.Since, m.Message)
	}
	return st
}

func (st *State) pause(since time.Time, reason string) {
	if st.Phase == Running || since.Before(st.Since) {
		st.Phase, st.Since, st.Reason = Paused, since, reason
	}
}

// Stats gives the counters.
func (s *Persister) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Persister) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

// tell hands the state to whoever wants to know, one call at a time and the newest last.
func (s *Persister) tell() {
	if s.opt.OnState == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.opt.OnState(s.State())
}

// reasonOf makes an error fit for a log line, a page and a store: no control characters, at most 300 bytes; empty for nil.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return clean(err.Error())
}

func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "")
	}
	if s == "" {
		return "no reason given"
	}
	return s
}
