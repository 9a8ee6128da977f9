package msglog_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// A topic may be compressed (compression.type is the broker's affair): then a reading of a few kilobytes is many megabytes. A reader gets no
// more at once than the port says, and all of it.
func TestKafkaCompressedRecordsComeInPieces(t *testing.T) {
	t.Parallel()
	_, addr := fakes(t)
	k := kafkaAt(t, addr, "pressed", onePartition)
	cl, _ := tools(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("pressed-g1"),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	const count, size, most = 100, 200 << 10, 8 << 20
	var rs []*kgo.Record
	for i := range count {
		r := message(i, size)
		rs = append(rs, &kgo.Record{Key: []byte(r.Room), Value: chat.AppendRecord(nil, r)})
	}
	if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	seen, enough := 0, errors.New("enough")
	var last chat.Seq
	err := k.Tail(t.Context(), 0, chat.Mark{}, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		bytes := 0
		for _, r := range rs {
			if bytes += len(r.Body); r.ID != message(seen, 0).ID || r.Seq <= last || r.Seq > upTo.Seq {
				t.Errorf("record %d is %s at %d", seen, r.ID, r.Seq)
			}
			last = r.Seq
			seen++
		}
		if bytes > most {
			t.Errorf("%d bytes at once", bytes)
		}
		if atEnd {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != count {
		t.Errorf("read %d of %d, %v", seen, count, err)
	}
}
