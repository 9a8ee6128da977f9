package history_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
)

// Readers share one scan: what one has read, no other reads again.
func TestOneScanForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(500)
		d.save(1, nil)
		d.lag = func() time.Duration { return time.Millisecond }
		h := d.history(history.Options{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if p, err := h.Page(t.Context(), "r", chat.Range{All: true}, 10); err != nil || p.Rows[9].ID != "m499" {
					t.Errorf("%v, %v", ids(p.Rows), err)
				}
			})
		}
		all.Wait()
		if d.tails != 1 || d.read != 500 {
			t.Errorf("%d tails read %d records", d.tails, d.read)
		}
		d.add(nth(500))
		if _, err := h.Page(t.Context(), "r", chat.Range{}, 10); err != nil || d.read != 501 {
			t.Errorf("%d records read, %v", d.read, err)
		}
	})
}

// A reader who gives up keeps nobody waiting, and is not kept.
func TestAReaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(50)
		d.lag = func() time.Duration { return time.Second }
		h := d.history(history.Options{})
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), []time.Duration{3500 * time.Millisecond, time.Hour}[i%2])
				defer cancel()
				_, err := h.Page(ctx, "r", chat.Range{}, 10)
				if (err == nil) != (i%2 == 1) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("reader %d: %v", i, err)
				}
			})
		}
		all.Wait()
	})
}

// A scan that is full says so without reading the log again and again, and logs it once; W makes space, also for what is young.
func TestFullScanIsNotReadAgain(t *testing.T) {
	for name, o := range map[string]history.Options{"records": {Records: 20}, "bytes": {Bytes: 20 * 100}} {
		var text strings.Builder
		d := filled(100)
		d.save(1, nil)
		o.Logger = slog.New(slog.NewTextHandler(&text, nil))
		h := d.history(o)
		for range 5 {
			if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); !errors.Is(err, chat.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if d.tails != 1 || strings.Count(text.String(), "\n") != 1 {
			t.Errorf("%s: %d tails, logged %q", name, d.tails, text.String())
		}
		if p, err := h.Page(t.Context(), "r", chat.Range{Before: chat.MakeSeq(1, 1), All: true}, 5); err != nil && !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		d.save(15, nil)
		if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("%s, still too much: %v", name, err)
		}
		d.save(95, nil)
		if p, err := h.Page(t.Context(), "r", chat.Range{All: true}, 50); err != nil || p.Rows[49].ID != "m99" {
			t.Errorf("%s: %v, %v", name, ids(p.Rows), err)
		}
	}
}

// What the store has come to have gives way, however young, to what it has not.
func TestFullScanMakesSpace(t *testing.T) {
	d := filled(30)
	d.save(1, nil)
	h := d.history(history.Options{Records: 20})
	if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); !errors.Is(err, chat.ErrUnavailable) {
		t.Fatal(err)
	}
	d.save(15, nil)
	if p, err := h.Page(t.Context(), "r", chat.Range{All: true}, 20); err != nil || p.Rows[19].ID != "m29" || d.read > 31 { // the one that found no space is read again
		t.Errorf("%v of %d records read, %v", ids(p.Rows), d.read, err)
	}
}

// A reader whom W has overtaken by far asks the store again: what lay between is no longer in the scan.
func TestAReaderIsOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(50)
		d.save(11, nil)
		h := d.history(history.Options{})
		pages := 0
		d.onPage = func() {
			if pages++; pages != 1 {
				return
			}
			time.Sleep(time.Minute)
			for _, saved := range []int{12, 40} { // other readers bring the scan up to here
				d.save(saved, nil)
				if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); err != nil {
					t.Error(err)
				}
			}
		}
		p, err := h.Page(t.Context(), "r", chat.Range{All: true}, 100)
		if err != nil || !slices.Equal(ids(p.Rows), ids(d.recs)) || pages != 4 {
			t.Errorf("%d rows, %d pages of the store, %v", len(p.Rows), pages, err)
		}
	})
}

