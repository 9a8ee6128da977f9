package msglog

import (
	"context"
	"net"
	"time"
)

// Dial lets a test stand between a log and its brokers.
func (o *KafkaOptions) Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	o.dial = dial
}

// Patience lets a test not wait for what a node waits for: the next look at the topic and its settings, a stuck producer.
func (o *KafkaOptions) Patience(watch, replace time.Duration) {
	o.times = designTimes
	o.times.watch, o.times.settings, o.times.replace = watch, watch, replace
}

// Wrong gives the topic's settings that could lose messages, each a sentence.
func (k *Kafka) Wrong(ctx context.Context) ([]string, error) {
	conf, err := k.config(ctx)
	return texts(missets(conf)), err
}
