package msglog

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Of a new topic the brokers hear one by one. So that one of them knows of none says little, and one that knows it is believed.

// everywhere asks every broker for a topic (nil: for all topics), all at once, and hands the answers to f, one at a time, until f says
// true. The error is nil if any broker has answered.
func (k *Kafka) everywhere(ctx context.Context, topic *string, f func(*kmsg.MetadataResponse) (enough bool)) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	type answer struct {
		res *kmsg.MetadataResponse
		err error
	}
	brokers := append(k.admin.SeedBrokers(), k.admin.DiscoveredBrokers()...)
	answers := make(chan answer, len(brokers))
	for _, b := range brokers {
		go func(b *kgo.Broker) {
			req := kmsg.NewPtrMetadataRequest()
			if topic != nil {
				one := kmsg.NewMetadataRequestTopic()
				one.Topic = topic
				req.Topics = append(req.Topics, one)
			}
			res, err := req.RequestWith(ctx, b)
			answers <- answer{res, err}
		}(b)
	}
	err, answered := error(kgo.ErrClientClosed), false
	for range brokers {
		a := <-answers
		if a.err != nil {
			err = a.err
			continue
		}
		if answered = true; f(a.res) {
			break
		}
	}
	if answered {
		return nil
	}
	return err
}

// find describes the topic as the first broker has it that knows it. UnknownTopicOrPartition: all that answered know of none.
func (k *Kafka) find(ctx context.Context) (topic kadm.TopicDetail, err error) {
	found := error(kerr.UnknownTopicOrPartition)
	err = k.everywhere(ctx, &k.topic, func(res *kmsg.MetadataResponse) bool {
		for _, t := range res.Topics {
			switch err := kerr.ErrorForCode(t.ErrorCode); {
			case err == nil:
				topic, found = detailOf(t), nil
				return true
			case !errors.Is(err, kerr.UnknownTopicOrPartition):
				found = err
			}
		}
		return false
	})
	if err != nil {
		return topic, err
	}
	return topic, found
}

func detailOf(t kmsg.MetadataResponseTopic) kadm.TopicDetail {
	d := kadm.TopicDetail{ID: kadm.TopicID(t.TopicID), IsInternal: t.IsInternal, Partitions: kadm.PartitionDetails{}}
	if t.Topic != nil {
		d.Topic = *t.Topic
	}
	for _, p := range t.Partitions {
		d.Partitions[p.Partition] = kadm.PartitionDetail{Topic: d.Topic, Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: p.Replicas, ISR: p.ISR, OfflineReplicas: p.OfflineReplicas, Err: kerr.ErrorForCode(p.ErrorCode)}
	}
	return d
}

// describe describes the topic as the client knows it; if it knows of none, as any broker does.
func (k *Kafka) describe(ctx context.Context) (kadm.TopicDetail, error) {
	topic, err := k.glance(ctx)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return k.find(ctx)
	}
	return topic, err
}

// glance describes the topic as the client knows it: from some broker, a moment ago.
func (k *Kafka) glance(ctx context.Context) (kadm.TopicDetail, error) {
	topics, err := k.adm.ListTopicsWithInternal(ctx, k.topic)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	t, ok := topics[k.topic]
	if !ok {
		return t, kerr.UnknownTopicOrPartition
	}
	return t, t.Err
}

// known repeats a question about the topic, which is there, until it reaches a broker that has heard of it.
func (k *Kafka) known(ctx context.Context, ask func() error) error {
	for unknown := error(nil); ; {
		err := ask()
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			unknown = err
		case unknown != nil && ctx.Err() != nil && err != nil:
			return unknown // which says more than that time is over
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return unknown
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// knownConfig is config of a topic that is there.
func (k *Kafka) knownConfig(ctx context.Context) (conf map[string]string, err error) {
	err = k.known(ctx, func() error {
		conf, err = k.config(ctx)
		return err
	})
	return conf, err
}

// generations gives those of which any broker knows a topic, lowest first. A broker that hangs is waited for: it may be the one that knows of
// the newest.
func (k *Kafka) generations(ctx context.Context) (out []int, err error) {
	seen, refused := map[int]bool{}, error(nil)
	err = k.everywhere(ctx, nil, func(res *kmsg.MetadataResponse) bool {
		for _, t := range res.Topics {
			n, ours := k.numberOf(t.Topic)
			switch err := kerr.ErrorForCode(t.ErrorCode); {
			case !ours || errors.Is(err, kerr.UnknownTopicOrPartition):
			case errors.Is(err, kerr.TopicAuthorizationFailed):
				refused = err
			default:
				seen[n] = true
			}
		}
		return false
	})
	for n := range seen {
		out = append(out, n)
	}
	slices.Sort(out)
	return out, errors.Join(err, refused)
}

// numberOf gives the generation whose topic has this name.
func (k *Kafka) numberOf(topic *string) (generation int, ok bool) {
	if topic == nil {
		return 0, false
	}
	rest, ok := strings.CutPrefix(*topic, k.opt.Name+"-g")
	n, err := strconv.Atoi(rest)
	return n, ok && err == nil && n >= 1 && n <= chat.MaxGeneration && topicName(k.opt.Name, n) == *topic
}

func (k *Kafka) findGeneration(ctx context.Context) error {
	if k.generation = k.opt.Generation; k.generation != 0 {
		return nil
	}
	all, err := k.generations(ctx)
	if err != nil {
		return err
	}
	k.generation = 1
	if len(all) > 0 {
		k.generation = all[len(all)-1]
	}
	return nil
}
