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

// Patience lets a test not wait for what a node waits for: a stuck producer, a look at the settings.
func (o *KafkaOptions) Patience(replace, settings time.Duration) {
	o.times = designTimes
	o.times.replace, o.times.settings = replace, settings
}
