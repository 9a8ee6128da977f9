package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latency counts how long people wait, in seconds: until the log has what they said, and until others hear it. Safe for concurrent use.
type latency struct{ durable, live prometheus.Histogram }

func newLatency() latency {
	return latency{
		durable: newHistogram("append_seconds", "Time from giving a record to the log until it is durable."),
		live:    newHistogram("live_seconds", "Age of a record, by the log's clock, when it is handed to sockets live."),
	}
}

// newHistogram makes one whose buckets reach from a fast disk's sync, 1 ms, to 30 s, after which Kafka's producer is replaced.
func newHistogram(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "hubbub", Name: name, Help: help,
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}})
}

func (l latency) observeAppend(d time.Duration) { l.durable.Observe(d.Seconds()) }

func (l latency) observeLive(d time.Duration) { l.live.Observe(d.Seconds()) }
