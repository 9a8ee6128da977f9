package msglog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// What may wait in a producer; one more is ErrOverloaded.
const (
	produceRecords = 10_000
	produceBytes   = 64 << 20
)

// lane is what waits in one partition: a partition without a leader must not hold up the others.
type lane struct {
	mu      sync.Mutex
	waiting int
	since   time.Time // the last success, or when the first began to wait
}

type kafkaCounters struct {
	appended, refused, unknown, replaced, foreign atomic.Uint64
	waiting, wrong                                atomic.Int64
}

// KafkaStats counts what a log did since it was opened.
type KafkaStats struct {
	Appended uint64 // records acknowledged
	Refused  uint64 // never written
	Unknown  uint64 // perhaps written
	Replaced uint64 // producers that were stuck
	Foreign  uint64 // records in the topic that no hubbub wrote; passed over
	Waiting  int64  // now
	Wrong    int64  // settings of the topic that could lose messages, now
}

// Stats gives the counters.
func (k *Kafka) Stats() KafkaStats {
	c := &k.stats
	return KafkaStats{Appended: c.appended.Load(), Refused: c.refused.Load(), Unknown: c.unknown.Load(), Replaced: c.replaced.Load(),
		Foreign: c.foreign.Load(), Waiting: c.waiting.Load(), Wrong: c.wrong.Load()}
}

// newProducer makes a client that only writes. It waits for nobody: how long a sender waits is the sender's affair, and a record that was
// given up might still be written. Partitions are ours, never the client's, which follow the topic's count.
func (k *Kafka) newProducer() (*kgo.Client, error) {
	return kgo.NewClient(append(k.base(),
		kgo.AlwaysRetryEOF(), // who hangs up at the first question has much to do: that the settings are right the start has seen
		kgo.DefaultProduceTopic(k.topic), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(produceRecords), kgo.MaxBufferedBytes(produceBytes), kgo.ProducerLinger(0), kgo.ProduceRequestTimeout(10*time.Second),
		kgo.ProducerBatchMaxBytesFn(func(string) int32 { return k.batchMax.Load() }), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerOnDataLossDetected(func(topic string, p int32) {
			k.log.Error("Kafka says that it has lost what it had acknowledged", "topic", topic, "partition", p)
		}))...)
}

// Append implements chat.Log. A record whose encoding is above chat.MaxRecordSize is refused as too_large.
func (k *Kafka) Append(r chat.Record, done func(chat.Seq, error)) {
	body := chat.AppendRecord(make([]byte, 0, r.Size()), r)
	a := &appending{k: k, p: chat.PartitionOf(r.Room, k.partitions), done: done}
	if len(body) > chat.MaxRecordSize {
		a.refuse(chat.Errorf(chat.CodeTooLarge, "a record of %d bytes is above the limit of %d", len(body), chat.MaxRecordSize))
		return
	}
	a.record = &kgo.Record{Topic: k.topic, Partition: int32(a.p), Key: []byte(r.Room), Value: body}
	if k.life.Err() != nil {
		a.refuse(refused(errors.New("the log is closed")))
		return
	}
	if err := k.state.problem(); err != nil {
		a.refuse(refused(err))
		return
	}
	if !a.enter() {
		a.refuse(refused(fmt.Errorf("it has acknowledged nothing in partition %d for %v", a.p, k.opt.times.refuse)))
		return
	}
	a.produce()
}

// appending is one record on its way. Its context is the process's: who asked for it may leave.
type appending struct {
	k      *Kafka
	p      int
	record *kgo.Record
	done   func(chat.Seq, error)
	tries  int           // alone, since it was part of a batch that was too large
	alone  chan struct{} // not nil: it is sent alone, and this is told of each answer
	large  bool          // the last answer: too large, though perhaps by what the client put beside it
}

// enter takes a place in the partition's lane; false: the lane does not move.
func (a *appending) enter() bool {
	l := &a.k.lanes[a.p]
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.waiting == 0 {
		l.since = now
	} else if now.Sub(l.since) > a.k.opt.times.refuse {
		return false
	}
	l.waiting++
	a.k.stats.waiting.Add(1)
	return true
}

