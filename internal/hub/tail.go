package hub

import (
	"bytes"
	"sort"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// entry is a record of a tail with its frame, which is made when somebody first listens.
type entry struct {
	rec   chat.Record
	frame atomic.Pointer[chat.Frame]
}

// get gives the frame. Two that make it at once make the same.
func (e *entry) get(enc chat.Encoder) chat.Frame {
	if f := e.frame.Load(); f != nil {
		return *f
	}
	f := enc.Record(e.rec)
	e.frame.Store(&f)
	return f
}

// tail holds the last records of a room: all of (from, position]. from is the last record that it does not hold, so who has that one
// misses nothing; 0: it holds the room from its first record on.
type tail struct {
	from    chat.Seq
	entries []*entry
	bytes   int
}

// keep adds r, at the cost of the oldest. r's body is copied: it may lie in a large buffer that would stay alive with it.
func (t *tail) keep(r chat.Record, maxRecords, maxBytes int) *entry {
	r.Body = bytes.Clone(r.Body)
	e := &entry{rec: r}
	t.entries = append(t.entries, e)
	t.bytes += r.Size()
	for len(t.entries) > maxRecords || len(t.entries) > 0 && t.bytes > maxBytes {
		old := t.entries[0]
		t.entries[0] = nil
		t.entries, t.from, t.bytes = t.entries[1:], old.rec.Seq, t.bytes-old.rec.Size()
	}
	return e
}

// after gives the records above seq, if it holds all of them. What it gives is valid under the room's lock only.
func (t *tail) after(seq chat.Seq) ([]*entry, bool) {
	return t.entries[t.index(seq+1):], seq >= t.from
}

// index gives the place of the first record at or above seq.
func (t *tail) index(seq chat.Seq) int {
	return sort.Search(len(t.entries), func(i int) bool { return t.entries[i].rec.Seq >= seq })
}

// rows gives the records from index i to before j that fit the range's kinds.
func (t *tail) rows(i, j int, all bool) []chat.Record {
	var out []chat.Record
	for ; i < j; i++ {
		if r := t.entries[i].rec; all || isMessage(r.Kind) {
			out = append(out, r)
		}
	}
	return out
}
