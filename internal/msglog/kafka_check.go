package msglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaReport is what CheckKafka found.
type KafkaReport struct {
	Brokers    int
	Topic      string
	Made       bool // the topic is there
	Partitions int
	Replicas   int
	InSync     int      // min.insync.replicas
	Lagging    int      // partitions of which a copy is not in sync
	Problems   []string // sentences: with these a node would not start, or messages could be lost
	Notes      []string // worth a look
}

// CheckKafka looks at a deployment's topic and brokers for `hubbub doctor`, and changes nothing. The error is OpenKafka's sentence, when no
// node could use them.
func CheckKafka(ctx context.Context, o KafkaOptions) (r KafkaReport, err error) {
	if o.Name == "" {
		o.Name = kafkaName
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaStart)
	defer cancel()
	k := &Kafka{opt: o, log: slog.New(slog.DiscardHandler)}
	if k.admin, err = kgo.NewClient(k.base()...); err != nil {
		return r, k.sentence(err)
	}
	defer k.admin.Close()
	k.adm = kadm.NewClient(k.admin)
	if err := k.reach(ctx); err != nil {
		return r, k.sentence(err)
	}
	brokers, err := k.adm.ListBrokers(ctx)
	if err == nil {
		err = k.findGeneration(ctx)
	}
	if err != nil {
		return r, k.sentence(err)
	}
	k.topic = topicName(o.Name, k.generation)
	r.Brokers, r.Topic = len(brokers), k.topic
	if err := k.report(ctx, &r); err != nil {
		return r, k.sentence(err)
	}
	return r, nil
}

func (k *Kafka) report(ctx context.Context, r *KafkaReport) error {
	if r.Brokers < 3 {
		r.Notes = append(r.Notes, fmt.Sprintf("the cluster has %d brokers: with three, one may be lost without a pause and without a loss", r.Brokers))
	}
	topic, err := k.describe(ctx)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		if r.Brokers < 2 && !k.opt.AllowSingleBroker {
			r.Problems = append(r.Problems, "there is one broker, whose loss would lose acknowledged messages: a node starts only with --allow-single-broker")
		}
		return nil
	}
	if err != nil {
		return err
	}
	conf, err := k.config(ctx)
	if err != nil {
		return err
	}
	r.Made, r.Partitions, r.Replicas = true, len(topic.Partitions), topic.Partitions.NumReplicas()
	r.InSync, _ = strconv.Atoi(conf["min.insync.replicas"])
	for _, p := range topic.Partitions {
		if len(p.ISR) < len(p.Replicas) {
			r.Lagging++
		}
	}
	if r.Lagging > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d partitions have a copy that is not in sync: look for a broker that is down or slow", r.Lagging))
	}
	if r.InSync > r.Replicas {
		r.Problems = append(r.Problems, fmt.Sprintf("the topic has %d copies but min.insync.replicas=%d: no message could ever be acknowledged", r.Replicas, r.InSync))
	}
	if (r.Replicas < 2 || r.InSync < 2) && !k.opt.AllowSingleBroker {
		r.Problems = append(r.Problems, fmt.Sprintf("the topic has %d copies and min.insync.replicas=%d: the loss of one broker could lose acknowledged messages; three copies and 2 are right, or say --allow-single-broker",
			r.Replicas, r.InSync))
	}
	if k.opt.Partitions != 0 && k.opt.Partitions != r.Partitions {
		r.Problems = append(r.Problems, fmt.Sprintf("the topic has %d partitions, but the address says partitions=%d", r.Partitions, k.opt.Partitions))
	}
	wrong, err := k.Wrong(ctx)
	r.Problems = append(r.Problems, wrong...)
	return err
}
