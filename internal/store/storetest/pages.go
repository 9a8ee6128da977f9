package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// sizes are the counts at which pages go wrong (cases.md 18).
var sizes = []int{0, 1, 50, 100, 101, 200, 500, 501}

// filled gives a store whose room "r" has n messages and tombstones, with joins between and other rooms' records all around. Every
// second place is never used by the room.
func filled(t *testing.T, h Harness, n int) (Store, []chat.Record) {
	t.Helper()
	s := open(t, h)
	var log, rows []chat.Record
	for i, talk := 1, 0; talk < n; i++ {
		kind := chat.KindMessage
		switch {
		case i%7 == 3:
			kind = chat.KindJoin
		case i%11 == 5:
			kind = chat.KindTombstone
		}
		if kind != chat.KindJoin {
			talk++
		}
		r := record(at(2*i), kind, "r", "u", fmt.Sprint(i))
		rows = append(rows, r)
		log = append(log, record(at(2*i-1), chat.KindMessage, "other", "u", fmt.Sprint(i)), r)
	}
	log = append(log, record(at(2*len(rows)+9), chat.KindMessage, "other", "u", "last"))
	for batch := range slices.Chunk(log, 200) {
		save(t, s, batch...)
	}
	return s, rows
}

// Expect is the reference of a page: what of rows, all through w, a range asks for.
func Expect(rows []chat.Record, r chat.Range, limit int, w chat.Seq) chat.Page {
	p := chat.Page{AsOf: w}
	var kept []chat.Record
	for _, row := range rows {
		if row.Seq <= w && (r.All || row.Kind == chat.KindMessage || row.Kind == chat.KindTombstone) {
			kept = append(kept, row)
		}
	}
	cut := func(place chat.Seq) (low, high []chat.Record) { // at or below, above
		i := 0
		for i < len(kept) && kept[i].Seq <= place {
			i++
		}
		return kept[:i], kept[i:]
	}
	newest := func(rs []chat.Record, n int) ([]chat.Record, bool) { return rs[max(0, len(rs)-n):], len(rs) > n }
	oldest := func(rs []chat.Record, n int) ([]chat.Record, bool) { return rs[:min(n, len(rs))], len(rs) > n }
	switch {
	case r.Around != 0:
		low, high := cut(r.Around)
		low, p.HasMore = newest(low, (limit+1)/2)
		high, p.Newer = oldest(high, limit/2)
		p.Rows = append(low[:len(low):len(low)], high...)
	case r.After != 0:
		_, high := cut(max(r.After, 0))
		p.Rows, p.HasMore = oldest(high, limit)
	default:
		before := r.Before
		if before == 0 {
			before = w + 1
		}
		low, high := cut(before - 1)
		p.Rows, p.HasMore = newest(low, limit)
		p.Newer = len(high) > 0
	}
	return p
}

// SamePage compares a page with the reference.
func SamePage(t *testing.T, what string, got, want chat.Page) {
	t.Helper()
	if got.HasMore != want.HasMore || got.Newer != want.Newer || got.AsOf != want.AsOf || got.Gap != nil {
		t.Fatalf("%s: got hasMore %v, newer %v, asOf %d, gap %+v; want %v, %v, %d, no gap", what,
			got.HasMore, got.Newer, got.AsOf.Offset(), got.Gap, want.HasMore, want.Newer, want.AsOf.Offset())
	}
	same(t, what, got.Rows, want.Rows)
}

// Places are those at which a page may go wrong: before, at and behind the first, middle and last row, and far outside.
func Places(rows []chat.Record) []chat.Seq {
	out := []chat.Seq{1, at(0), at(1), chat.MakeSeq(5, 0), 1 << 53}
	for _, i := range []int{0, 1, len(rows) / 2, len(rows) - 2, len(rows) - 1} {
		if i >= 0 && i < len(rows) {
			out = append(out, rows[i].Seq-1, rows[i].Seq, rows[i].Seq+1)
		}
	}
	return out
}

// Ranges are all ways of asking at the given places.
func Ranges(places []chat.Seq) []chat.Range {
	out := []chat.Range{{}, {All: true}, {After: chat.AfterStart}, {After: chat.AfterStart, All: true}}
	for _, p := range places {
		for _, all := range []bool{false, true} {
			out = append(out, chat.Range{Before: p, All: all}, chat.Range{After: p, All: all}, chat.Range{Around: p, All: all})
		}
	}
	return out
}

