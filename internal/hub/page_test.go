package hub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// messages makes room "r" with n messages, and joins among them, and opens it with a tail of the given size.
func messages(w *world, n int) {
	w.room("r", "ann", "bob")
	for i := range n {
		if i%7 == 3 {
			w.put(chat.KindJoin, "r", "ann")
		}
		w.put(chat.KindMessage, "r", "ann")
	}
	w.save()
	if _, _, err := w.hub.View(context.Background(), "r", 0); err != nil {
		w.t.Fatal(err)
	}
}

func words(p chat.Page) string {
	out := fmt.Sprintf("more %v newer %v asOf %d:", p.HasMore, p.Newer, p.AsOf.Offset())
	for _, r := range p.Rows {
		out += fmt.Sprint(" ", r.Seq.Offset())
	}
	if p.Gap != nil {
		out += fmt.Sprintf(" gap %s %d-%d", p.Gap.Reason, p.Gap.From.Offset(), p.Gap.To.Offset())
	}
	return out
}

// Case 18: at every place, with every size of the tail, a page is the one that the whole room would give.
func TestPagesAreExact(t *testing.T) {
	for _, n := range []int{0, 1, 5, 10, 11, 20, 35} {
		for _, tail := range []int{1, 5, 10, 11, 500} {
			t.Run(fmt.Sprintf("%d messages, tail %d", n, tail), func(t *testing.T) {
				run(t, func(c *hub.Config) { c.Limits.TailRecords = tail }, func(w *world) {
					messages(w, n)
					end := w.log.end(0)
					ranges := []chat.Range{{}, {All: true}, {After: chat.AfterStart}}
					for s := at(0); s <= end+1; s++ {
						ranges = append(ranges, chat.Range{Before: s}, chat.Range{After: s}, chat.Range{Around: s}, chat.Range{Before: s, All: true},
							chat.Range{After: s, All: true})
					}
					for _, rg := range ranges {
						for _, limit := range []int{1, 5, 10} {
							want, _ := w.hist.Page(context.Background(), "r", rg, limit)
							got, err := w.hub.Page(context.Background(), "r", rg, limit)
							if err != nil || words(got) != words(want) {
								t.Errorf("%+v, limit %d:\ngot  %s %v\nwant %s", rg, limit, words(got), err, words(want))
							}
						}
					}
				})
			})
		}
	}
}

// A page whose bytes are enough ends there, at the right end, and is not filled up from the store.
func TestPagesEndWhereBytesAreEnough(t *testing.T) {
	for _, tail := range []int{5, 500} {
		run(t, func(c *hub.Config) { c.Limits.TailRecords = tail }, func(w *world) {
			messages(w, 20)
			size := 0
			for _, bytes := range []int{1, 1000, 1 << 20} {
				for _, rg := range []chat.Range{{}, {Before: at(15)}, {Before: at(15), All: true}, {Before: at(8)}} {
					whole, _ := w.hist.Page(context.Background(), "r", rg, 10)
					asked := w.hist.pages
					rg.Bytes = bytes
					got, err := w.hub.Page(context.Background(), "r", rg, 10)
					n := len(got.Rows)
					if err != nil || n == 0 || n > len(whole.Rows) || words(chat.Page{Rows: got.Rows}) != words(chat.Page{Rows: whole.Rows[len(whole.Rows)-n:]}) {
						t.Fatalf("tail %d, %+v: %s %v", tail, rg, words(got), err)
					}
					size = 0
					for _, r := range got.Rows {
						size += r.Size()
					}
					switch {
					case n < len(whole.Rows) && (size < bytes || !got.HasMore), got.HasMore != (whole.HasMore || n < len(whole.Rows)), got.Newer != whole.Newer:
						t.Errorf("tail %d, %+v: %d bytes, %s, of %s", tail, rg, size, words(got), words(whole))
					case tail == 500 && (n > 1 && size-got.Rows[0].Size() >= bytes || w.hist.pages != asked):
						t.Errorf("%+v: %d bytes in %d rows of the tail, and %d pages of history", rg, size, n, w.hist.pages-asked)
					}
				}
			}
		})
	}
}

