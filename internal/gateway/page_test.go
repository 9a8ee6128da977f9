package gateway

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// rowsOf gives n rows of the same size, with seqs from 1.
func rowsOf(n, size int) (rows []chat.Record) {
	for i := range n {
		body := `{"x":"` + strings.Repeat("y", size) + `"}`
		rows = append(rows, chat.Record{Seq: chat.Seq(i + 1), Kind: chat.KindMessage, Room: "r", ID: "i", Body: []byte(body)})
	}
	return rows
}

func TestPagesAreCutAtTheRightEnd(t *testing.T) {
	rows := rowsOf(10, 936)
	size := rows[0].Size()
	for name, c := range map[string]struct {
		r              chat.Range
		first, last    chat.Seq
		hasMore, newer bool
	}{
		"newest": {chat.Range{}, 7, 10, true, false},
		"before": {chat.Range{Before: 11}, 7, 10, true, false},
		"after":  {chat.Range{After: chat.AfterStart}, 1, 4, true, true},
		"around": {chat.Range{Around: 5}, 4, 7, true, true},
	} {
		c.r.Bytes = 4 * size
		p := cutPage(chat.Page{Rows: slices.Clone(rows)}, c.r)
		if len(p.Rows) != 4 || p.Rows[0].Seq != c.first || p.Rows[3].Seq != c.last || p.HasMore != c.hasMore || p.Newer != c.newer {
			t.Errorf("%s: %d rows from %d, %+v", name, len(p.Rows), p.Rows[0].Seq, p)
		}
	}
	if p := cutPage(chat.Page{Rows: rows[:2], HasMore: true}, chat.Range{After: 1, Bytes: 1 << 20}); !p.HasMore || !p.Newer {
		t.Errorf("what comes after, whole: %+v", p)
	}
	if p := cutPage(chat.Page{Rows: rows[:1]}, chat.Range{Bytes: 1}); len(p.Rows) != 1 || p.HasMore {
		t.Errorf("one large message: %+v", p)
	}
}

// What is written by hand says what encoding/json would.
func TestPagesEncoded(t *testing.T) {
	type message struct {
		Seq chat.Seq `json:"seq"`
		X   string   `json:"x"`
	}
	type page struct {
		Room     string    `json:"room"`
		Messages []message `json:"messages"`
		HasMore  bool      `json:"hasMore"`
		Newer    bool      `json:"newer"`
		AsOf     chat.Seq  `json:"asOf"`
		Gap      *gapBody  `json:"gap"`
	}
	long := strings.Repeat("y", 2*encodeAtOnce)
	for name, c := range map[string]struct {
		p    chat.Page
		want page
	}{
		"empty": {chat.Page{}, page{Messages: []message{}}},
		"whole": {chat.Page{Rows: rowsOf(2, 1), HasMore: true, AsOf: 1<<53 - 1}, page{Messages: []message{{1, "y"}, {2, "y"}}, HasMore: true, AsOf: 1<<53 - 1}},
		"a gap": {chat.Page{Rows: rowsOf(1, 1), Newer: true, AsOf: 9, Gap: &chat.Gap{Room: `r"`, From: -1, To: 4, Reason: chat.GapUnavailable}},
			page{Messages: []message{{1, "y"}}, Newer: true, AsOf: 9, Gap: &gapBody{Room: `r"`, To: 4, Reason: chat.GapUnavailable}}},
		"long": {chat.Page{Rows: rowsOf(2, len(long))}, page{Messages: []message{{1, long}, {2, long}}}},
	} {
		for _, room := range []string{"", `"messages":[]`} {
			var got struct {
				OK   bool `json:"ok"`
				Data page `json:"data"`
			}
			data := struct {
				Room string `json:"room"`
				messagePage
			}{room, pageOf(c.p)}
			body := answerOfPage(data, c.p.Rows)
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%s: %v: %s", name, err, body)
			}
			c.want.Room = room
			if !got.OK || !reflect.DeepEqual(got.Data, c.want) {
				t.Errorf("%s: got %+v, want %+v", name, got.Data, c.want)
			}
		}
	}
}

func BenchmarkPage(b *testing.B) {
	p := chat.Page{Rows: rowsOf(16, 16<<10)}
	b.SetBytes(256 << 10)
	for b.Loop() {
		answerOfPage(pageOf(p), p.Rows)
	}
}
