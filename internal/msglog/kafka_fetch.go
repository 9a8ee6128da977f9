package msglog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// place is where a reader of a partition stands: before the record at next. epoch is the leader's of the record in front of it, -1: not known.
type place struct {
	next  int64
	epoch int32
}

// mark gives a place as readers see it.
func (k *Kafka) mark(at place) chat.Mark {
	return chat.Mark{Seq: k.seq(at.next) - 1, Proof: uint64(at.epoch + 1)}
}

// reading is what is asked of one partition.
type reading struct {
	p    int
	from place
	most int32 // bytes
}

// portion is what came of a reading. Records are ours, in order; to is where the next one begins: also behind markers, aborted records
// and what no hubbub wrote.
type portion struct {
	p     int
	rs    []chat.Record
	from  place
	to    place
	atEnd bool
	err   error
}

var decompressor = kgo.DefaultDecompressor()

// fetch reads from partitions of one broker; it waits so long for something to come. The error is for all of them.
func (k *Kafka) fetch(ctx context.Context, cl *kgo.Client, leader int32, rs []reading, wait time.Duration) ([]portion, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = int32(wait.Milliseconds()), 1, chat.MaxBatchBytes, 1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = k.topic, k.topicID
	from := map[int32]place{}
	for _, r := range rs {
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.PartitionMaxBytes = int32(r.p), r.from.next, r.most
		topic.Partitions = append(topic.Partitions, part)
		from[part.Partition] = r.from
	}
	req.Topics = append(req.Topics, topic)
	ctx, cancel := context.WithTimeout(ctx, wait+2*askWithin)
	defer cancel()
	res, err := cl.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	answer := res.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	var out []portion
	for _, t := range answer.Topics {
		for i := range t.Partitions {
			if at, ok := from[t.Partitions[i].Partition]; ok {
				out = append(out, k.portion(&t.Partitions[i], at))
			}
		}
	}
	return out, nil
}

// portion reads the answer for one partition.
func (k *Kafka) portion(rp *kmsg.FetchResponseTopicPartition, at place) portion {
	out := portion{p: int(rp.Partition), from: at, to: at}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: at.next, IsolationLevel: kgo.ReadCommitted(),
		Topic: k.topic, Partition: rp.Partition}, rp, decompressor, nil)
	for _, r := range fp.Records {
		if r.Offset < at.next {
			continue
		}
		if !r.Attrs.IsControl() {
			rec, ok, err := k.record(r)
			if err != nil { // those before it go out first
				if out.to.next == at.next {
					out.err = err
				}
				return out
			}
			if ok {
				out.rs = append(out.rs, rec)
			}
		}
		out.to = place{r.Offset + 1, r.LeaderEpoch}
	}
	if fp.Err != nil { // what is whole before it goes out first
		if out.to.next == at.next {
			out.err = fp.Err
		}
		return out
	}
	if next > out.to.next { // aborted records, whose marker is still to come
		out.to = place{next, -1}
	}
	out.atEnd = fp.LastStableOffset >= 0 && out.to.next >= fp.LastStableOffset
	return out
}

// record reads one of the topic's records. What no hubbub wrote is passed over: it belongs to no room. What a newer one wrote is not: it
// was acknowledged to somebody. The log then stops in front of it, for this process.
func (k *Kafka) record(r *kgo.Record) (rec chat.Record, ok bool, stop error) {
	rec, err := chat.ParseRecord(r.Value)
	if errors.Is(err, chat.ErrNewer) && len(r.Key) > 0 && chat.PartitionOf(chat.RoomID(r.Key), k.partitions) == int(r.Partition) {
		err = fmt.Errorf("the topic %s holds what this version can not read, in partition %d at %d: %w; run that version, nothing behind it is read or written by this one",
			k.topic, r.Partition, r.Offset, err)
		k.state.stop(err)
		return rec, false, err
	}
	if err == nil && chat.PartitionOf(rec.Room, k.partitions) != int(r.Partition) {
		err = fmt.Errorf("its room %q belongs to another partition", rec.Room)
	}
	if err != nil {
		if k.stats.foreign.Add(1) == 1 {
			k.log.Warn("the topic holds a record that no hubbub wrote; it and others like it are passed over", "topic", k.topic,
				"partition", r.Partition, "offset", r.Offset, "error", err)
		}
		return rec, false, nil
	}
	rec.Seq, rec.At = k.seq(r.Offset), r.Timestamp.UnixMilli()
	return rec, true, nil
}

// stand finds the place behind a mark, and holds its proof against the log. A mark of an older generation lies before this one's first
// record. Errors: ErrTrimmed, ErrRewound, ErrUnavailable.
func (k *Kafka) stand(ctx context.Context, p int, after chat.Mark) (place, error) {
	at := place{after.Seq.Offset() + 1, int32(after.Proof) - 1}
	switch g := after.Seq.Generation(); {
	case after.Seq < 0 || g > k.generation:
		return at, chat.ErrRewound
	case g < k.generation:
		at = place{0, -1}
	}
	if err := k.state.problem(); err != nil {
		return at, fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	if at.epoch < 0 || at.next == 0 {
		return at, nil
	}
	var epoch int32
	var end int64
	err := k.insist(ctx, func() (err error) {
		epoch, end, err = k.epochEnd(ctx, p, at.epoch)
		return err
	})
	switch {
	case err != nil:
		return at, fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	case epoch != at.epoch || end < at.next:
		return at, chat.ErrRewound
	}
	return at, nil
}

// readable gives the port's word for why a partition can not be read from a place; nil: try again, somebody else may lead it now.
func (k *Kafka) readable(ctx context.Context, p int, at place, err error) error {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		k.forgetStarts()
		ctx, cancel := context.WithTimeout(ctx, askWithin)
		defer cancel()
		first, end, askErr := k.places(ctx)
		switch {
		case askErr != nil:
			return nil
		case at.next < first[p]:
			return chat.ErrTrimmed
		case at.next > end[p]:
			return chat.ErrRewound
		}
		return nil
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	return nil
}