// With the log away, a page that reaches beyond what is known of it names what it lacks, or is unavailable; one that does not is as ever.
func TestWithoutTheLog(t *testing.T) {
	d := filled(60)
	d.save(41, nil)
	h := d.history(history.Options{})
	d.logDown = true
	for _, c := range []struct {
		r             chat.Range
		last          chat.Seq // of its five rows; 0: unavailable
		hasMore, more bool
		gapTo         chat.Seq // 0: no gap
	}{
		{chat.Range{}, 0, false, false, 0},
		{chat.Range{Before: d.w - 3}, d.w - 4, true, true, 0},
		{chat.Range{Before: d.w}, d.w - 1, true, true, 0},
		{chat.Range{Before: d.w + 1}, d.w, true, false, 0},
		{chat.Range{Before: d.w + 9}, d.w, true, false, d.w + 8},
		{chat.Range{After: d.w - 9}, d.w - 4, true, false, 0},
		{chat.Range{After: d.w - 5}, d.w, true, false, 0},
		{chat.Range{After: d.w}, 0, false, false, 0},
		{chat.Range{Around: d.w - 9}, d.w - 7, true, true, 0},
		{chat.Range{Around: d.w + 4}, 0, false, false, 0},
	} {
		c.r.All = true
		p, err := h.Page(t.Context(), "r", c.r, 5)
		switch {
		case c.last == 0:
			if !errors.Is(err, chat.ErrUnavailable) {
				t.Errorf("%+v: %+v, %v", c.r, p, err)
			}
		case err != nil || len(p.Rows) != 5 || p.Rows[4].Seq != c.last || p.HasMore != c.hasMore || p.Newer != c.more || p.AsOf != d.w:
			t.Errorf("%+v: %v to %d, more %v, newer %v, as of %d, %v", c.r, ids(p.Rows), p.Rows[len(p.Rows)-1].Seq, p.HasMore, p.Newer, p.AsOf, err)
		case (p.Gap == nil) != (c.gapTo == 0) || p.Gap != nil && *p.Gap != (chat.Gap{Room: "r", From: d.w, To: c.gapTo, Reason: chat.GapUnavailable}):
			t.Errorf("%+v: gap %+v", c.r, p.Gap)
		}
	}
	if _, err := h.Fill(t.Context(), "r", d.w-5, d.end()); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("a replay beyond what is known: %v", err)
	}
	if p, err := h.Fill(t.Context(), "r", d.w-5, d.w); err != nil || len(p.Rows) != 5 {
		t.Errorf("a replay below W: %v, %v", ids(p.Rows), err)
	}
	if _, _, err := h.RoomsOf(t.Context(), "u", "", 5); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("somebody's rooms: %v", err)
	}
	if _, err := h.ByID(t.Context(), "r", "m59"); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("an id that may lie above W: %v", err)
	}
	d.logDown = false
	if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); err != nil {
		t.Fatal(err)
	}
	known := d.end()
	d.logDown = true
	d.add(nth(60))
	p, err := h.Page(t.Context(), "r", chat.Range{Before: known + 2, All: true}, 5)
	if err != nil || p.AsOf != known || p.Rows[4].ID != "m59" || p.Gap == nil || p.Gap.From != known || p.Gap.To != known+1 {
		t.Errorf("%v as of %d, %v", ids(p.Rows), p.AsOf, err)
	}
}

// More than may be replayed of a range that the log does not reach is no gap up to its end.
func TestTooMuchToReplayWithoutTheLog(t *testing.T) {
	d := filled(1300)
	d.save(1201, nil)
	h := d.history(history.Options{})
	d.logDown = true
	if p, err := h.Fill(t.Context(), "r", chat.MakeSeq(1, 0), d.end()); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("%d rows, gap %+v, %v", len(p.Rows), p.Gap, err)
	}
}

func TestTrimmedAboveW(t *testing.T) {
	d := filled(60)
	d.save(11, nil)
	d.first = 30
	h := d.history(history.Options{})
	if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); !errors.Is(err, chat.ErrUnavailable) || !errors.Is(err, chat.ErrTrimmed) {
		t.Errorf("%v", err)
	}
	d.save(31, nil)
	if p, err := h.Page(t.Context(), "r", chat.Range{All: true}, 5); err != nil || p.Rows[4].ID != "m59" {
		t.Errorf("%v, %v", ids(p.Rows), err)
	}
}

// A room made while the store is away is only believed to be new once no older record of its making can lie below W.
func TestRoomsMadeInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := filled(3)
		d.save(4, nil)
		h := d.history(history.Options{})
		if _, err := h.Page(t.Context(), "r", chat.Range{}, 5); err != nil {
			t.Fatal(err)
		}
		d.storeDown = true
		time.Sleep(9 * time.Minute)
		d.add(change(chat.KindCreate, "early", "u", "create early"))
		time.Sleep(2 * time.Minute)
		d.add(change(chat.KindCreate, "late", "u", "create late"), change(chat.KindMessage, "late", "u", "hello"))
		if _, err := h.Open(t.Context(), "early"); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("early: %v", err)
		}
		o, err := h.Open(t.Context(), "late")
		if err != nil || o.View.Exists() || !o.All || o.AsOf.Seq != d.w {
			t.Errorf("late: %+v, %v", o, err)
		}
		p, err := h.Fill(t.Context(), "late", 0, d.end())
		if err != nil || !slices.Equal(ids(p.Rows), []chat.MessageID{"create late", "hello"}) {
			t.Errorf("a replay of it: %v, %v", ids(p.Rows), err)
		}
		if _, err := h.ByID(t.Context(), "late", "hello"); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("an id the store was not asked of: %v", err)
		}
	})
}

