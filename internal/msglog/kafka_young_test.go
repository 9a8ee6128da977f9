package msglog_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// Of a topic that was just made the brokers hear one by one: who has not yet says that there is none. A start goes on asking, whatever it
// asks for.
func TestKafkaNotEveryBrokerKnowsANewTopic(t *testing.T) {
	t.Parallel()
	for what, keys := range map[string][]kmsg.Key{
		"settings":     {kmsg.DescribeConfigs},
		"places":       {kmsg.ListOffsets},
		"the topic":    {kmsg.Metadata},
		"all of it":    {kmsg.DescribeConfigs, kmsg.ListOffsets, kmsg.Metadata},
		"a first read": {kmsg.Fetch},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cluster, addr := fakes(t)
			var lags []*kfake.FaultHandle
			for _, key := range keys {
				lags = append(lags, cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.UnknownTopicOrPartition, Count: 6}))
			}
			k := kafkaAt(t, addr, "young")
			for _, a := range appendThem(t, k, []chat.Record{message(0, 10), message(1, 10)}) {
				if a.err != nil {
					t.Error(a.err)
				}
			}
			if ids, _ := readAll(t, k, chat.Mark{}); len(ids) == 0 && keys[0] == kmsg.Fetch {
				t.Error("nothing can be read")
			}
			for i, lag := range lags {
				if lag.Hits() == 0 {
					t.Errorf("nobody asked the brokers that had not heard: %v", keys[i])
				}
			}
		})
	}
}

// deafen makes one broker of a cluster know of no topic, until the returned function is called.
func deafen(t *testing.T, cluster *kfake.Cluster, node int32) (stop func()) {
	t.Helper()
	var brokers []kmsg.MetadataResponseBroker
	for i, addr := range cluster.ListenAddrs() {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		number, _ := strconv.Atoi(port)
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(i), host, int32(number)
		brokers = append(brokers, b)
	}
	return control(cluster, kmsg.Metadata, func(req kmsg.Request) (kmsg.Response, error) {
		if cluster.CurrentNode() != node {
			return nil, nil
		}
		res := req.ResponseKind().(*kmsg.MetadataResponse)
		res.Brokers = brokers
		for _, asked := range req.(*kmsg.MetadataRequest).Topics {
			topic := kmsg.NewMetadataResponseTopic()
			topic.Topic, topic.TopicID, topic.ErrorCode = asked.Topic, asked.TopicID, kerr.UnknownTopicOrPartition.Code
			res.Topics = append(res.Topics, topic)
		}
		return res, nil
	})
}

// control answers requests of a key, or hangs up on them, as long as stop was not called; neither leaves one to the broker.
func control(cluster *kfake.Cluster, key kmsg.Key, answer func(kmsg.Request) (kmsg.Response, error)) (stop func()) {
	over := make(chan struct{})
	cluster.ControlKey(key.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		select {
		case <-over:
			return nil, nil, false
		default:
		}
		res, err := answer(req)
		return res, err, res != nil || err != nil
	})
	return func() { close(over) }
}

// Whoever starts, or looks, beside a broker that has not heard of a topic finds it all the same, again and again.
func TestKafkaIsFoundBesideADeafBroker(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	kafkaAt(t, addr, "found", onePartition, func(o *msglog.KafkaOptions) { o.Generation = 2 })
	defer deafen(t, cluster, 1)()
	o := parsed(t, addr+"/found")
	o.Partitions = 0
	lags := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Nodes: []int32{1}, Err: kerr.UnknownTopicOrPartition, Count: -1})
	for range 12 { // chance chooses whom is asked
		old, err := msglog.OldKafka(t.Context(), o, 0)
		if err != nil {
			t.Fatal("OldKafka: ", err)
		}
		if info, err := old.Info(t.Context()); err != nil || info.Generation != 2 {
			t.Errorf("generation %d, %v", info.Generation, err)
		}
		old.Close()
		if r, err := msglog.CheckKafka(t.Context(), o); err != nil || !r.Made || r.Topic != "found-g2" {
			t.Errorf("CheckKafka: %+v, %v", r, err)
		}
	}
	if lags.Hits() == 0 {
		t.Error("nobody asked the one that is deaf")
	}
	if _, err := msglog.OldKafka(t.Context(), o, 3); !errors.Is(err, msglog.ErrNoTopic) {
		t.Errorf("of a topic that there is not: %v", err)
	}
}

// A broker that knows of nothing does not speak for the others: the topic is not gone. When all say so it is.
func TestKafkaADeafBrokerIsNotBelieved(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "deaf", onePartition, func(o *msglog.KafkaOptions) { o.Patience(20*time.Millisecond, time.Minute) })
	looks := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "deaf-g1", Observe: true, Count: -1})
	hear := deafen(t, cluster, 1)
	within(t, kafkaPatience, "it is asked", func() bool {
		if err := k.Problem(); err != nil && strings.Contains(err.Error(), "no topic") {
			t.Fatal(err)
		}
		return looks.Hits() > 60
	})
	hear()
	all := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "deaf-g1", Err: kerr.UnknownTopicOrPartition, Count: -1})
	within(t, kafkaPatience, "all are believed", func() bool { return k.Problem() != nil })
	if a := appendThem(t, k, []chat.Record{message(0, 10)})[0]; !errors.Is(a.err, chat.ErrUnavailable) {
		t.Errorf("an append was answered with %v", a.err)
	}
	all.Remove()
	within(t, kafkaPatience, "it is back", func() bool { return k.Problem() == nil })
}
