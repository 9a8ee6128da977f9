package msglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

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
	InSync     int // min.insync.replicas
	Lagging    int // partitions of which a copy is not in sync

	ClockTold bool          // false: the brokers, or this user's rights, do not tell it
	Clock     time.Duration // how far Kafka's clock is ahead of this machine's, give or take RoundTrip
	RoundTrip time.Duration

	Problems []KafkaFault // with these a node would not start, or messages could be lost
	Notes    []KafkaFault // worth a look
}

// KafkaFault is one thing that is wrong, and what to do about it: two sentences.
type KafkaFault struct{ What, Mend string }

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
	r.Clock, r.RoundTrip, r.ClockTold = k.clock(ctx)
	return r, nil
}

// problem and note add a sentence and what to do about it.
func (r *KafkaReport) problem(mend, what string, args ...any) {
	r.Problems = append(r.Problems, KafkaFault{fmt.Sprintf(what, args...), mend})
}

func (r *KafkaReport) note(mend, what string, args ...any) {
	r.Notes = append(r.Notes, KafkaFault{fmt.Sprintf(what, args...), mend})
}

func (k *Kafka) report(ctx context.Context, r *KafkaReport) error {
	if r.Brokers < 3 {
		r.note("Add brokers until there are three, then give the topic three copies with kafka-reassign-partitions.sh, and min.insync.replicas=2. For a trial, leave it.",
			"the cluster has %s: with three, one may be lost without a pause and without a loss", count(r.Brokers, "broker", "brokers"))
	}
	topic, err := k.describe(ctx)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		if r.Brokers < 2 && !k.opt.AllowSingleBroker {
			r.problem("Add two brokers; or, for a trial, say --allow-single-broker.",
				"there is one broker, whose loss would lose acknowledged messages: a node starts only with --allow-single-broker")
		}
		return nil
	}
	if err != nil {
		return err
	}
	conf, err := k.knownConfig(ctx)
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
	k.reportCopies(r)
	if k.opt.Partitions != 0 && k.opt.Partitions != r.Partitions {
		r.problem(fmt.Sprintf("Leave partitions= out of --log, or write partitions=%d; another count needs a new generation: hubbub log next.", r.Partitions),
			"the topic has %s, but the address says partitions=%d", count(r.Partitions, "partition", "partitions"), k.opt.Partitions)
	}
	for _, w := range texts(missets(conf)) {
		name, _, _ := strings.Cut(w, " ")
		r.problem(k.alter(name, rightValue(name))+"; or start a node, which puts it right.", "%s", w)
	}
	return nil
}

// reportCopies judges how many brokers have the topic, and have to.
func (k *Kafka) reportCopies(r *KafkaReport) {
	copies := count(r.Replicas, "copy", "copies")
	if r.Lagging > 0 {
		r.note(fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --describe --topic %s --under-replicated-partitions names them: look at the brokers that are among the Replicas and not in the Isr.",
			k.opt.Seeds[0], k.topic), "%s have a copy that is not in sync: look for a broker that is down or slow", count(r.Lagging, "partition", "partitions"))
	}
	if r.InSync > r.Replicas {
		r.problem(k.alter("min.insync.replicas", strconv.Itoa(max(1, r.Replicas-1)))+"; or give the topic more copies with kafka-reassign-partitions.sh.",
			"the topic has %s but min.insync.replicas=%d: no message could ever be acknowledged", copies, r.InSync)
	}
	if (r.Replicas < 2 || r.InSync < 2) && !k.opt.AllowSingleBroker {
		r.problem("Give it three copies with kafka-reassign-partitions.sh; "+k.alter("min.insync.replicas", "2")+". For a trial, say --allow-single-broker.",
			"the topic has %s and min.insync.replicas=%d: the loss of one broker could lose acknowledged messages; three copies and 2 are right, or say --allow-single-broker",
			copies, r.InSync)
	}
}

// alter is the command that sets one of the topic's settings.
func (k *Kafka) alter(name, value string) string {
	return fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s", k.opt.Seeds[0], k.topic, name, value)
}

// rightValue is what a start would set.
func rightValue(name string) string {
	for _, s := range settings {
		if s.name == name {
			return s.value
		}
	}
	if name == "max.message.bytes" {
		return strconv.Itoa(batchLimit)
	}
	return "false" // unclean.leader.election.enable
}

// count words a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
