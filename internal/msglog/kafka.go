package msglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Kafka is chat.Log in a topic: one topic a generation, acks from all in-sync replicas, and the broker's own time stamps. The proof of a
// Mark is the leader epoch of the record there, plus one. Safe for concurrent use.
type Kafka struct {
	opt        KafkaOptions
	log        *slog.Logger
	topic      string
	topicID    [16]byte
	clusterID  string
	generation int
	partitions int
	batchMax   atomic.Int32 // bytes that the topic takes in one batch

	admin *kgo.Client // requests without a group: places, reads of a single partition, settings
	adm   *kadm.Client

	producing sync.RWMutex // held for writing while the producer is replaced
	producer  *kgo.Client
	lanes     []lane
	oversize  oversize
	refusals  refusals
	stats     kafkaCounters

	map_   atomic.Pointer[leaders]
	state  kafkaState
	starts firstPlaces

	life   context.Context // ends at Close
	end    context.CancelFunc
	ending sync.Once
	tasks  sync.WaitGroup
	joins  sync.WaitGroup

	joining sync.Mutex // between a Join that begins and Close
}

var _ chat.Log = (*Kafka)(nil)

// askWithin bounds one question to the brokers.
const askWithin = 2 * time.Second

// Info implements chat.Log. While the brokers do not answer it fails at once, with ErrUnavailable.
func (k *Kafka) Info(ctx context.Context) (chat.LogInfo, error) {
	info := chat.LogInfo{ID: k.id(), Generation: k.generation}
	if err := errors.Join(ctx.Err(), k.life.Err()); err != nil {
		return info, fmt.Errorf("ask Kafka how far the log reaches: %w: %w", chat.ErrUnavailable, err)
	}
	if err := k.state.problem(); err != nil {
		return info, fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
	}
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	first, last, err := k.places(asking)
	if err != nil {
		return info, fmt.Errorf("ask Kafka how far the log reaches: %w: %w", chat.ErrUnavailable, err)
	}
	for p := range k.partitions {
		info.Partitions = append(info.Partitions, chat.Partition{First: k.seq(first[p]), Last: k.seq(last[p]) - 1})
	}
	return info, nil
}

// id names the log: a topic that is deleted and made anew has another one, as has one of the same name in another cluster.
func (k *Kafka) id() string { return fmt.Sprintf("%s/%x", k.clusterID, k.topicID) }

// String names the log for people.
func (k *Kafka) String() string { return k.opt.String() + " (topic " + k.topic + ")" }

// Trim implements chat.Log.
func (k *Kafka) Trim(ctx context.Context, p int, through chat.Seq) error {
	if p < 0 || p >= k.partitions {
		return k.noPartition(p)
	}
	switch g := through.Generation(); {
	case g < k.generation:
		return nil
	case g > k.generation:
		return fmt.Errorf("trim the topic %s through %d: %w", k.topic, through, chat.ErrRewound)
	}
	if err := k.state.problem(); err != nil {
		return fmt.Errorf("trim: %w: %w", chat.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askWithin)
	defer cancel()
	first, end, err := k.places(ctx)
	if err != nil {
		return fmt.Errorf("trim the topic %s: %w: %w", k.topic, chat.ErrUnavailable, err)
	}
	to := min(through.Offset()+1, end[p])
	if to <= first[p] {
		return nil
	}
	res, err := k.adm.DeleteRecords(ctx, kadm.Offsets{k.topic: {int32(p): {Topic: k.topic, Partition: int32(p), At: to}}})
	if err == nil {
		err = res.Error()
	}
	k.starts.mu.Lock()
	k.starts.asked = time.Time{}
	k.starts.mu.Unlock()
	if err != nil {
		return fmt.Errorf("trim the topic %s: %w: %w", k.topic, chat.ErrUnavailable, err)
	}
	return nil
}

func (k *Kafka) seq(offset int64) chat.Seq { return chat.MakeSeq(k.generation, offset) }

func (k *Kafka) noPartition(p int) error {
	return chat.Errorf(chat.CodeInvalid, "the log has no partition %d, only %d", p, k.partitions)
}

// Close ends Join and Tail, waits a moment for what is being appended, runs every done, and hangs up. Not to be called from a done or a
// Handler.
func (k *Kafka) Close() error {
	k.ending.Do(func() {
		flush, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		k.producing.RLock()
		producer := k.producer
		k.producing.RUnlock()
		if producer != nil && k.state.problem() == nil {
			_ = producer.Flush(flush)
		}
		k.joining.Lock()
		k.end()
		k.joining.Unlock()
		k.joins.Wait()
		k.tasks.Wait()
		k.closeClients()
	})
	return nil
}

func (k *Kafka) closeClients() {
	k.producing.Lock()
	defer k.producing.Unlock()
	if k.producer != nil {
		k.producer.Close()
	}
	if k.admin != nil {
		k.admin.Close()
	}
}
