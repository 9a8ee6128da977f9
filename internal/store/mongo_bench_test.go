package store_test

import (
	"fmt"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// BenchmarkMongo: saving in batches of 500, and pages of 50 out of a room's 1,000 rows. What it says of FerretDB says nothing of MongoDB.
func BenchmarkMongo(b *testing.B) {
	b.Run("save 500", func(b *testing.B) {
		s, _ := freshMongo(b)
		fillStore(b, s, 1)
		batch := func(n int) (cs []chat.Change, w chat.Mark) {
			for i := range 500 {
				place := int64(200 + 500*n + i)
				r := chat.Record{Seq: chat.MakeSeq(1, place), Kind: chat.KindMessage, Room: chat.RoomID(fmt.Sprint("r", i%10)),
					ID: chat.MessageID(fmt.Sprint("b", place)), User: "u", Body: fmt.Appendf(nil, `{"text":"%0200d"}`, place)}
				cs, w = append(cs, chat.Change{Row: r}), chat.Mark{Seq: r.Seq}
			}
			return cs, w
		}
		n := 0
		for b.Loop() {
			cs, w := batch(n)
			if n++; n > 40 {
				b.Fatal("too much for a FerretDB: give -benchtime 30x or less")
			}
			if err := s.Save(b.Context(), 0, cs, w); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("page 50", func(b *testing.B) {
		s, _ := freshMongo(b)
		fillStore(b, s, 1000)
		for b.Loop() {
			if p, err := s.Page(b.Context(), "r", chat.Range{}, 50); err != nil || len(p.Rows) != 50 {
				b.Fatal(err)
			}
		}
	})
}
