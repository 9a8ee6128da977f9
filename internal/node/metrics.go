package node

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

// metric is one number that a part keeps; it is read when somebody scrapes.
type metric struct {
	name, help string
	counter    bool // only rises
	read       func() float64
}

// metrics makes the handler of /metrics: what the parts count, under names that begin with hubbub_, and the process's own.
func (n *Node) metrics() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, list := range [][]metric{n.socketMetrics(), n.pathMetrics(), n.storeMetrics(), n.healthMetrics(), n.engines.metrics} {
		for _, m := range list {
			reg.MustRegister(m.collector())
		}
	}
	reg.MustRegister(savePlaces{n.persister.State})
	reg.MustRegister(socketEnds{n.gateway.Stats})
	reg.MustRegister(n.latency.durable, n.latency.live)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// savePlaces is the metric that has a number for each partition which this node saves: it comes and goes with them.
type savePlaces struct{ state func() persist.State }

var savePlace = prometheus.NewDesc("hubbub_persister_position",
	"Seq of the place from which a partition is saved on: while paused, of the first record that waits.", []string{"partition"}, nil)

// Describe implements prometheus.Collector.
func (savePlaces) Describe(out chan<- *prometheus.Desc) { out <- savePlace }

// Collect implements prometheus.Collector.
func (s savePlaces) Collect(out chan<- prometheus.Metric) {
	for _, p := range s.state().Partitions {
		at := p.Position // running: W
		if p.Phase == persist.Running {
			at++
		}
		if at > 0 { // else W could not be read yet
			out <- prometheus.MustNewConstMetric(savePlace, prometheus.GaugeValue, float64(at), strconv.Itoa(p.Partition))
		}
	}
}

func (m metric) collector() prometheus.Collector {
	if m.counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "hubbub", Name: m.name, Help: m.help}, m.read)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "hubbub", Name: m.name, Help: m.help}, m.read)
}

func (n *Node) socketMetrics() []metric {
	return []metric{
		{"sockets", "Open connections.", false, func() float64 { return float64(n.gate.Sockets()) }},
		{"sockets_waiting", "Connections that have not sent CONNECT.", false, func() float64 { return float64(n.sockets.Waiting()) }},
		{"forwarded_total", "Requests passed on to the node of their session.", true, func() float64 { return float64(n.forward.Stats().Forwarded) }},
		{"forwards_failed_total", "Requests whose session's node did not answer.", true, func() float64 { return float64(n.forward.Stats().Failed) }},
		{"forwards_refused_total", "Requests said to come from a node, and not believed.", true, func() float64 { return float64(n.forward.Stats().Refused) }},
		{"forwards_open", "Requests and websockets being passed on.", false, func() float64 { return float64(n.forward.Stats().Open) }},
		{"rooms_open", "Rooms open on this node.", false, func() float64 { return float64(n.hub.Stats().OpenRooms) }},
		{"listeners", "Subscriptions of sockets to rooms.", false, func() float64 { return float64(n.hub.Stats().Listeners) }},
		{"delivered_total", "Events handed to sockets live.", true, func() float64 { return float64(n.hub.Stats().Delivered) }},
		{"replays_total", "Resumes of a room.", true, func() float64 { return float64(n.hub.Stats().Replays) }},
		{"gaps_total", "Explicit gaps told to clients.", true, func() float64 { return float64(n.hub.Stats().Gaps) }},
	}
}

func (n *Node) pathMetrics() []metric {
	return []metric{
		{"appends_total", "Records made durable by requests of this node.", true, func() float64 { return float64(n.service.Stats().Appended) }},
		{"appends_failed_total", "Appends that the log refused.", true, func() float64 { return float64(n.service.Stats().Failed) }},
		{"appends_unknown_total", "Requests answered unknown.", true, func() float64 { return float64(n.service.Stats().Expired) }},
		{"appends_waiting", "Requests that wait for the log.", false, func() float64 { return float64(n.service.Stats().InFlight) }},
		{"repeats_total", "Retries answered as the first time.", true, func() float64 { return float64(n.service.Stats().Repeats) }},
		{"fills_total", "Holes filled from the log.", true, func() float64 { return float64(n.hub.Stats().Fills) }},
		{"fallbacks_total", "Times this node began to tail a partition itself.", true, func() float64 { return float64(n.hub.Stats().Fallbacks) }},
		{"rooms_reset_total", "Rooms closed because the log no longer had what they missed.", true, func() float64 { return float64(n.hub.Stats().Resets) }},
		{"copies_total", "Records passed over as copies.", true, func() float64 { return float64(n.hub.Stats().Copies) }},
	}
}

func diskMetrics(d *msglog.Disk) []metric {
	return []metric{
		{"log_bytes", "Size of the disk log.", false, func() float64 { return float64(d.Stats().DiskBytes) }},
		{"log_segments", "Files of the disk log.", false, func() float64 { return float64(d.Stats().Segments) }},
		{"log_syncs_total", "Syncs of the disk log.", true, func() float64 { return float64(d.Stats().Syncs) }},
	}
}

func memoryMetrics(b *bus.Memory) []metric {
	return []metric{
		{"bus_published_total", "Notes published.", true, func() float64 { return float64(b.Stats().Published) }},
		{"bus_dropped_total", "Notes lost by slow subscriptions.", true, func() float64 { return float64(b.Stats().Dropped) }},
	}
}

func (n *Node) storeMetrics() []metric {
	return []metric{
		{"persister_paused", "1 while the persister waits for the store.", false, func() float64 { return truth(n.persister.State().Phase == persist.Paused) }},
		{"persister_lag", "Records of the log that the store does not have.", false, func() float64 { return float64(n.persister.State().Lag) }},
		{"persister_records_total", "Records saved.", true, func() float64 { return float64(n.persister.Stats().Records) }},
		{"persister_failures_total", "Operations of the store that failed.", true, func() float64 { return float64(n.persister.Stats().Failures) }},
		{"persister_pauses_total", "Times the persister paused.", true, func() float64 { return float64(n.persister.Stats().Pauses) }},
		{"persister_dead_total", "Records that could never be stored.", true, func() float64 { return float64(n.persister.Stats().Buried) }},
	}
}

func (n *Node) healthMetrics() []metric {
	return []metric{
		{"log_up", "1 while the log takes appends.", false, func() float64 { return truth(n.health.get().Log == httpd.EngineOK) }},
		{"bus_up", "1 while the bus answers.", false, func() float64 { return truth(n.health.get().Bus == httpd.EngineOK) }},
		{"store_up", "1 while the store answers.", false, func() float64 { return truth(n.health.get().Store != httpd.EngineDown) }},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