func testEdges(t *testing.T, h Harness) {
	for _, n := range sizes {
		if h.Sample > 4 && (n == 200 || n == 500) {
			continue // 101 and 501 are tried
		}
		s, rows := filled(t, h, n)
		walks(t, h, s, n, rows)
		w := page(t, s, "r", chat.Range{}, 1).AsOf
		limits := []int{1, 2, 49, 50, 100}
		for i, r := range Ranges(Places(rows)) {
			if h.Sample > 1 && n > 50 && (i+n)%h.Sample != 0 {
				continue
			}
			limit := limits[(i+n)%5] // each range by another one, in each size
			SamePage(t, fmt.Sprintf("%d rows, %+v, limit %d", n, r, limit), page(t, s, "r", r, limit), Expect(rows, r, limit, w))
		}
		for _, limit := range []int{n - 1, n, n + 1, len(rows), len(rows) + 1} {
			for i, r := range Ranges(nil) {
				if limit > 0 && (h.Sample <= 1 || n <= 101 || (i+limit)%4 == 0) {
					SamePage(t, fmt.Sprintf("%d rows, %+v, limit %d", n, r, limit), page(t, s, "r", r, limit), Expect(rows, r, limit, w))
				}
			}
		}
	}
}

// walks: walking either way gives each id once, and no empty page promises more.
func walks(t *testing.T, h Harness, s Store, n int, rows []chat.Record) {
	t.Helper()
	for _, all := range []bool{false, true} {
		want := Expect(rows, chat.Range{All: all}, MaxPage, chat.MakeSeq(2, 0)).Rows
		for _, limit := range []int{1, 50, 100} {
			if limit == 1 && n > 50 || h.Sample > 1 && limit == 50 && n > 101 {
				continue
			}
			same(t, fmt.Sprintf("%d rows walked down by %d", n, limit), walk(t, s, chat.Range{All: all}, limit), want)
			same(t, fmt.Sprintf("%d rows walked up by %d", n, limit), walk(t, s, chat.Range{All: all, After: chat.AfterStart}, limit), want)
		}
	}
}

func walk(t *testing.T, s Store, r chat.Range, limit int) (out []chat.Record) {
	t.Helper()
	for {
		p := page(t, s, "r", r, limit)
		if len(p.Rows) > limit || len(p.Rows) == 0 && p.HasMore || len(out) > MaxPage {
			t.Fatalf("%+v: %d rows of at most %d, hasMore %v, after %d rows", r, len(p.Rows), limit, p.HasMore, len(out))
		}
		if r.After != 0 {
			out = append(out, p.Rows...)
		} else {
			out = append(slices.Clone(p.Rows), out...)
		}
		if !p.HasMore {
			return out
		}
		if r.After != 0 {
			r.After = p.Rows[len(p.Rows)-1].Seq
		} else {
			r.Before = p.Rows[0].Seq
		}
	}
}

// testAround pins how the halves are cut: the lower one has the odd row, and neither makes up for what the other lacks.
func testAround(t *testing.T, h Harness) {
	s, rows := filled(t, h, 50)
	p := page(t, s, "r", chat.Range{Around: rows[10].Seq, All: true}, 5)
	same(t, "around the middle", p.Rows, rows[8:13])
	p = page(t, s, "r", chat.Range{Around: rows[10].Seq + 1, All: true}, 4)
	same(t, "around a place never used", p.Rows, rows[9:13])
	p = page(t, s, "r", chat.Range{Around: rows[0].Seq, All: true}, 10)
	same(t, "around the first", p.Rows, rows[:6])
	if p.HasMore || !p.Newer {
		t.Fatalf("around the first: hasMore %v, newer %v", p.HasMore, p.Newer)
	}
}

// testAboveW: a row above W is there for Save and ByID only. W may stand exactly on a row, or beside it.
func testAboveW(t *testing.T, h Harness) {
	var rows []chat.Record
	for i := range 20 {
		rows = append(rows, record(at(10+2*i), chat.KindMessage, "r", "u", fmt.Sprint(i)))
	}
	s := open(t, h)
	for _, w := range []int{5, 9, 10, 11, 28, 29, 47, 48, 49} {
		must(t, s.Save(ctxOf(t), 0, changes(rows...), chat.Mark{Seq: at(w)}))
		for i, r := range Ranges([]chat.Seq{at(9), at(10), at(11), at(w - 1), at(w), at(w + 1), at(48), at(49)}) {
			if h.Sample > 1 && (i+w)%h.Sample != 0 {
				continue
			}
			for _, limit := range []int{[]int{1, 7}[i%2], []int{20, 21}[i/2%2]} {
				SamePage(t, fmt.Sprintf("W %d, %+v, limit %d", w, r, limit), page(t, s, "r", r, limit), Expect(rows, r, limit, at(w)))
			}
		}
		p, err := s.Changed(ctxOf(t), "r", 0, 50)
		must(t, err)
		same(t, fmt.Sprintf("changed, W %d", w), p.Rows, Expect(rows, chat.Range{}, 50, at(w)).Rows)
	}
}

