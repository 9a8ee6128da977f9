package node

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hubbub-chat/hubbub/internal/gateway"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// socketEnds is the metric that has a number for each reason why sockets ended.
type socketEnds struct{ stats func() gateway.Stats }

var socketsEnded = prometheus.NewDesc("hubbub_sockets_ended_total", "Sockets that ended, by reason.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (socketEnds) Describe(out chan<- *prometheus.Desc) { out <- socketsEnded }

// watchedEnds are the reasons that are there from the start, so that an alarm sees the first of them rise.
var watchedEnds = [...]engineio.Reason{engineio.SlowClient, engineio.PingTimeout, "rate limited"}

// Collect implements prometheus.Collector.
func (s socketEnds) Collect(out chan<- prometheus.Metric) {
	ended := map[string]int64{}
	for _, reason := range watchedEnds {
		ended[string(reason)] = 0
	}
	maps.Copy(ended, s.stats().Ended)
	for reason, n := range ended {
		out <- prometheus.MustNewConstMetric(socketsEnded, prometheus.CounterValue, float64(n), reason)
	}
}
