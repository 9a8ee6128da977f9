package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// testEnough: a page ends where its bytes are enough, not before, and says that there is more; walking on by such pages gives every row.
func testEnough(t *testing.T, h Harness) {
	s := open(t, h)
	var rows []chat.Record
	for i := range 40 {
		text := strings.Repeat("x", 100*(i%5))
		rows = append(rows, record(at(2*i+1), chat.KindMessage, "r", "u", fmt.Sprint(i), func(b *chat.Body) { b.Text = &text }))
	}
	save(t, s, rows...)
	for _, bytes := range []int{1, 500, 2000, 1 << 20} {
		for i, r := range Ranges([]chat.Seq{rows[0].Seq, rows[7].Seq, rows[20].Seq + 1, rows[39].Seq}) {
			if h.Sample > 1 && (i+bytes)%h.Sample != 0 {
				continue
			}
			what := fmt.Sprintf("%+v, %d bytes", r, bytes)
			whole := page(t, s, "r", r, 30)
			r.Bytes = bytes
			enough(t, what, page(t, s, "r", r, 30), whole, r)
		}
		for _, r := range []chat.Range{{Bytes: bytes}, {After: chat.AfterStart, Bytes: bytes}} {
			same(t, fmt.Sprintf("walked by %d bytes, %+v", bytes, r), walk(t, s, r, 100), rows)
		}
	}
}

// enough holds a page that was to have bytes enough against the one without that bound.
func enough(t *testing.T, what string, got, whole chat.Page, r chat.Range) {
	t.Helper()
	middle := len(whole.Rows) // the first row that is above the place, where the page has two ends
	switch {
	case r.Around != 0:
		middle = slices.IndexFunc(append(whole.Rows, chat.Record{Seq: r.Around + 1}), func(x chat.Record) bool { return x.Seq > r.Around })
	case r.After != 0:
		middle = 0
	}
	low, lowCut := cutOff(whole.Rows[:middle], r, true)
	high, highCut := cutOff(whole.Rows[middle:], r, false)
	want := chat.Page{Rows: append(low, high...), AsOf: whole.AsOf, HasMore: whole.HasMore || lowCut, Newer: whole.Newer || highCut}
	if r.After != 0 {
		want.HasMore, want.Newer = whole.HasMore || highCut, whole.Newer
	}
	SamePage(t, what, got, want)
}

// cutOff gives the rows next to the page's place that are enough, and whether others were cut off.
func cutOff(rows []chat.Record, r chat.Range, newest bool) ([]chat.Record, bool) {
	rows = slices.Clone(rows)
	if newest {
		slices.Reverse(rows)
	}
	n, bytes := 0, 0
	for n < len(rows) && !r.Enough(bytes) {
		bytes += rows[n].Size()
		n++
	}
	cut := n < len(rows)
	rows = rows[:n]
	if newest {
		slices.Reverse(rows)
	}
	return rows, cut
}