func (a *appending) leave(success bool) {
	l := &a.k.lanes[a.p]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting--
	if success {
		l.since = time.Now()
	}
	a.k.stats.waiting.Add(-1)
}

func (a *appending) produce() {
	a.k.producing.RLock()
	defer a.k.producing.RUnlock()
	a.k.producer.TryProduce(context.Background(), a.record, a.settle)
}

// settle is called by the client, for one record at a time and in order: it must not block.
func (a *appending) settle(r *kgo.Record, err error) {
	large := errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
	if large && a.alone == nil && a.k.oversize.add(a) { // perhaps a neighbour's fault
		return
	}
	if a.alone != nil {
		a.large = large && a.tries < aloneTries && a.k.life.Err() == nil
		defer func() { a.alone <- struct{}{} }()
		if a.large {
			return
		}
	}
	a.leave(err == nil)
	if err == nil {
		a.k.note(nil)
		a.k.stats.appended.Add(1)
		var seq chat.Seq
		if r.Offset >= 0 {
			seq = a.k.seq(r.Offset)
		}
		a.done(seq, nil)
		return
	}
	err = a.k.appendError(err)
	a.k.note(err)
	if errors.Is(err, chat.ErrUnknown) {
		a.k.stats.unknown.Add(1)
	} else {
		a.k.stats.refused.Add(1)
	}
	a.done(0, err)
}

// refuse answers without trying, never on the caller's own stack: he may hold a lock that done takes.
func (a *appending) refuse(err error) {
	a.k.stats.refused.Add(1)
	go a.done(0, err)
}

// appendError gives the port's word for what became of an append: what the broker refused outright was never written, of anything else
// nobody can be sure.
func (k *Kafka) appendError(err error) error {
	var broker *kerr.Error
	switch {
	case errors.Is(err, kgo.ErrMaxBuffered):
		return fmt.Errorf("append to Kafka: %w: %w", chat.ErrOverloaded, err)
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return chat.Errorf(chat.CodeTooLarge, "the topic %s takes no record of this size: its max.message.bytes is %d", k.topic, k.batchMax.Load())
	case errors.Is(err, kerr.InvalidTimestamp):
		return refused(fmt.Errorf("the clock of this node is too far from the broker's, or the topic %s does not use the broker's time (message.timestamp.type): %w", k.topic, err))
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException),
		errors.Is(err, kerr.InvalidRecord), errors.Is(err, kerr.PolicyViolation), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return refused(err)
	case errors.As(err, &broker), err != nil:
		return fmt.Errorf("append to Kafka: %w: %w", chat.ErrUnknown, err)
	}
	return err
}

// stuck gives the partition that has waited longest for a success, if that is longer than d; else no time.
func (k *Kafka) stuck(d time.Duration) (worst int, silent time.Duration) {
	for p := range k.lanes {
		l := &k.lanes[p]
		l.mu.Lock()
		if l.waiting > 0 {
			if s := time.Since(l.since); s > d && s > silent {
				worst, silent = p, s
			}
		}
		l.mu.Unlock()
	}
	return worst, silent
}

// replaceProducer closes a producer that is stuck: what waits in it is answered ErrUnknown, so that copies of one send lie close together
// in the log. Its fresh successor begins with empty lanes.
func (k *Kafka) replaceProducer(silent time.Duration) {
	fresh, err := k.newProducer()
	if err != nil {
		return
	}
	k.producing.Lock()
	old := k.producer
	k.producer = fresh
	k.producing.Unlock()
	k.stats.replaced.Add(1)
	k.log.Warn("the producer of Kafka is replaced: it has acknowledged nothing", "topic", k.topic, "for", silent.Round(time.Second))
	k.tasks.Go(old.Close)
	for p := range k.lanes {
		l := &k.lanes[p]
		l.mu.Lock()
		l.since = time.Now()
		l.mu.Unlock()
	}
}
