package msglog_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// What brokers do that a real one on one machine can not be made to do.

func fakes(t *testing.T) (*kfake.Cluster, string) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, "kafka://" + strings.Join(cluster.ListenAddrs(), ",")
}

func onePartition(o *msglog.KafkaOptions) { o.Partitions = 1 }

// held is a handler whose Records wait until release is closed.
type held struct {
	release chan struct{}
	once    sync.Once
	began   chan struct{} // closed by the first Records with something in it
	seen    chan chat.MessageID
}

func (h *held) Begin(context.Context, int) (chat.Mark, error) { return chat.Mark{}, nil }

func (h *held) Records(ctx context.Context, _ int, rs []chat.Record, _ chat.Mark, _ bool) {
	if len(rs) == 0 {
		return
	}
	h.once.Do(func() { close(h.began) })
	select {
	case <-h.release:
	case <-ctx.Done():
		return
	}
	for _, r := range rs {
		h.seen <- r.ID
	}
}

func (h *held) End(int) {}

// A partition that moves, while its handler blocks, to a broker from which this member has read nothing yet is read on from there.
func TestKafkaJoinFollowsALeaderToABrokerItDidNotReadFrom(t *testing.T) {
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "moving", onePartition)
	_, adm := tools(t, addr)
	h := &held{release: make(chan struct{}), began: make(chan struct{}), seen: make(chan chat.MessageID, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan error, 1)
	go func() { joined <- k.Join(ctx, "moving-relay", h) }()
	defer func() {
		cancel()
		if err := <-joined; err != nil {
			t.Error(err)
		}
	}()
	const count = 200 // more than the member's queue takes, since they come one by one
	for i := range count {
		if a := appendThem(t, k, []chat.Record{message(i, 10)})[0]; a.err != nil {
			t.Fatal(a.err)
		}
		if i == 0 {
			<-h.began
		}
	}
	topics, err := adm.ListTopics(t.Context(), "moving-g1")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.MoveTopicPartition("moving-g1", 0, (topics["moving-g1"].Partitions[0].Leader+1)%3); err != nil {
		t.Fatal(err)
	}
	readAll(t, k, chat.Mark{}) // the log has now learnt of the new leader, and not by the member
	close(h.release)
	for i := range count {
		select {
		case id := <-h.seen:
			if want := message(i, 10).ID; id != want {
				t.Fatalf("saw %s, want %s", id, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("saw only %d records of %d", i, count)
		}
	}
}

// fail answers produce requests with an error as long as on says so.
func fail(cluster *kfake.Cluster, code *kerr.Error, on func() bool) {
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if !on() {
			return nil, nil, false
		}
		req := r.(*kmsg.ProduceRequest)
		res := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range req.Topics {
			t := kmsg.NewProduceResponseTopic()
			t.Topic, t.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = p.Partition, code.Code
				t.Partitions = append(t.Partitions, part)
			}
			res.Topics = append(res.Topics, t)
		}
		return res, nil, true
	})
}

// Case 15: a broker that does not take the time stamp. The sentence says clock, and what comes next is taken.
func TestKafkaRefusedTimestampIsUnavailableAndSaysClock(t *testing.T) {
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "clock", onePartition)
	var wrong atomic.Bool
	fail(cluster, kerr.InvalidTimestamp, wrong.Load)
	appendThem(t, k, []chat.Record{message(0, 10)})
	wrong.Store(true)
	a := appendThem(t, k, []chat.Record{message(1, 10)})[0]
	if !errors.Is(a.err, chat.ErrUnavailable) || !strings.Contains(a.err.Error(), "clock") {
		t.Errorf("answered %v", a.err)
	}
	wrong.Store(false)
	if a := appendThem(t, k, []chat.Record{message(2, 10)})[0]; a.err != nil {
		t.Errorf("the next one: %v", a.err)
	}
	if ids, _ := readAll(t, k, chat.Mark{}); len(ids) != 2 || ids[0] != "id0" || ids[1] != "id2" {
		t.Errorf("read %v", ids)
	}
}

// Too few replicas for a moment: what waits is acknowledged afterwards, once and in order.
func TestKafkaWaitsForReplicasThatAreMissingForAMoment(t *testing.T) {
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "replicas", onePartition)
	var refusals atomic.Int32
	fail(cluster, kerr.NotEnoughReplicas, func() bool { return refusals.Add(1) <= 3 })
	var rs []chat.Record
	for i := range 50 {
		rs = append(rs, message(i, 10))
	}
	for i, a := range appendThem(t, k, rs) {
		if a.err != nil {
			t.Errorf("record %d: %v", i, a.err)
		}
	}
	if refusals.Load() <= 3 {
		t.Error("the broker never refused, or nothing came again")
	}
	ids, _ := readAll(t, k, chat.Mark{})
	if len(ids) != len(rs) {
		t.Fatalf("read %d records, want %d", len(ids), len(rs))
	}
	for i, id := range ids {
		if id != rs[i].ID {
			t.Errorf("record %d is %s", i, id)
		}
	}
}