func testChanged(t *testing.T, h Harness) {
	s, rows := filled(t, h, 101)
	for _, after := range append(Places(rows), 0, chat.AfterStart) {
		for _, limit := range []int{1, 50, len(rows), len(rows) + 1} {
			p, err := s.Changed(ctxOf(t), "r", after, limit)
			must(t, err)
			want := Expect(rows, chat.Range{After: max(after, 1), All: true}, limit, p.AsOf)
			SamePage(t, fmt.Sprintf("changed after %d, limit %d", after, limit), p, want)
		}
	}
	p, err := s.Changed(ctxOf(t), "nowhere", 0, 5)
	if err != nil || len(p.Rows) > 0 || p.HasMore || p.AsOf == 0 {
		t.Fatalf("a room that is not there: %+v, %v", p, err)
	}
}

func testByID(t *testing.T, h Harness) {
	s := open(t, h)
	r := record(at(3), chat.KindMessage, "r", "u", "a")
	must(t, s.Save(ctxOf(t), 0, changes(r), chat.Mark{Seq: at(1)})) // above W
	got, err := s.ByID(ctxOf(t), "r", r.ID)
	must(t, err)
	same(t, "by id", []chat.Record{got}, []chat.Record{r})
	for _, c := range []struct {
		room chat.RoomID
		id   chat.MessageID
	}{{"r", "nothing"}, {"other", r.ID}, {"", ""}} {
		if _, err := s.ByID(ctxOf(t), c.room, c.id); !errors.Is(err, chat.ErrNotFound) {
			t.Fatalf("%+v: %v", c, err)
		}
	}
}

func testLimits(t *testing.T, h Harness) {
	s := open(t, h)
	for _, limit := range []int{0, -1, 1 << 30} {
		_, errPage := s.Page(ctxOf(t), "r", chat.Range{}, limit)
		_, errChanged := s.Changed(ctxOf(t), "r", 0, limit)
		_, _, errList := s.List(ctxOf(t), chat.RoomQuery{Limit: limit}, "")
		_, _, errMembers := s.Members(ctxOf(t), "r", "", limit)
		_, _, errOf := s.RoomsOf(ctxOf(t), "u", "", limit)
		for _, err := range []error{errPage, errChanged, errList, errMembers, errOf} {
			wantCode(t, fmt.Sprint("limit ", limit), err, chat.CodeInvalid)
		}
	}
	page(t, s, "r", chat.Range{}, MaxPage)
}

// testWholeRows: every field comes back as it was, whatever is in it.
func testWholeRows(t *testing.T, h Harness) {
	s := open(t, h)
	nul := record(at(80), chat.KindMessage, "r", "u\x00", "nul")
	err := s.Save(ctxOf(t), 0, changes(record(at(79), chat.KindMessage, "r", "u", "before"), nul), chat.Mark{Seq: at(1)})
	var never *chat.Unstorable
	switch {
	case !h.deviates(RefusesNUL):
		must(t, err)
		got, err := s.ByID(ctxOf(t), "r", nul.ID)
		must(t, err)
		same(t, "a row with U+0000", []chat.Record{got}, []chat.Record{nul})
	case !errors.As(err, &never) || never.Index != 1:
		t.Fatalf("a row with U+0000: %v", err)
	default:
		_, err = s.ByID(ctxOf(t), "r", chat.MakeMessageID("r", "u", "before"))
		wantCode(t, "of the batch", err, chat.CodeNotFound)
	}
	s = open(t, h)
	texts := []string{"", "plain", "'\"`;--%_\\", "\u2028\u001e\x7f", "𝄞 e\u0301 ß İ", "\\u0000 spelt out"}
	var rows []chat.Record
	for i, text := range texts {
		r := record(at(i+1), chat.KindMessage, "r", chat.UserID("u'"+text), fmt.Sprint(i), func(b *chat.Body) { b.Text = &text })
		r.Subject, r.Sum, r.At, r.Sent = chat.UserID(text), 1<<64-1-uint64(i), -1, 1<<62
		rows = append(rows, r)
	}
	big := record(at(90), chat.KindMessage, "r", "u", "big", func(b *chat.Body) {
		text := string(slices.Repeat([]byte{1}, 16<<10))
		b.Text = &text
	})
	save(t, s, append(rows, big)...)
	same(t, "rows", page(t, s, "r", chat.Range{}, 10).Rows, append(rows, big))
}
