package msglog_test

import (
	"errors"
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
			lags := cluster.Fault(kfake.Fault{Keys: keys, Err: kerr.UnknownTopicOrPartition, Count: 6})
			k := kafkaAt(t, addr, "young")
			for _, a := range appendThem(t, k, []chat.Record{message(0, 10), message(1, 10)}) {
				if a.err != nil {
					t.Error(a.err)
				}
			}
			if ids, _ := readAll(t, k, chat.Mark{}); len(ids) == 0 && keys[0] == kmsg.Fetch {
				t.Error("nothing can be read")
			}
			if lags.Hits() == 0 {
				t.Error("nobody asked the brokers that had not heard")
			}
		})
	}
}

// A broker that has not heard of a topic, or of anything, does not speak for the others: it is not away.
func TestKafkaOneBrokerThatKnowsNoTopicIsNotBelieved(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "deaf", onePartition, func(o *msglog.KafkaOptions) { o.Patience(20*time.Millisecond, time.Minute) })
	lags := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Nodes: []int32{1}, Topic: "deaf-g1", Err: kerr.UnknownTopicOrPartition, Count: -1})
	within(t, kafkaPatience, "it is asked", func() bool {
		if err := k.Problem(); err != nil {
			t.Fatal(err)
		}
		return lags.Hits() > 10
	})
	lags.Remove()
	all := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "deaf-g1", Err: kerr.UnknownTopicOrPartition, Count: -1})
	within(t, kafkaPatience, "all are believed", func() bool { return k.Problem() != nil })
	if a := appendThem(t, k, []chat.Record{message(0, 10)})[0]; !errors.Is(a.err, chat.ErrUnavailable) {
		t.Errorf("an append was answered with %v", a.err)
	}
	all.Remove()
	within(t, kafkaPatience, "it is back", func() bool { return k.Problem() == nil })
}
