package msglog_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// kafkaAt opens a deployment's log with four partitions, and closes it when the test ends.
func kafkaAt(t testing.TB, addr, name string, change ...func(*msglog.KafkaOptions)) *msglog.Kafka {
	t.Helper()
	k, err := openAt(t, addr, name, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func openAt(t testing.TB, addr, name string, change ...func(*msglog.KafkaOptions)) (*msglog.Kafka, error) {
	t.Helper()
	o := parsed(t, addr+"/"+name)
	for _, f := range change {
		f(&o)
	}
	return msglog.OpenKafka(t.Context(), o)
}

// parsed reads an address, for a topic of four partitions on one broker.
func parsed(t testing.TB, addr string) msglog.KafkaOptions {
	t.Helper()
	o, err := msglog.ParseKafka(addr)
	if err != nil {
		t.Fatal(err)
	}
	o.Partitions, o.AllowSingleBroker, o.Logger = logtest.Partitions, true, slog.New(slog.DiscardHandler)
	return o
}

func kafkaSuite(t *testing.T, addr string) {
	logtest.Run(t, func(t *testing.T) logtest.Harness {
		name := enginetest.Deployment(t, addr)
		first := kafkaAt(t, addr, name)
		all := []*msglog.Kafka{first}
		return logtest.Harness{
			Log: first,
			Other: func(t *testing.T) chat.Log {
				k := kafkaAt(t, addr, name)
				all = append(all, k)
				return k
			},
			Reopen: func(t *testing.T) chat.Log {
				for _, k := range all {
					k.Close()
				}
				return kafkaAt(t, addr, name)
			},
		}
	})
}

func TestKafkaConformance(t *testing.T) { kafkaSuite(t, enginetest.Kafka(t)) }

func TestFakeKafkaConformance(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	kafkaSuite(t, "kafka://"+strings.Join(cluster.ListenAddrs(), ","))
}
