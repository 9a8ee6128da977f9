package msglog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// leads makes a broker the leader of a partition.
func leads(t *testing.T, adm *kadm.Client, topic string, p, broker int32) {
	t.Helper()
	var move kadm.AlterPartitionAssignmentsReq
	move.Assign(topic, p, []int32{broker, 3 - broker})
	if res, err := adm.AlterPartitionAssignments(t.Context(), move); err != nil || res.Error() != nil {
		t.Fatal(err, res)
	}
	within(t, kafkaPatience, "the partition has its leader", func() bool {
		_, _ = adm.ElectLeaders(t.Context(), kadm.ElectPreferredReplica, kadm.TopicsSet{topic: {p: {}}})
		return state(t, adm, topic, p).Leader == broker
	})
}

func state(t *testing.T, adm *kadm.Client, topic string, p int32) kadm.PartitionDetail {
	t.Helper()
	topics, err := adm.ListTopics(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	return topics[topic].Partitions[p]
}

// Two brokers, two copies of everything. The one that leads dies: appends are refused, since nobody else would have a copy, and come back
// with it; nothing acknowledged is lost, and who reads goes on under the other leader.
func TestKafkaSurvivesTheLossOfALeader(t *testing.T) {
	t.Parallel()
	first, second := enginetest.NewKafkaPair(t, nil)
	addr := first.Addr() + "," + strings.TrimPrefix(second.Addr(), "kafka://")
	safe := func(o *msglog.KafkaOptions) { o.AllowSingleBroker = false }
	k := kafkaAt(t, addr, "pair", safe)
	_, adm := tools(t, addr)
	conf, err := adm.DescribeTopicConfigs(t.Context(), "pair-g1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conf[0].Configs {
		if c.Key == "min.insync.replicas" && c.MaybeValue() != "2" {
			t.Errorf("min.insync.replicas is %s", c.MaybeValue())
		}
	}
	if at := state(t, adm, "pair-g1", 0); len(at.Replicas) != 2 {
		t.Errorf("it has %d copies", len(at.Replicas))
	}
	leads(t, adm, "pair-g1", 0, 2)
	f := newFollower(newLedger())
	join(t, k, "pair-relay", f)
	s := sends(k, 20)
	s.more(t, 200)
	ids, mark := readAll(t, k, chat.Mark{})
	if mark.Proof == 0 {
		t.Errorf("of %d records the mark %+v has no proof", len(ids), mark)
	}
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var refusal error
	within(t, kafkaPatience, "an append is refused", func() bool {
		answer := make(chan error, 1)
		k.Append(message(1_000_000, 10), func(_ chat.Seq, err error) { answer <- err })
		select {
		case refusal = <-answer:
			return errors.Is(refusal, chat.ErrUnavailable)
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
	t.Logf("refused after %v: %v", time.Since(start), refusal)
	within(t, kafkaPatience, "the other leads", func() bool { return state(t, adm, "pair-g1", 0).Leader == 1 })
	t.Logf("the other leads after %v", time.Since(start))
	// The mark of the old leader holds under the new one. What was acknowledged last may be hidden from readers until the broker is back: the
	// new leader has it, but alone it is not sure of that. So finish judges what is lost.
	more, _ := readAll(t, k, mark)
	t.Logf("%d and then %d can be read without the broker", len(ids), len(more))
	if err := second.Restart(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	s.more(t, 200)
	t.Logf("acknowledged again %v after the broker was back", time.Since(start))
	inLog := s.finish(t, kafkaAt(t, addr, "pair", safe))
	f.until(t, "a member has read everything", func() bool { return f.ledger.count() == len(inLog) })
}
