package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// scan holds a partition's records in (from, to] of the log: from is the W that was known when it was last read. All readers share it:
// who finds it too short extends it, the others wait for him.
type scan struct {
	log        chat.Log
	p          int
	maxRecords int
	maxBytes   int
	shared     *budget
	logger     *slog.Logger
	turn       chan struct{} // holds one token: the right to extend

	mu        sync.Mutex
	begun     bool
	from, to  chat.Mark
	fromTime  int64 // ms since 1970: no record at or below from was appended later, by the log's clock
	warned    bool  // that it is full
	list      []*entry
	bytes     int
	byRoom    map[chat.RoomID][]*entry
	bySubject map[chat.UserID][]*entry
	byID      map[chat.MessageID]*entry
	changes   []*entry // what changes rooms themselves
}

// budget is what all partitions may hold together, and do.
type budget struct {
	most int64 // bytes
	used atomic.Int64
}

// leastBytes is what each partition may hold, however much the others do.
const leastBytes = 1 << 20

func newScan(log chat.Log, p int, o Options, shared *budget) *scan {
	s := &scan{log: log, p: p, maxRecords: o.Records, maxBytes: o.Bytes, shared: shared, logger: o.Logger, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	s.reset(chat.Mark{})
	return s
}

// reset begins anew behind w. The caller holds mu, or is alone.
func (s *scan) reset(w chat.Mark) {
	s.grow(-s.bytes)
	s.from, s.to, s.fromTime, s.list, s.changes = w, w, time.Now().UnixMilli(), nil, nil
	s.byRoom, s.bySubject = map[chat.RoomID][]*entry{}, map[chat.UserID][]*entry{}
	s.byID = map[chat.MessageID]*entry{}
}

var (
	errAtEnd = errors.New("at the end")
	// errFull says that more lies above W than may be kept.
	errFull = fmt.Errorf("too much of the log lies above what the store has: %w", chat.ErrUnavailable)
	// errNoLog says that the log could not be read; what the scan holds is still good.
	errNoLog = fmt.Errorf("the log can not be read: %w", chat.ErrUnavailable)
)

// extend reads the log from w, or from where the scan is, to its end. A w below the scan is left to ofRoom, which says so. A scan that is
// full reads no more until W has risen. Errors: errFull, errNoLog, that of ctx.
func (s *scan) extend(ctx context.Context, w chat.Mark) error { return s.extendTo(ctx, w, s.log.Info) }

// extendTo is extend for a caller who asks once where the ends of all partitions are.
func (s *scan) extendTo(ctx context.Context, w chat.Mark, ends func(context.Context) (chat.LogInfo, error)) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	to, full := s.advance(w)
	info, err := ends(ctx)
	switch {
	case err != nil:
		return s.unread(ctx, err)
	case s.p < len(info.Partitions) && to.Seq >= info.Partitions[s.p].Last:
		return nil
	case full:
		return errFull
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
	if errors.Is(err, errAtEnd) {
		return nil
	}
	return s.unread(ctx, err)
}

// unread makes of a failed reading what the readers are told. A log that is not the one that was read before is read anew.
func (s *scan) unread(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errFull):
		s.warn()
		return errFull
	case errors.Is(err, chat.ErrTrimmed), errors.Is(err, chat.ErrRewound):
		s.mu.Lock()
		s.reset(chat.Mark{})
		s.begun = false
		s.mu.Unlock()
		return fmt.Errorf("read the log above the store: %w: %w", chat.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", errNoLog, err)
}

// warn says once that the scan is full.
func (s *scan) warn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.warned {
		s.logger.Warn("history has no pages up to the log's end: too much of it lies above what the store has", "partition", s.p,
			"watermark", s.from.Seq, "position", s.to.Seq, "records", len(s.list), "bytes", s.bytes)
	}
	s.warned = true
}

// advance brings the scan's beginning up to w; it gives where to read on, and whether there is no space to.
func (s *scan) advance(w chat.Mark) (to chat.Mark, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.begun || w.Seq > s.to.Seq:
		s.reset(w)
		s.begun = true
	case w.Seq > s.from.Seq:
		s.drop(w)
	}
	if !s.full() {
		s.warned = false
	}
	return s.to, s.full()
}

// full says that nothing more may be kept. The caller holds mu.
func (s *scan) full() bool {
	return len(s.list) >= s.maxRecords || s.bytes >= s.maxBytes || s.bytes >= leastBytes && s.shared.used.Load() >= s.shared.most
}

// grow keeps count of the bytes. The caller holds mu, or is alone.
func (s *scan) grow(n int) {
	s.bytes += n
	s.shared.used.Add(int64(n))
}

// take adds what was read.
func (s *scan) take(rs []chat.Record, upTo chat.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		switch {
		case r.Seq <= s.to.Seq:
			continue
		case s.byID[r.ID] == nil && s.full():
			return errFull
		case s.byID[r.ID] == nil:
			s.add(&entry{rec: r})
		}
		s.to = chat.Mark{Seq: r.Seq}
	}
	if upTo.Seq >= s.to.Seq {
		s.to = upTo
	}
	return nil
}

// add appends to the list and the indexes. The caller holds mu.
func (s *scan) add(e *entry) {
	s.list = append(s.list, e)
	s.grow(e.rec.Size())
	s.byID[e.rec.ID] = e
	s.byRoom[e.rec.Room] = append(s.byRoom[e.rec.Room], e)
	if e.rec.Subject != "" {
		s.bySubject[e.rec.Subject] = append(s.bySubject[e.rec.Subject], e)
	}
	if e.changesRoom() {
		s.changes = append(s.changes, e)
	}
}

// slack is for how long, by the log's clock, what the store has is kept all the same: so that a reader who has read W a moment ago is not
// overtaken by one who reads it now.
const slack = 5 * time.Second

// drop forgets what lies at or below w, all but the newest, which give way only to what is not stored yet. The caller holds mu.
func (s *scan) drop(w chat.Mark) {
	n, old := 0, time.Now().Add(-slack).UnixMilli()
	if s.full() {
		old = math.MaxInt64
	}
	for n < len(s.list) && s.list[n].rec.Seq <= w.Seq && s.list[n].rec.At < old {
		e := s.list[n]
		s.grow(-e.rec.Size())
		delete(s.byID, e.rec.ID)
		dropFirst(s.byRoom, e.rec.Room)
		if e.rec.Subject != "" {
			dropFirst(s.bySubject, e.rec.Subject)
		}
		if e.changesRoom() {
			s.changes = s.changes[1:]
		}
		n++
	}
	if n == 0 && len(s.list) > 0 { // all of it is young
		return
	}
	switch {
	case n == len(s.list):
		s.from, s.fromTime = w, time.Now().UnixMilli()
	case n > 0:
		s.from, s.fromTime = chat.Mark{Seq: s.list[n-1].rec.Seq}, s.list[n-1].rec.At
	}
	s.list = append([]*entry(nil), s.list[n:]...)
	s.changes = append([]*entry(nil), s.changes...)
}

// dropFirst takes the oldest entry from an index: entries leave in the order in which they came.
func dropFirst[K comparable](index map[K][]*entry, k K) {
	if list := index[k]; len(list) > 1 {
		index[k] = list[1:]
	} else {
		delete(index, k)
	}
}
