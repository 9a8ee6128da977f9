package history_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/store/storetest"
)

// nth is the n-th record of a room of messages with joins between them.
func nth(n int) chat.Record {
	kind := chat.KindMessage
	if n%4 == 2 {
		kind = chat.KindJoin
	}
	return change(kind, "r", chat.UserID(fmt.Sprint("u", n)), fmt.Sprint("m", n))
}

// filled is a double with n records of one room behind its create record.
func filled(n int) *double {
	d := newDouble()
	d.add(change(chat.KindCreate, "r", "owner", "create"))
	for i := range n {
		d.add(nth(i))
	}
	return d
}

// Every page, at every place that may go wrong, in rooms of all sizes at which a page ends, with W on every kind of edge (cases.md 18).
func TestEverySeam(t *testing.T) {
	for _, n := range []int{0, 1, 50, 100, 101, 200, 500, 501} {
		for _, saved := range slices.Compact([]int{0, 1, min(2, n+1), (n + 1) / 2, max(n-100, 1), max(n-50, 1), max(n, 1), n + 1}) {
			d := filled(n)
			if saved > 0 {
				d.save(saved, nil)
			}
			h, rows := d.history(history.Options{}), d.firsts("r")
			places := append(storetest.Places(rows), d.w-1, d.w, d.w+1, d.w+2, -5, math.MaxInt64)
			for i, r := range storetest.Ranges(places) {
				limit := []int{1, 2, 49, 50, 100}[(i+n+saved)%5]
				got, err := h.Page(t.Context(), "r", r, limit)
				if err != nil {
					t.Fatal(err)
				}
				want := storetest.Expect(rows, r, limit, d.end())
				want.AsOf = got.AsOf // a page that lies in the store is not read further
				if last := len(got.Rows) - 1; got.AsOf < d.w || last >= 0 && got.Rows[last].Seq > got.AsOf {
					t.Fatalf("%d rows, %d saved, %+v: as of %d", n, saved, r, got.AsOf)
				}
				storetest.SamePage(t, fmt.Sprintf("%d rows, %d saved, %+v, limit %d", n, saved, r, limit), got, want)
			}
		}
	}
}

// Walking either way gives each id once, by pages of every size, wherever W is; no empty page promises more.
func TestWalks(t *testing.T) {
	for _, n := range []int{0, 1, 50, 100, 101, 200, 500, 501} {
		for _, saved := range []int{1, n/2 + 1, n + 1} {
			d := filled(n)
			d.save(saved, nil)
			h, want := d.history(history.Options{}), ids(d.firsts("r"))
			for _, limit := range []int{7, 50, 100} {
				var up, down []chat.MessageID
				for r := (chat.Range{After: chat.AfterStart, All: true}); ; {
					p, err := h.Page(t.Context(), "r", r, limit)
					if err != nil || p.HasMore && len(p.Rows) < limit {
						t.Fatalf("%d rows promise more, %v", len(p.Rows), err)
					}
					if up = append(up, ids(p.Rows)...); !p.HasMore {
						break
					}
					r.After = p.Rows[len(p.Rows)-1].Seq
				}
				for r := (chat.Range{All: true}); ; {
					p, err := h.Page(t.Context(), "r", r, limit)
					if err != nil || p.HasMore && len(p.Rows) < limit {
						t.Fatalf("%d rows promise more, %v", len(p.Rows), err)
					}
					if down = append(ids(p.Rows), down...); !p.HasMore {
						break
					}
					r.Before = p.Rows[0].Seq
				}
				if !slices.Equal(up, want) || !slices.Equal(down, want) {
					t.Fatalf("%d rows, %d saved, by %d: up %d, down %d, want %d", n, saved, limit, len(up), len(down), len(want))
				}
			}
		}
	}
}