// Walking either way gives each message once, and ends with a page that says so.
func TestWalks(t *testing.T) {
	for _, n := range []int{0, 1, 50, 100, 101} {
		run(t, func(c *hub.Config) { c.Limits.TailRecords = 30 }, func(w *world) {
			messages(w, n)
			back, forth := 0, 0
			for rg, more := (chat.Range{}), true; more; {
				p, err := w.hub.Page(context.Background(), "r", rg, 50)
				if err != nil || p.HasMore && len(p.Rows) == 0 {
					t.Fatalf("%s: %v", words(p), err)
				}
				if back, more = back+len(p.Rows), p.HasMore; more {
					rg = chat.Range{Before: p.Rows[0].Seq}
				}
			}
			for rg, more := (chat.Range{After: chat.AfterStart}), true; more; {
				p, err := w.hub.Page(context.Background(), "r", rg, 50)
				if err != nil || p.HasMore && len(p.Rows) == 0 {
					t.Fatalf("%s: %v", words(p), err)
				}
				if forth, more = forth+len(p.Rows), p.HasMore; more {
					rg = chat.Range{After: p.Rows[len(p.Rows)-1].Seq}
				}
			}
			if back != n || forth != n {
				t.Errorf("%d messages: %d backwards, %d forwards", n, back, forth)
			}
		})
	}
}

func TestPagesWhileTheStoreIsDown(t *testing.T) {
	run(t, func(c *hub.Config) { c.Limits.TailRecords = 10 }, func(w *world) {
		w.room("r", "ann")
		for range 20 {
			w.put(chat.KindMessage, "r", "ann") // offsets 1 to 20; the tail is 11 to 20
		}
		w.save()
		if _, err := w.hub.Page(context.Background(), "r", chat.Range{}, 5); err != nil || w.hist.pages != 1 {
			t.Fatalf("a room that is not open: %v, asked %d times", err, w.hist.pages)
		}
		w.attach("r", "ann", chat.AttachHead, &socket{})
		w.hist.set(func() { w.hist.down = true })
		for _, c := range []struct {
			rg    chat.Range
			limit int
			want  string
		}{
			{chat.Range{}, 5, "more true newer false asOf 20: 16 17 18 19 20"},
			{chat.Range{}, 10, "more true newer false asOf 20: 11 12 13 14 15 16 17 18 19 20 gap unavailable 0-10"},
			{chat.Range{Before: at(14)}, 2, "more true newer true asOf 20: 12 13"},
			{chat.Range{After: at(10)}, 3, "more true newer false asOf 20: 11 12 13"},
			{chat.Range{After: at(18)}, 3, "more false newer false asOf 20: 19 20"},
			{chat.Range{Around: at(15)}, 4, "more true newer true asOf 20: 14 15 16 17"},
			{chat.Range{Before: at(11)}, 5, ""},
			{chat.Range{After: at(9)}, 5, ""},
			{chat.Range{Around: at(11)}, 5, ""},
			{chat.Range{After: chat.AfterStart}, 5, ""},
		} {
			p, err := w.hub.Page(context.Background(), "r", c.rg, c.limit)
			if c.want == "" && !errors.Is(err, chat.ErrUnavailable) || c.want != "" && (err != nil || words(p) != c.want) {
				t.Errorf("%+v: got %s %v, want %s", c.rg, words(p), err, c.want)
			}
		}
	})
}

// A room whose first record the tail holds needs no history at all.
func TestYoungRoomNeedsNoHistory(t *testing.T) {
	run(t, nil, func(w *world) {
		w.room("r", "ann")
		w.attach("r", "ann", chat.AttachHead, &socket{})
		w.say("r", "ann")
		w.hist.set(func() { w.hist.down = true })
		p, err := w.hub.Page(context.Background(), "r", chat.Range{}, 50)
		if err != nil || words(p) != "more false newer false asOf 1: 1" {
			t.Errorf("%s %v", words(p), err)
		}
		if p, err = w.hub.Page(context.Background(), "r", chat.Range{After: chat.AfterStart}, 50); err != nil || len(p.Rows) != 1 {
			t.Errorf("%s %v", words(p), err)
		}
	})
}

// A copy that came later than any memory lies in the tail; where the history shows the first one, the copy is not shown.
func TestLateCopyAtTheSeam(t *testing.T) {
	run(t, func(c *hub.Config) { c.Limits.TailRecords, c.Limits.IDs = 3, 2 }, func(w *world) {
		w.room("r", "ann")
		w.attach("r", "ann", chat.AttachHead, &socket{})
		first := w.say("r", "ann") // 1
		for range 4 {
			w.say("r", "ann")
		}
		again := first
		again.Seq = 0
		w.relay(w.log.put(again)) // 6
		p, err := w.hub.Page(context.Background(), "r", chat.Range{}, 10)
		if err != nil || words(p) != "more false newer false asOf 6: 1 2 3 4 5" {
			t.Errorf("%s %v", words(p), err)
		}
	})
}
