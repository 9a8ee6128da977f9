package history_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
)

// A copy of a change of the room is no second change: what came between stays.
func TestRoomsOfIgnoresCopiesOfUpdates(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "u", "create"), change(chat.KindUpdate, "r", "u", "old name"), change(chat.KindUpdate, "r", "u", "new name"))
	w.save(3)
	w.add(change(chat.KindUpdate, "r", "u", "old name"))
	got, _, err := w.RoomsOf(t.Context(), "u", "", 10)
	if err != nil || len(got) != 1 || got[0].Room.Name != "new name" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Without the store, a create record above W that may be a copy of one below it does not make an old room a new one.
func TestACopyOfACreateIsNoNewRoom(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "u", "create"), change(chat.KindJoin, "r", "v", "join"), change(chat.KindMessage, "r", "v", "m"))
	w.save(3)
	if _, err := w.Page(t.Context(), "r", chat.Range{}, 10); err != nil {
		t.Fatal(err)
	}
	w.away.down = true
	w.add(change(chat.KindCreate, "r", "u", "create"))
	if p, err := w.Page(t.Context(), "r", chat.Range{All: true}, 10); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("page: %v, %v", ids(p.Rows), err)
	}
	if o, err := w.Open(t.Context(), "r"); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("open: %+v, %v", o, err)
	}
}

// What lies above through is not counted: fifty items are no reason for a gap, however much the store has behind them.
func TestFillCountsOnlyItsRange(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "owner", "create"))
	for i := range 1200 {
		w.add(change(chat.KindMessage, "r", "u", fmt.Sprint("m", i)))
	}
	w.save(1201)
	p, err := w.Fill(t.Context(), "r", w.recs[0].Seq, w.recs[50].Seq)
	if err != nil || p.Gap != nil || !slices.Equal(ids(p.Rows), ids(w.recs[1:51])) {
		t.Errorf("%d rows, gap %+v, %v", len(p.Rows), p.Gap, err)
	}
}

// With the store away, what is known to be a copy stays away from a replay.
func TestFillWithoutTheStoreDropsKnownCopies(t *testing.T) {
	w := newWorld(t, history.Options{})
	w.add(change(chat.KindCreate, "r", "u", "create"), change(chat.KindMessage, "r", "u", "a"))
	w.save(2)
	w.add(change(chat.KindMessage, "r", "u", "a"), change(chat.KindMessage, "r", "u", "b"))
	if _, err := w.Page(t.Context(), "r", chat.Range{}, 10); err != nil {
		t.Fatal(err)
	}
	w.away.down = true
	p, err := w.Fill(t.Context(), "r", w.recs[1].Seq, w.recs[3].Seq)
	if err != nil || !slices.Equal(ids(p.Rows), []chat.MessageID{"b"}) {
		t.Errorf("%v, %v", ids(p.Rows), err)
	}
}