// Readers at once with one who writes, sends copies, and one who saves, each call late by some time: every page is exact as of its AsOf.
func TestReadersWhileWMoves(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			rng, mu := rand.New(rand.NewPCG(seed, 1)), sync.Mutex{}
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(n)
			}
			nap := func() { time.Sleep(time.Duration(draw(40)) * time.Millisecond) }
			d := newDouble()
			d.lag = func() time.Duration { return time.Duration(draw(8)) * time.Millisecond }
			d.add(change(chat.KindCreate, "r", "owner", "create"))
			h := d.history(history.Options{})
			var all sync.WaitGroup
			all.Go(func() {
				for i := range 300 {
					d.add(nth(i), change(chat.KindMessage, "other", "u", fmt.Sprint("o", i)))
					if draw(3) == 0 {
						d.add(nth(draw(i + 1)))
					}
					nap()
				}
			})
			all.Go(func() {
				for range 60 {
					time.Sleep(time.Duration(draw(300)) * time.Millisecond)
					d.mu.Lock()
					n := len(d.recs)
					d.mu.Unlock()
					d.save(max(1, n-draw(10)), nap)
				}
			})
			for range 6 {
				all.Go(func() {
					for range 60 {
						nap()
						read(t, d, h, draw)
					}
				})
			}
			all.Wait()
		})
	}
}

// read asks for something and compares it with the whole log.
func read(t *testing.T, d *double, h *history.History, draw func(int) int) {
	d.mu.Lock()
	n := len(d.recs)
	d.mu.Unlock()
	place := chat.MakeSeq(1, int64(draw(n+4)))
	switch kind := draw(5); kind {
	case 4:
		through := chat.MakeSeq(1, int64(n-1))
		after := min(place, through)
		p, err := h.Fill(t.Context(), "r", after, through)
		want := storetest.Expect(d.firsts("r"), chat.Range{After: after, All: true}, 2000, through)
		if err != nil || p.Gap != nil || !slices.Equal(ids(p.Rows), ids(want.Rows)) {
			t.Errorf("fill %d to %d: %v, gap %+v, %v; want %v", after, through, ids(p.Rows), p.Gap, err, ids(want.Rows))
		}
	default:
		r := []chat.Range{{}, {Before: place}, {After: place}, {Around: place}}[kind]
		r.All = draw(2) == 0
		limit := 1 + draw(20)
		p, err := h.Page(t.Context(), "r", r, limit)
		if err != nil {
			t.Errorf("%+v: %v", r, err)
			return
		}
		want := storetest.Expect(d.firsts("r"), r, limit, p.AsOf)
		if r.Before != 0 && r.Before <= p.AsOf || r.Around != 0 && r.Around <= p.AsOf || r.Before == 0 && r.Around == 0 {
			if p.HasMore != want.HasMore || p.Newer != want.Newer {
				t.Errorf("%+v limit %d as of %d: more %v newer %v, want %v, %v", r, limit, p.AsOf, p.HasMore, p.Newer, want.HasMore, want.Newer)
			}
		}
		if !slices.Equal(ids(p.Rows), ids(want.Rows)) {
			t.Errorf("%+v limit %d as of %d:\n got %v\nwant %v", r, limit, p.AsOf, ids(p.Rows), ids(want.Rows))
		}
	}
}

// Of what is appended in the middle of a read around a place beyond the log's end, no part is given without the rest.
func TestAroundWhileTheLogGrows(t *testing.T) {
	d := filled(5)
	h := d.history(history.Options{})
	place := chat.MakeSeq(1, 8)
	d.onPage = func() {
		if len(d.recs) == 6 {
			for i := range 6 {
				d.add(nth(10 + i))
			}
		}
	}
	p, err := h.Page(t.Context(), "r", chat.Range{Around: place, All: true}, 20)
	if err != nil {
		t.Fatal(err)
	}
	want := storetest.Expect(d.firsts("r"), chat.Range{Around: place, All: true}, 20, p.AsOf)
	if !slices.Equal(ids(p.Rows), ids(want.Rows)) {
		t.Errorf("as of %d: %v, want %v", p.AsOf, ids(p.Rows), ids(want.Rows))
	}
}
