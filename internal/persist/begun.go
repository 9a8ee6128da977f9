package persist

import (
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// begunPause is how long a line about partitions that begin waits for more of them: a log of many hands them out in one go.
const begunPause = 100 * time.Millisecond

// begunLine gathers the partitions that have begun and are not told of yet. Guarded by Persister.mu.
type begunLine struct {
	count int
	last  int      // the partition that began last
	from  chat.Seq // where that reads on
}

// hasBegun tells the operator, in one line for all partitions that begin within a moment, that saving goes on. The line names the place
// where it is about a single partition, as that of a disk; the metric hubbub_persister_position has it for each.
func (s *Persister) hasBegun(partition int, from chat.Seq) {
	s.logger.Debug("persister begins a partition", "partition", partition, "position", from)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun.count == 0 {
		time.AfterFunc(begunPause, s.tellBegun)
	}
	s.begun = begunLine{s.begun.count + 1, partition, from}
}

func (s *Persister) tellBegun() {
	s.mu.Lock()
	told := s.begun
	s.begun = begunLine{}
	s.mu.Unlock()
	if told.count == 1 {
		s.logger.Info("persister reads on", "partition", told.last, "position", told.from)
		return
	}
	s.logger.Info("persister reads on", "partitions", told.count)
}
