package persist

import (
	"errors"
	"maps"
	"slices"
)

// Who refuses the log, beside the partitions, which refuse by their number.
const (
	byCheck = -1 // the comparison of Verify
	byJoin  = -2 // the log itself, which does not hold the record that W names
)

// refuse keeps why the log is not the store's, or forgets it: what one has found is mended only by himself. An error that is no
// *Mismatch says nothing about it.
func (s *Persister) refuse(by int, err error) {
	var m *Mismatch
	if err != nil && !errors.As(err, &m) {
		return
	}
	s.mu.Lock()
	was := s.refused()
	switch {
	case m == nil:
		delete(s.refusals, by)
	case s.refusals[by] == nil || s.refusals[by].Message != m.Message:
		s.refusals[by] = m
	}
	now := s.refused()
	s.mu.Unlock()
	if was == now {
		return
	}
	if now != nil {
		s.logger.Error("the log is not the store's; appends are refused", "reason", now.Message)
	} else {
		s.logger.Info("the log is the store's again")
	}
	s.tell()
}

// refused gives a refusal, nil if there is none. The caller holds mu.
func (s *Persister) refused() *Mismatch {
	for _, by := range slices.Sorted(maps.Keys(s.refusals)) {
		return s.refusals[by]
	}
	return nil
}

func (s *Persister) isRefused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.refusals) > 0
}
