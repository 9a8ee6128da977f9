package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubbub-chat/hubbub/internal/gateway"
)

// socketEnds is the metric that has a number for each reason why sockets ended.
type socketEnds struct{ stats func() gateway.Stats }

var socketsEnded = prometheus.NewDesc("hubbub_sockets_ended_total", "Sockets that ended, by reason.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (socketEnds) Describe(out chan<- *prometheus.Desc) { out <- socketsEnded }

// Collect implements prometheus.Collector.
func (s socketEnds) Collect(out chan<- prometheus.Metric) {
	for reason, n := range s.stats().Ended {
		out <- prometheus.MustNewConstMetric(socketsEnded, prometheus.CounterValue, float64(n), reason)
	}
}