// What the store has once said to be a first copy is found by its id while the store is away.
func TestByIDWithoutTheStore(t *testing.T) {
	d := filled(3)
	d.save(2, nil)
	h := d.history(history.Options{})
	if _, err := h.Page(t.Context(), "r", chat.Range{All: true}, 5); err != nil {
		t.Fatal(err)
	}
	d.storeDown = true
	if r, err := h.ByID(t.Context(), "r", "m2"); err != nil || r.Seq != d.end() {
		t.Errorf("%+v, %v", r, err)
	}
	for _, id := range []chat.MessageID{"m0", "nothing"} {
		if r, err := h.ByID(t.Context(), "r", id); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("%s: %+v, %v", id, r, err)
		}
	}
}

// Open gives at least 500 rows, all of the last ten minutes, at most 4,096 messages, and joins by time alone.
func TestOpenBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name     string
			old, new int
			joins    bool
			min, max int
		}{
			{"an old room", 900, 0, false, 500, 500},
			{"a busy room", 900, 700, false, 700, 1601},
			{"a very busy room", 0, 5000, false, 4096, 4596},
			{"a crowd that comes", 0, 5000, true, 5001, 5001},
		} {
			d := filled(0)
			put := func(n int) {
				for i := range n {
					kind := chat.KindMessage
					if c.joins {
						kind = chat.KindJoin
					}
					d.add(change(kind, "r", chat.UserID(fmt.Sprint("u", i)), fmt.Sprint(len(d.recs))))
				}
			}
			put(c.old)
			time.Sleep(time.Hour)
			put(c.new)
			d.save(len(d.recs), nil)
			clear(d.members)
			d.members["a"], d.members["b"] = chat.Member{Room: "r", User: chat.User{ID: "a"}, State: chat.StateJoined},
				chat.Member{Room: "r", User: chat.User{ID: "b"}, State: chat.StateInvited}
			o, err := d.history(history.Options{}).Open(t.Context(), "r")
			if err != nil || len(o.Rows) < c.min || len(o.Rows) > c.max || o.All != (len(o.Rows) == len(d.recs)) {
				t.Errorf("%s: %d rows, all %v, %v", c.name, len(o.Rows), o.All, err)
				continue
			}
			if rest := d.recs[len(d.recs)-len(o.Rows):]; !slices.Equal(ids(o.Rows), ids(rest)) {
				t.Errorf("%s: not the newest", c.name)
			}
			if !o.View.IsMember("a") || o.View.Member("b").State != chat.StateInvited {
				t.Errorf("%s: not all pages of members", c.name)
			}
		}
	})
}

// While the store is behind, the window lies before W, not before now: the hub reads on from W, and must know the ids of the ten minutes of
// log before that, or it would take the copies among what follows for new.
func TestOpenOfAStoreThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			behind, down bool
			want         int
		}{"level": {false, false, 500}, "behind": {true, false, 1300}, "who knows": {false, true, 1300}} {
			d := filled(599)
			time.Sleep(20 * time.Minute)
			for i := range 1300 {
				d.add(nth(1000 + i))
			}
			d.save(len(d.recs), nil)
			if c.behind {
				d.add(d.recs[len(d.recs)-1300]) // a copy
			}
			time.Sleep(time.Hour)
			d.logDown = c.down
			o, err := d.history(history.Options{}).Open(t.Context(), "r")
			if err != nil || len(o.Rows) < c.want || len(o.Rows) == 500 != (c.want == 500) || o.AsOf.Seq != d.w {
				t.Errorf("%s: %d rows, %v", name, len(o.Rows), err)
			}
		}
	})
}

// A room with more members than may be is refused rather than shown with some of them.
func TestOpenRefusesACrowd(t *testing.T) {
	d := filled(40)
	d.save(41, nil)
	if _, err := d.history(history.Options{RoomMembers: 2}).Open(t.Context(), "r"); !errors.Is(err, chat.ErrOverloaded) {
		t.Errorf("%v", err)
	}
}

// A membership in a room whose create record could never be stored does not spoil the others.
func TestRoomsOfWithoutARoom(t *testing.T) {
	d := newDouble()
	d.add(change(chat.KindCreate, "r", "u", "create"))
	d.save(1, nil)
	d.add(change(chat.KindJoin, "ghost", "u", "join"))
	got, _, err := d.history(history.Options{}).RoomsOf(t.Context(), "u", "", 5)
	if err != nil || len(got) != 1 || got[0].Room.ID != "r" {
		t.Errorf("%+v, %v", got, err)
	}
}

// With both away, a room made above W is not answered from a log that may go on: an empty page must not pass for its end.
func TestWithoutStoreAndLog(t *testing.T) {
	d := newDouble()
	d.add(change(chat.KindCreate, "r", "u", "create"))
	h := d.history(history.Options{})
	if _, err := h.Page(t.Context(), "r", chat.Range{All: true}, 5); err != nil {
		t.Fatal(err)
	}
	d.add(nth(0))
	d.storeDown, d.logDown = true, true
	for _, r := range []chat.Range{{All: true}, {After: chat.MakeSeq(1, 0), All: true}} {
		if p, err := h.Page(t.Context(), "r", r, 5); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("%+v: %+v, %v", r, p, err)
		}
	}
}
