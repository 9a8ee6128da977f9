package msglog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Questions about places go to the brokers that lead the partitions, and to no other first, as the client itself would do to learn who
// they are: one that hangs has no say in where others' partitions end.

// firstPlaces remembers where the partitions begin: only Trim, here or on another node, moves that, and only up.
type firstPlaces struct {
	mu    sync.Mutex
	at    []int64
	asked time.Time
}

// startsFor is how long a remembered beginning is believed.
const startsFor = time.Second

// places asks where each partition begins, and where it ends for readers: behind the last record that no open transaction holds back.
func (k *Kafka) places(ctx context.Context) (first, end []int64, err error) {
	k.starts.mu.Lock()
	first = k.starts.at
	fresh := time.Since(k.starts.asked) < startsFor
	k.starts.mu.Unlock()
	var wg sync.WaitGroup
	var errFirst, errEnd error
	if !fresh {
		wg.Go(func() { first, errFirst = k.offsets(ctx, atFirst) })
	}
	wg.Go(func() { end, errEnd = k.offsets(ctx, atEnd) })
	wg.Wait()
	if err := errors.Join(errFirst, errEnd); err != nil {
		return nil, nil, err
	}
	if !fresh {
		k.remember(first)
	}
	for p := range end {
		end[p] = max(end[p], first[p])
	}
	return first, end, nil
}

func (k *Kafka) remember(first []int64) {
	k.starts.mu.Lock()
	defer k.starts.mu.Unlock()
	k.starts.at, k.starts.asked = first, time.Now()
}

func (k *Kafka) forgetStarts() {
	k.starts.mu.Lock()
	defer k.starts.mu.Unlock()
	k.starts.asked = time.Time{}
}

// The places that ListOffsets knows by a number. See the Kafka protocol, ListOffsets.
const (
	atFirst = -2
	atEnd   = -1 // for readers of what is committed
)

func (k *Kafka) offsets(ctx context.Context, at int64) (out []int64, err error) {
	err = k.insist(ctx, func() error {
		out, err = k.askOffsets(ctx, at)
		return err
	})
	return out, err
}

// insist asks until there is an answer, no matter which, or time is over, or all brokers are away. A topic may just have been made, a
// leader just have changed, a connection been closed since it was idle.
func (k *Kafka) insist(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		var broker *kerr.Error
		if err == nil || errors.As(err, &broker) && !broker.Retriable || ctx.Err() != nil || k.state.problem() != nil {
			return err
		}
		k.refresh(ctx)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (k *Kafka) askOffsets(ctx context.Context, at int64) ([]int64, error) {
	by := map[int32][]kmsg.ListOffsetsRequestTopicPartition{}
	for p := range k.partitions {
		leader, ok := k.leader(p)
		if !ok {
			return nil, errNoLeader
		}
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = int32(p), at
		by[leader] = append(by[leader], part)
	}
	out := slices.Repeat([]int64{-1}, k.partitions)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for leader, parts := range by {
		wg.Go(func() {
			answer, err := k.askLeader(ctx, leader, parts)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			}
			for _, part := range answer {
				if p := int(part.Partition); p >= 0 && p < len(out) {
					out[p] = part.Offset
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return nil, errs[0]
	}
	if p := slices.Index(out, -1); p >= 0 {
		return nil, fmt.Errorf("the topic %s has no partition %d", k.topic, p)
	}
	return out, nil
}

func (k *Kafka) askLeader(ctx context.Context, leader int32, parts []kmsg.ListOffsetsRequestTopicPartition) (out []kmsg.ListOffsetsResponseTopicPartition, err error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = 1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic, topic.Partitions = k.topic, parts
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(ctx, k.admin.Broker(int(leader)))
	if err != nil {
		return nil, err
	}
	for _, t := range res.Topics {
		for _, part := range t.Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				return nil, err
			}
		}
		out = append(out, t.Partitions...)
	}
	return out, nil
}

// epochEnd asks the leader of a partition where the records of a leader's epoch end. epoch is the highest at or below the one asked for.
func (k *Kafka) epochEnd(ctx context.Context, p int, of int32) (epoch int32, end int64, err error) {
	leader, ok := k.leader(p)
	if !ok {
		return 0, 0, errNoLeader
	}
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	part.Partition, part.LeaderEpoch = int32(p), of
	topic.Topic, topic.Partitions = k.topic, append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(ctx, k.admin.Broker(int(leader)))
	if err != nil {
		return 0, 0, err
	}
	for _, t := range res.Topics {
		for _, part := range t.Partitions {
			if t.Topic == k.topic && int(part.Partition) == p {
				return part.LeaderEpoch, part.EndOffset, kerr.ErrorForCode(part.ErrorCode)
			}
		}
	}
	return 0, 0, errNoLeader
}
