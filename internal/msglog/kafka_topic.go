package msglog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// ErrNoTopic says that a topic is missing which had to be there.
var ErrNoTopic = errors.New("the topic is missing")

// badTopic says that a topic can not hold what was promised, or (ErrNoTopic) is not there.
type badTopic struct {
	text  string
	cause error
}

func (b *badTopic) Error() string { return b.text }
func (b *badTopic) Unwrap() error { return b.cause }

func badTopicf(format string, args ...any) *badTopic {
	return &badTopic{text: fmt.Sprintf(format, args...)}
}

const (
	// batchLimit is what a topic takes in one batch when it is made, and the most that is sent in one, in bytes.
	batchLimit = 2 << 20
	// leastBatch is the smallest limit that our largest record passes, with what Kafka puts around it.
	leastBatch = chat.MaxRecordSize + 4096
)

// settings are what the promises rest on: nothing goes but by Trim, time stamps are the broker's. What differs is put right and said.
var settings = []struct{ name, value, why string }{
	{"cleanup.policy", "delete", "compaction keeps one message of a room"},
	{"retention.ms", "-1", "Kafka would delete what the store does not have yet"},
	{"retention.bytes", "-1", "Kafka would delete what the store does not have yet"},
	{"message.timestamp.type", "LogAppendTime", "a node whose clock is wrong could not send, or would spoil the order of times"},
}

// openTopic makes the topic where there is none (any number of nodes may do so at once), and looks at the one that is there.
func (k *Kafka) openTopic(ctx context.Context, mayMake bool) error {
	topic, err := k.describe(ctx)
	if errors.Is(err, kerr.UnknownTopicOrPartition) && mayMake {
		if err := k.makeTopic(ctx); err != nil {
			return err
		}
		topic, err = k.awaitTopic(ctx)
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return &badTopic{fmt.Sprintf("there is no topic %s in %s", k.topic, k.opt), ErrNoTopic}
	}
	if err != nil {
		return err
	}
	k.topicID, k.partitions = topic.ID, len(topic.Partitions)
	if k.partitions > maxPartitions {
		return badTopicf("the topic %s has %d partitions, and Hubbub takes %d at most", k.topic, k.partitions, maxPartitions)
	}
	if want := k.opt.Partitions; want != 0 && want != k.partitions {
		return badTopicf("the topic %s has %d partitions, but the address says partitions=%d: the count is fixed for a generation; leave it out, or begin a new generation with hubbub log next",
			k.topic, k.partitions, want)
	}
	k.setLeaders(topic)
	if err := k.checkReplicas(ctx, topic); err != nil {
		return err
	}
	return k.checkSettings(ctx)
}

