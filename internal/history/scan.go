package history

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

// entry is a record above W. A later copy of one that is held is not held.
type entry struct {
	rec     chat.Record
	verdict verdict
}

// scan holds a partition's records in (from, to] of the log: from is the W that was known when it was last read. All readers share it:
// who finds it too short extends it, the others wait for him.
type scan struct {
	log        chat.Log
	p          int
	maxRecords int
	maxBytes   int
	turn       chan struct{} // holds one token: the right to extend

	mu        sync.Mutex
	begun     bool
	from, to  chat.Mark
	list      []*entry
	bytes     int
	byRoom    map[chat.RoomID][]*entry
	bySubject map[chat.UserID][]*entry
	byID      map[chat.MessageID]*entry
}

func newScan(log chat.Log, p, maxRecords, maxBytes int) *scan {
	s := &scan{log: log, p: p, maxRecords: maxRecords, maxBytes: maxBytes, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	s.reset(chat.Mark{})
	return s
}

// reset begins anew behind w. The caller holds mu, or is alone.
func (s *scan) reset(w chat.Mark) {
	s.from, s.to, s.list, s.bytes = w, w, nil, 0
	s.byRoom, s.bySubject = map[chat.RoomID][]*entry{}, map[chat.UserID][]*entry{}
	s.byID = map[chat.MessageID]*entry{}
}

// errFull says that more lies above W than may be kept.
var errFull = fmt.Errorf("too much of the log lies above what the store has: %w", chat.ErrUnavailable)

// extend reads the log from w, or from where the scan is, to its end. A w below the scan is left to ofRoom, which says so.
func (s *scan) extend(ctx context.Context, w chat.Mark) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	s.mu.Lock()
	switch {
	case !s.begun || w.Seq > s.to.Seq:
		s.reset(w)
		s.begun = true
	case w.Seq > s.from.Seq:
		s.drop(w)
	}
	to := s.to
	s.mu.Unlock()
	info, err := s.log.Info(ctx)
	if err != nil {
		return err
	}
	if s.p < len(info.Partitions) && to.Seq >= info.Partitions[s.p].Last {
		return nil
	}
	err = s.log.Tail(ctx, s.p, to, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		if err := s.take(rs, upTo); err != nil {
			return err
		}
		if atEnd {
			return errAtEnd
		}
		return nil
	})
	switch {
	case errors.Is(err, errAtEnd):
		return nil
	case errors.Is(err, chat.ErrTrimmed), errors.Is(err, chat.ErrRewound), errors.Is(err, errFull):
		s.mu.Lock()
		s.reset(chat.Mark{})
		s.begun = false
		s.mu.Unlock()
		return fmt.Errorf("read the log above the store: %w: %w", chat.ErrUnavailable, err)
	}
	return err
}

var errAtEnd = errors.New("at the end")

// take adds what was read.
func (s *scan) take(rs []chat.Record, upTo chat.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		if r.Seq <= s.to.Seq || s.byID[r.ID] != nil {
			continue
		}
		if len(s.list) >= s.maxRecords || s.bytes >= s.maxBytes {
			return errFull
		}
		e := &entry{rec: r}
		s.list = append(s.list, e)
		s.bytes += r.Size()
		s.byID[r.ID] = e
		s.byRoom[r.Room] = append(s.byRoom[r.Room], e)
		if r.Subject != "" {
			s.bySubject[r.Subject] = append(s.bySubject[r.Subject], e)
		}
	}
	s.to = upTo
	return nil
}

// slack is for how long, by the log's clock, what the store has is kept all the same: so that a reader who has read W a moment ago is not
// overtaken by one who reads it now.
const slack = 5 * time.Second

// drop forgets what lies at or below w, all but the newest. The caller holds mu.
func (s *scan) drop(w chat.Mark) {
	n, old := 0, time.Now().Add(-slack).UnixMilli()
	for n < len(s.list) && s.list[n].rec.Seq <= w.Seq && s.list[n].rec.At < old {
		e := s.list[n]
		s.bytes -= e.rec.Size()
		delete(s.byID, e.rec.ID)
		dropFirst(s.byRoom, e.rec.Room)
		if e.rec.Subject != "" {
			dropFirst(s.bySubject, e.rec.Subject)
		}
		n++
	}
	switch {
	case n == len(s.list):
		s.from = w
	case n > 0:
		s.from = chat.Mark{Seq: s.list[n-1].rec.Seq}
	}
	s.list = append([]*entry(nil), s.list[n:]...)
}

// dropFirst takes the oldest entry from an index: entries leave in the order in which they came.
func dropFirst[K comparable](index map[K][]*entry, k K) {
	if list := index[k]; len(list) > 1 {
		index[k] = list[1:]
	} else {
		delete(index, k)
	}
}

// ofRoom gives a room's records above w and how far the scan reaches; errOvertaken if it begins later than w.
func (s *scan) ofRoom(room chat.RoomID, w chat.Seq) ([]*entry, chat.Seq, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from.Seq > w {
		return nil, 0, errOvertaken
	}
	return since(s.byRoom[room], w), max(s.to.Seq, w), nil
}

// since copies what lies above a place, in order.
func since(list []*entry, after chat.Seq) []*entry {
	i := len(list)
	for i > 0 && list[i-1].rec.Seq > after {
		i--
	}
	return append([]*entry(nil), list[i:]...)
}

func (s *scan) verdict(e *entry) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.verdict
}

func (s *scan) judge(e *entry, copied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.verdict = isFirst
	if copied {
		e.verdict = isCopy
	}
}

// bounds gives from and to, and whether the scan has begun.
func (s *scan) bounds() (from, to chat.Mark, begun bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from, s.to, s.begun
}
