// Package history answers what the hub does not hold: the store up to W, the watermark, and above W the log. W is read before the rows,
// always; the log above W is read by one shared, bounded scan per partition that begins at W even when asked from later, so that it meets
// first copies before copies (DESIGN.md §4, Reads; model/history.go).
package history

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Watermarks is the part of chat.Archive that says how far the store is.
type Watermarks interface {
	State(ctx context.Context) (chat.ArchiveState, error)
}

// Options bound what a History keeps and reads. Zero fields mean the defaults.
type Options struct {
	Partitions  int           // of the log: 1
	RoomMembers int           // members of a room: 10,000
	Records     int           // of the log above W kept, per partition: 100,000
	Bytes       int           // of them: 64 MiB
	TotalBytes  int           // of those of all partitions: 256 MiB; but each may have 1 MiB
	Window      time.Duration // of log of which Open gives all rows: 10 minutes
	Logger      *slog.Logger
	Breaks      Breaks // for the simulation only
}

// Break names a rule that the simulation breaks on purpose. None is ever set in production.
type Break string

// Breaks are the rules that are broken; nil: none.
type Breaks map[Break]bool

// The rules that a History can break.
const (
	ScanFromSince Break = "scan-from-since" // a read scans the log from its own place, not from W
	NoLookup      Break = "no-lookup"       // the ids above W are not looked up in the store
	WAfterRows    Break = "w-after-rows"    // W is read after the rows
)

const (
	openRows    = 500             // Open gives at least so many
	openTalkMax = 4096            // and at most so many messages,
	openRowsMax = 4 * openTalkMax // or rows of any kind
	storePage   = 100             // rooms asked of the store at a time
	memberPage  = 1000            // members
	fillMax     = 1000            // items of a replay; of more the newest fillNewest are given behind a gap
	fillNewest  = 100
	tries       = 5 // of a read that W overtakes
)

// History implements chat.History. Safe for concurrent use.
type History struct {
	log       chat.Log
	marks     Watermarks
	messages  chat.Messages
	directory chat.Directory
	opt       Options
	parts     []*scan
}

var _ chat.History = (*History)(nil)

// New makes a History over a log and a store's three sides.
func New(log chat.Log, w Watermarks, m chat.Messages, d chat.Directory, o Options) *History {
	for _, f := range []struct {
		p *int
		v int
	}{{&o.Partitions, 1}, {&o.RoomMembers, 10_000}, {&o.Records, 100_000}, {&o.Bytes, 64 << 20}, {&o.TotalBytes, 256 << 20}} {
		if *f.p <= 0 {
			*f.p = f.v
		}
	}
	if o.Window <= 0 {
		o.Window = chat.DefaultTimes().Window
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := &History{log: log, marks: w, messages: m, directory: d, opt: o}
	shared := &budget{most: int64(o.TotalBytes)}
	for p := range o.Partitions {
		h.parts = append(h.parts, newScan(log, p, o, shared))
	}
	return h
}

func (h *History) part(room chat.RoomID) *scan {
	return h.parts[chat.PartitionOf(room, len(h.parts))]
}

// watermark reads W of a partition from the store.
func (h *History) watermark(ctx context.Context, p int) (chat.Mark, error) {
	st, err := h.marks.State(ctx)
	if err != nil {
		return chat.Mark{}, err
	}
	if p < len(st.W) {
		return st.W[p], nil
	}
	return chat.Mark{}, nil
}

// errOvertaken says that the scan no longer begins at the W that was read: the store has come further since, and is asked again.
var errOvertaken = errors.New("the store has come further")

// retry repeats a read that is overtaken by W.
func retry(f func() error) error {
	err := errOvertaken
	for i := 0; i < tries && errors.Is(err, errOvertaken); i++ {
		err = f()
	}
	if errors.Is(err, errOvertaken) {
		return chat.ErrUnavailable
	}
	return err
}

// above gives a room's records above w, as far as the log reaches, without copies, and that place. all: of every kind. If the log cannot be
// read it gives, with errNoLog, what is held of it.
func (h *History) above(ctx context.Context, room chat.RoomID, w chat.Mark, all bool) ([]chat.Record, chat.Seq, error) {
	s := h.part(room)
	unread := s.extend(ctx, w)
	if unread != nil && !errors.Is(unread, errNoLog) {
		return nil, 0, unread
	}
	list, to, err := s.ofRoom(room, w.Seq)
	switch {
	case err != nil && unread != nil:
		return nil, w.Seq, unread
	case err != nil:
		return nil, 0, err
	}
	wanted := list[:0:0]
	for _, e := range list {
		if all || e.rec.Kind == chat.KindMessage || e.rec.Kind == chat.KindTombstone {
			wanted = append(wanted, e)
		}
	}
	firsts, err := h.withoutCopies(ctx, s, room, wanted)
	if err != nil {
		return nil, 0, err
	}
	return records(firsts), to, unread
}

// lookUpMax is how many ids are looked up at a time.
const lookUpMax = 1000

// withoutCopies looks ids up in the store, in one query: a first copy at or below W may be older than any memory, and the store's row wins.
// What was not there once, when the scan began at or below that W, never will be as an earlier record.
func (h *History) withoutCopies(ctx context.Context, s *scan, room chat.RoomID, list []*entry) ([]*entry, error) {
	if h.opt.Breaks[NoLookup] {
		return list, nil
	}
	seqs := map[chat.MessageID]chat.Seq{}
	for part := range slices.Chunk(s.unjudged(list), lookUpMax) {
		found, err := h.messages.Seqs(ctx, room, part)
		if err != nil {
			return nil, err
		}
		maps.Copy(seqs, found)
	}
	return s.judge(list, seqs), nil
}
