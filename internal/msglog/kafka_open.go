package msglog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	kafkaStart    = 14 * time.Second // bounds OpenKafka
	kafkaPatience = 8 * time.Second  // for brokers that are not there yet
)

// OpenKafka connects, makes the topic if there is none, and holds its settings against what the promises need. It fails within 15 s, with
// one sentence for the operator.
func OpenKafka(ctx context.Context, o KafkaOptions) (*Kafka, error) {
	return openKafka(ctx, o, true)
}

func openKafka(ctx context.Context, o KafkaOptions, mayMake bool, more ...kgo.Opt) (*Kafka, error) {
	if o.Name == "" {
		o.Name = kafkaName
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.times == (kafkaTimes{}) {
		o.times = designTimes
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaStart)
	defer cancel()
	k := &Kafka{opt: o, log: o.Logger}
	k.life, k.end = context.WithCancel(context.Background())
	if err := k.start(ctx, mayMake, more); err != nil {
		k.Close()
		return nil, err
	}
	return k, nil
}

func (k *Kafka) start(ctx context.Context, mayMake bool, more []kgo.Opt) (err error) {
	if k.admin, err = kgo.NewClient(append(k.base(), more...)...); err != nil {
		return k.sentence(err)
	}
	k.adm = kadm.NewClient(k.admin)
	k.adm.SetTimeoutMillis(5000)
	if err := k.reach(ctx); err != nil {
		return k.sentence(err)
	}
	if err := k.findGeneration(ctx); err != nil {
		return k.sentence(err)
	}
	k.topic = topicName(k.opt.Name, k.generation)
	if err := k.openTopic(ctx, mayMake); err != nil {
		return k.sentence(err)
	}
	if _, _, err := k.places(ctx); err != nil { // the partitions of a topic that was just made have no leaders for seconds
		return k.sentence(err)
	}
	if err := k.settled(ctx); err != nil {
		return k.sentence(err)
	}
	k.lanes = make([]lane, k.partitions)
	if k.producer, err = k.newProducer(); err != nil {
		return k.sentence(err)
	}
	k.oversize.wake = make(chan struct{}, 1)
	k.tasks.Go(k.watch)
	k.tasks.Go(k.retryOversize)
	return nil
}

// base are the settings of every client. Hangs are found within seconds, since a reader or a sender waits behind them.
func (k *Kafka) base() []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(k.opt.Seeds...), kgo.ClientID("hubbub"), kgo.DialTimeout(3 * time.Second),
		kgo.RequestTimeoutOverhead(4 * time.Second), kgo.RetryTimeout(5 * time.Second), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(30 * time.Second), kgo.ConnIdleTimeout(5 * time.Minute)}
	if k.opt.dial != nil {
		opts = append(opts, kgo.Dialer(k.opt.dial))
	} else if k.opt.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(k.opt.TLS.Clone()))
	}
	if m := k.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

func (k *Kafka) mechanism() sasl.Mechanism {
	o := k.opt
	switch o.Mechanism {
	case "plain":
		return plain.Auth{User: o.User, Pass: o.Password}.AsMechanism()
	case "scram-sha-256":
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha256Mechanism()
	case "scram-sha-512":
		return scram.Auth{User: o.User, Pass: o.Password}.AsSha512Mechanism()
	}
	return nil
}

// reach waits a while for brokers that do not answer yet; a wrong password is told at once.
func (k *Kafka) reach(ctx context.Context) error {
	for end := time.Now().Add(kafkaPatience); ; {
		asking, cancel := context.WithTimeout(ctx, askWithin)
		meta, err := k.adm.BrokerMetadata(asking)
		cancel()
		if err == nil {
			k.clusterID = meta.Cluster
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil || errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) ||
			errors.Is(err, kerr.IllegalSaslState) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// settled waits until every partition of a topic that may just have been made tells where it begins and ends.
func (k *Kafka) settled(ctx context.Context) error {
	for {
		asking, cancel := context.WithTimeout(ctx, askWithin)
		_, _, err := k.places(asking)
		cancel()
		if err == nil || ctx.Err() != nil || errors.Is(err, kerr.TopicAuthorizationFailed) {
			return err
		}
		k.refresh(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func topicName(name string, generation int) string { return fmt.Sprintf("%s-g%d", name, generation) }

// NextKafka makes the topic of a generation, as `hubbub log next` asks for it, with o.Partitions (0: 64). One that is there already must
// be empty: else somebody has begun it.
func NextKafka(ctx context.Context, o KafkaOptions, generation int) (chat.LogInfo, error) {
	if generation > chat.MaxGeneration {
		return chat.LogInfo{}, fmt.Errorf("generation %d is more than a seq has space for", generation)
	}
	o.Generation = generation
	k, err := OpenKafka(ctx, o)
	if err != nil {
		return chat.LogInfo{}, err
	}
	defer k.Close()
	info, err := k.Info(ctx)
	if err != nil {
		return info, err
	}
	for p, at := range info.Partitions {
		if at.Last.Offset() >= 0 && at.Last >= k.seq(0) {
			return info, fmt.Errorf("the topic %s holds records already, in partition %d: generation %d has begun", k.topic, p, generation)
		}
	}
	return info, nil
}

// OldKafka is OpenKafka for a generation (0: the highest) whose topic must be there: none is made. The error is then ErrNoTopic.
func OldKafka(ctx context.Context, o KafkaOptions, generation int) (*Kafka, error) {
	o.Generation = generation
	return openKafka(ctx, o, false)
}

// sentence words what went wrong at the start.
func (k *Kafka) sentence(err error) error {
	at := "Kafka at " + strings.Join(k.opt.Seeds, ",")
	var settings *badTopic
	var hungUp *kgo.ErrFirstReadEOF
	switch {
	case errors.As(err, &settings):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("%s refuses the user or the password: %w; look at --log", at, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("%s does not know the way of logging in (sasl=%s): %w", at, k.opt.Mechanism, err)
	case errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("%s asks for no login, but --log has a user and a password: leave them out, or name the port that asks for one: %w", at, err)
	case errors.As(err, &hungUp):
		return fmt.Errorf("%s hangs up at the first question: %s", at, k.hangsUp())
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		return fmt.Errorf("%s does not allow this user what Hubbub needs (describe, read and write topics and groups that begin with %q): %w", at, k.opt.Name, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("%s knew the topic %s a moment ago, or knows it at some brokers only: %w; look whether it is being deleted, and at the brokers' logs", at, k.topic, err)
	}
	return fmt.Errorf("%s does not answer: %w; look whether it runs, and at --log", at, err)
}

// hangsUp guesses why brokers answer a first question by hanging up: they do so, without a word, to a language or a stranger they do not know.
func (k *Kafka) hangsUp() string {
	switch {
	case k.opt.TLS != nil:
		return "perhaps it speaks no TLS (tls=true in --log)"
	case k.opt.Mechanism != "":
		return "perhaps it wants TLS (tls=true in --log)"
	}
	return "perhaps it wants a login (user:password@ in --log), or TLS (tls=true)"
}
