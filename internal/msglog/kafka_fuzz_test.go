package msglog

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// FuzzKafkaRecord: whatever another program writes into the topic, it is a record of ours in the partition of its room, passed over, or
// (a newer version's, under a room's key) where this process stops.
func FuzzKafkaRecord(f *testing.F) {
	good := chat.AppendRecord(nil, chat.Record{Kind: chat.KindMessage, Room: "lobby", ID: "i", User: "u", Body: []byte(`{}`)})
	p := byte(chat.PartitionOf("lobby", 4))
	newer := append([]byte{2}, good[1:]...)
	f.Add([]byte("lobby"), good, p)
	f.Add([]byte("lobby"), newer, p)
	f.Add([]byte(nil), newer, p)
	f.Add([]byte("lobby"), good[:10], p+1)
	f.Add([]byte(nil), []byte(nil), byte(0))
	f.Add([]byte("lobby"), []byte("plain text"), p)
	f.Fuzz(func(t *testing.T, key, value []byte, partition byte) {
		k := &Kafka{topic: "t", generation: 1, partitions: 4, log: slog.New(slog.DiscardHandler)}
		rec, ok, stop := k.record(&kgo.Record{Key: key, Value: value, Partition: int32(partition % 4), Offset: 7})
		switch {
		case ok && (stop != nil || rec.Seq != chat.MakeSeq(1, 7) || chat.PartitionOf(rec.Room, 4) != int(partition%4)):
			t.Fatalf("%q in partition %d is %+v, %v", value, partition%4, rec, stop)
		case stop != nil && (len(key) == 0 || !errors.Is(stop, chat.ErrNewer) || k.state.problem() == nil):
			t.Fatalf("%q under %q: %v", value, key, stop)
		case !ok && stop == nil && k.stats.foreign.Load() != 1:
			t.Fatalf("%q was passed over and not counted", value)
		}
	})
}

// FuzzKafkaPortion: whatever bytes a broker answers with, what is read lies where it was asked for, in order, and never goes back.
func FuzzKafkaPortion(f *testing.F) {
	f.Add([]byte(nil), int64(0))
	f.Add(make([]byte, 61), int64(5))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 49, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, int64(1))
	f.Fuzz(func(t *testing.T, batches []byte, from int64) {
		if from < 0 || from > 1<<43 {
			return
		}
		k := &Kafka{topic: "t", generation: 1, partitions: 1, log: slog.New(slog.DiscardHandler)}
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.RecordBatches, rp.HighWatermark, rp.LastStableOffset = batches, from+10, from+10
		got := k.portion(&rp, place{next: from, epoch: -1})
		if got.to.next < from {
			t.Fatalf("asked from %d, stands at %d", from, got.to.next)
		}
		last := chat.MakeSeq(1, from) - 1
		for _, r := range got.rs {
			if r.Seq <= last || r.Seq.Offset() >= got.to.next {
				t.Fatalf("%d behind %d, up to %d", r.Seq, last, got.to.next)
			}
			last = r.Seq
		}
	})
}