// awaitTopic waits until the client has heard of a new topic, and of a leader for each partition.
func (k *Kafka) awaitTopic(ctx context.Context) (topic kadm.TopicDetail, err error) {
	for {
		if topic, err = k.glance(ctx); err == nil {
			ready := true
			for _, p := range topic.Partitions {
				ready = ready && p.Err == nil && p.Leader >= 0
			}
			if ready && len(topic.Partitions) > 0 {
				return topic, nil
			}
		} else if !errors.Is(err, kerr.UnknownTopicOrPartition) && !kerr.IsRetriable(err) {
			return topic, err
		}
		select {
		case <-ctx.Done():
			return topic, errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// makeTopic makes it; that it exists by now is as good.
func (k *Kafka) makeTopic(ctx context.Context) error {
	brokers, err := k.adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	replicas := k.opt.Replication
	if replicas == 0 {
		replicas = min(3, len(brokers))
	}
	if replicas < 2 && !k.opt.AllowSingleBroker {
		return badTopicf("%s has one broker: its loss would lose acknowledged messages; add two brokers, or say --allow-single-broker", k.opt)
	}
	if replicas > len(brokers) {
		return badTopicf("%s has %d brokers, and replication=%d needs as many copies", k.opt, len(brokers), replicas)
	}
	conf := map[string]*string{}
	set := func(name, value string) { conf[name] = &value }
	for _, s := range settings {
		set(s.name, s.value)
	}
	set("max.message.bytes", strconv.Itoa(batchLimit))
	set("min.insync.replicas", strconv.Itoa(min(2, replicas)))
	set("unclean.leader.election.enable", "false")
	count := k.opt.Partitions
	if count == 0 {
		count = kafkaPartitions
	}
	_, err = k.adm.CreateTopic(ctx, int32(count), int16(replicas), conf, k.topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	if err == nil {
		k.log.Info("made the topic", "topic", k.topic, "partitions", count, "replicas", replicas)
	}
	return nil
}

// checkReplicas refuses a topic of which the loss of one broker could take acknowledged records along.
func (k *Kafka) checkReplicas(ctx context.Context, topic kadm.TopicDetail) error {
	conf, err := k.knownConfig(ctx)
	if err != nil {
		return err
	}
	insync, _ := strconv.Atoi(conf["min.insync.replicas"])
	replicas := topic.Partitions.NumReplicas()
	if insync > replicas {
		return badTopicf("the topic %s has %s but min.insync.replicas=%d: no message could ever be acknowledged; raise the one or lower the other",
			k.topic, count(replicas, "copy", "copies"), insync)
	}
	if k.opt.AllowSingleBroker {
		return nil
	}
	switch {
	case replicas < 2:
		return badTopicf("the topic %s has one copy: the loss of its broker would lose acknowledged messages; give it three, or say --allow-single-broker", k.topic)
	case insync < 2:
		return badTopicf("the topic %s has min.insync.replicas=%d, so that an acknowledged message may be on one broker alone; set it to 2, or say --allow-single-broker", k.topic, insync)
	}
	return nil
}

func (k *Kafka) config(ctx context.Context) (map[string]string, error) {
	all, err := k.adm.DescribeTopicConfigs(ctx, k.topic)
	if err != nil {
		return nil, err
	}
	res, err := all.On(k.topic, nil)
	if err == nil {
		err = res.Err
	}
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range res.Configs {
		out[c.Key] = c.MaybeValue()
	}
	return out, nil
}

// misset is one of the topic's settings that could lose messages: a sentence, and the value that is right.
type misset struct{ name, right, text string }

func missets(conf map[string]string) (out []misset) {
	for _, s := range settings {
		if v, ok := conf[s.name]; ok && !strings.EqualFold(v, s.value) {
			out = append(out, misset{s.name, s.value, fmt.Sprintf("%s is %s instead of %s: %s", s.name, v, s.value, s.why)})
		}
	}
	if n, _ := strconv.Atoi(conf["max.message.bytes"]); n != 0 && n < leastBatch {
		out = append(out, misset{"max.message.bytes", strconv.Itoa(batchLimit),
			fmt.Sprintf("max.message.bytes is %d, below %d, which our largest record needs", n, leastBatch)})
	}
	if conf["unclean.leader.election.enable"] == "true" {
		out = append(out, misset{"unclean.leader.election.enable", "false",
			"unclean.leader.election.enable is true: a broker that lacks messages may become the leader"})
	}
	return out
}

func texts(wrong []misset) (out []string) {
	for _, w := range wrong {
		out = append(out, w.text)
	}
	return out
}

// checkSettings puts right what is wrong and says so; what may not be put right is refused.
func (k *Kafka) checkSettings(ctx context.Context) error {
	conf, err := k.knownConfig(ctx)
	if err != nil {
		return err
	}
	if wrong := missets(conf); len(wrong) > 0 {
		text := strings.Join(texts(wrong), "; ")
		k.log.Warn("the topic's settings could lose messages; they are put right", "topic", k.topic, "wrong", text)
		if err := k.known(ctx, func() error { return k.putRight(ctx, wrong) }); err != nil {
			return badTopicf("the topic %s could lose messages (%s), and its settings could not be put right: %v", k.topic, text, err)
		}
		if conf, err = k.knownConfig(ctx); err != nil {
			return err
		}
	}
	k.learnLimit(conf)
	return nil
}

func (k *Kafka) putRight(ctx context.Context, wrong []misset) error {
	var changes []kadm.AlterConfig
	for _, w := range wrong {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: w.name, Value: &w.right})
	}
	res, err := k.adm.AlterTopicConfigs(ctx, changes, k.topic)
	if err != nil {
		return err
	}
	for _, r := range res {
		err = errors.Join(err, r.Err)
	}
	return err
}

// learnLimit notes how large a batch may be, so that no record takes its neighbours along.
func (k *Kafka) learnLimit(conf map[string]string) {
	limit := batchLimit
	if n, err := strconv.Atoi(conf["max.message.bytes"]); err == nil && n > 0 {
		limit = min(limit, n)
	}
	k.batchMax.Store(int32(max(limit, 1024)))
}
