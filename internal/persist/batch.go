package persist

import (
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/wellformed"
)

// batch is what Records was given, folded: one item per id, in log order.
type batch struct {
	items   []*item
	copies  int
	first   chat.Seq // the first record, or upTo if there is none: where saving stops and resumes
	upTo    chat.Mark
	guesses int // records buried in this pass though the store did not name them
}

// item is a record on its way into the store.
type item struct {
	change  chat.Change
	bad     string       // why no store can hold it; empty: none known
	buried  *chat.Record // what lies under the tombstone that change is; nil: it is none
	dropped bool         // not even that can be stored
}

// record is what the log holds.
func (it *item) record() chat.Record {
	if it.buried != nil {
		return *it.buried
	}
	return it.change.Row
}

// newBatch folds what lies above place. It gives nil if there is nothing to save and W need not move. fold is false in the simulation of
// a broken rule alone.
func newBatch(rs []chat.Record, place chat.Seq, upTo chat.Mark, fold bool) *batch {
	b := &batch{upTo: upTo, first: upTo.Seq}
	seen := make(map[chat.MessageID]bool, len(rs))
	items := make([]item, 0, len(rs)) // never grows: pointers into it stay
	b.items = make([]*item, 0, len(rs))
	for _, r := range rs {
		if r.Seq <= place {
			continue
		}
		if r.Seq < b.first {
			b.first = r.Seq
		}
		if fold && r.ID != "" && seen[r.ID] {
			b.copies++
			continue
		}
		seen[r.ID] = true
		items = append(items, item{change: changeOf(r), bad: chat.Malformed(r, wellformed.Object)})
		b.items = append(b.items, &items[len(items)-1])
	}
	if len(b.items) == 0 && upTo.Seq <= place {
		return nil
	}
	return b
}

// changeOf says what a record does to the store.
func changeOf(r chat.Record) chat.Change {
	c := chat.Change{Row: r}
	var before chat.Room
	if r.Kind == chat.KindUpdate {
		before.Seq = 1 // of a room that exists; whether it does is for the store
	}
	if _, ok := chat.RoomChange(before, r); ok {
		room := r // a copy, so that a message stays off the heap
		c.Room = &room
	}
	if m, ok := chat.MembershipChange(r); ok {
		c.Member = &m
	}
	return c
}

// entomb puts the tombstone in the record's place, or nothing where that cannot be.
func (it *item) entomb() {
	r := it.change.Row
	it.buried, it.change = &r, chat.Change{Row: chat.Tombstone(r)}
	it.dropped = r.ID == "" || r.Room == ""
}

// standing gives the items that are to be saved, and their changes.
func standing(items []*item) (live []*item, cs []chat.Change) {
	live, cs = make([]*item, 0, len(items)), make([]chat.Change, 0, len(items))
	for _, it := range items {
		if !it.dropped {
			live, cs = append(live, it), append(cs, it.change)
		}
	}
	return live, cs
}
