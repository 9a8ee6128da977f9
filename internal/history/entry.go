package history

import (
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// verdict is what the store said of a record's id.
type verdict uint8

const (
	unasked verdict = iota
	isFirst
	isCopy
)

// entry is a record above W. A later copy of one that is held is not held. The scan's mu guards the verdict.
type entry struct {
	rec     chat.Record
	verdict verdict
}

// changesRoom says whether the record changes the room itself.
func (e *entry) changesRoom() bool {
	return e.rec.Kind == chat.KindCreate || e.rec.Kind == chat.KindUpdate
}

// ofRoom gives a room's records above w and how far the scan reaches; errOvertaken if it begins later than w.
func (s *scan) ofRoom(room chat.RoomID, w chat.Seq) ([]*entry, chat.Seq, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun || s.from.Seq > w {
		return nil, 0, errOvertaken
	}
	return since(s.byRoom[room], w), max(s.to.Seq, w), nil
}

// ofUser gives what lies above w and is about a user; and what changes rooms. errOvertaken if the scan begins later than w.
func (s *scan) ofUser(u chat.UserID, w chat.Seq) (about, changes []*entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun || s.from.Seq > w {
		return nil, nil, errOvertaken
	}
	return since(s.bySubject[u], w), since(s.changes, w), nil
}

// find gives a room's entry by its id; nil: none.
func (s *scan) find(room chat.RoomID, id chat.MessageID) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.byID[id]; e != nil && e.rec.Room == room {
		return e
	}
	return nil
}

// alone is what a scan knows without the store's help.
type alone struct {
	from  chat.Mark
	to    chat.Seq
	recs  []chat.Record // of one room, without those that are known to be copies
	whole bool          // the log has been read to its end
	born  bool          // the room's create record is among them, and is no copy of an older one
}

// alone gives all that is held of a room. Its create record is believed to be the first of its id if the store has said so; or if it lies
// window or more, by the log's clock, behind all that is not held: where the store cannot be asked, a create is refused unless its clientId
// is fresh (chat.Times.Patience), so that no copy of one lies that far from its first.
func (s *scan) alone(room chat.RoomID, window time.Duration) (a alone, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.from, a.to = s.from, s.to.Seq
	list := s.byRoom[room]
	if len(list) > 0 && list[0].rec.Kind == chat.KindCreate {
		first := list[0]
		a.born = first.verdict == isFirst || first.verdict == unasked && first.rec.At-s.fromTime >= window.Milliseconds()
	}
	for _, e := range list {
		if e.verdict != isCopy {
			a.recs = append(a.recs, e.rec)
		}
	}
	return a, s.begun
}

// since copies what lies above a place, in order.
func since(list []*entry, after chat.Seq) []*entry {
	i := len(list)
	for i > 0 && list[i-1].rec.Seq > after {
		i--
	}
	return append([]*entry(nil), list[i:]...)
}

// unjudged gives the ids of which the store has not been asked.
func (s *scan) unjudged(list []*entry) (ids []chat.MessageID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range list {
		if e.verdict == unasked {
			ids = append(ids, e.rec.ID)
		}
	}
	return ids
}

// judge notes what the store said: it has a row of an id at another place, or none. It gives the first copies of list.
func (s *scan) judge(list []*entry, seqs map[chat.MessageID]chat.Seq) []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range list {
		if e.verdict == unasked {
			e.verdict = isFirst
			if seq, ok := seqs[e.rec.ID]; ok && seq != e.rec.Seq {
				e.verdict = isCopy
			}
		}
	}
	return firstsOf(list)
}

// firsts gives those of list that the store has said to be first copies.
func (s *scan) firsts(list []*entry) []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return firstsOf(list)
}

func firstsOf(list []*entry) (firsts []*entry) {
	for _, e := range list {
		if e.verdict == isFirst {
			firsts = append(firsts, e)
		}
	}
	return firsts
}

// place gives where the scan begins; begun is false if it has read nothing yet.
func (s *scan) place() (from chat.Mark, begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from, s.begun
}

func records(list []*entry) []chat.Record {
	out := make([]chat.Record, len(list))
	for i, e := range list {
		out[i] = e.rec
	}
	return out
}
