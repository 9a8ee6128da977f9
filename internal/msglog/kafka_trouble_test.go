package msglog_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// troubled appends while brokers answer with errors of which a client may hear every day: nothing is lost, doubled or reordered, and nobody
// is told of it.
func troubled(t *testing.T, trouble func(cluster *kfake.Cluster, topic string, s *sender)) {
	t.Helper()
	t.Parallel()
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "troubled", onePartition)
	f := newFollower(newLedger())
	join(t, k, "troubled-relay", f)
	s := sends(k, 20)
	s.more(t, 50)
	trouble(cluster, "troubled-g1", s)
	s.more(t, 50)
	inLog := s.finish(t, k)
	f.until(t, "a member has read everything", func() bool { return f.ledger.count() == len(inLog) })
	if !slices.Equal(f.ledger.ids[0], inLog) {
		t.Error("a member has read them in another order")
	}
	if len(s.acked) != s.sent {
		t.Errorf("%d of %d are acknowledged", len(s.acked), s.sent)
	}
}

func TestKafkaLeaderMovesInMidAppend(t *testing.T) {
	troubled(t, func(cluster *kfake.Cluster, topic string, s *sender) {
		for range 8 {
			if err := cluster.MoveTopicPartition(topic, 0, (cluster.LeaderFor(topic, 0)+1)%3); err != nil {
				t.Fatal(err)
			}
			s.more(t, 30)
		}
	})
}

func TestKafkaBrokersRefuseForAMoment(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas, kerr.KafkaStorageError,
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut} { // the last two though they have written it
		t.Run(code.Message, func(t *testing.T) {
			troubled(t, func(cluster *kfake.Cluster, topic string, s *sender) {
				h := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: code, Count: 4})
				if err := h.Wait(t.Context(), 4); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestKafkaFetchesAreRefusedForAMoment(t *testing.T) {
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownLeaderEpoch, kerr.FencedLeaderEpoch, kerr.KafkaStorageError, kerr.OffsetNotAvailable, kerr.UnknownServerError} {
		t.Run(code.Message, func(t *testing.T) {
			troubled(t, func(cluster *kfake.Cluster, topic string, s *sender) {
				h := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: code, Count: 4})
				if err := h.Wait(t.Context(), 4); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// Case 15, in a batch: the broker refuses all of it for the stamp of one. Each is told that it was not written, which is true, and that it is
// a matter of the clock; what is appended next, or once more, is taken.
func TestKafkaRefusedTimestampInABatchLosesNoNeighbour(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	k := kafkaAt(t, addr, "clock", onePartition)
	var hold, refuse atomic.Bool
	held, release := make(chan struct{}, 100), make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if hold.Load() {
			held <- struct{}{}
			cluster.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	fail := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "clock-g1", Err: kerr.InvalidTimestamp, Count: -1,
		When: func(kmsg.Request) bool { return refuse.Swap(false) }})
	defer fail.Remove()
	appendThem(t, k, []chat.Record{message(1000, 10)})
	hold.Store(true)
	first := make(chan error, 1)
	k.Append(message(1001, 10), func(_ chat.Seq, err error) { first <- err })
	<-held // what comes now shares a batch
	var rs []chat.Record
	for i := range 50 {
		rs = append(rs, message(i, 10))
	}
	answers := make(chan []appended, 1)
	go func() { answers <- appendThem(t, k, rs) }()
	within(t, kafkaPatience, "all are on their way", func() bool { return k.Stats().Waiting == 51 })
	refuse.Store(true)
	hold.Store(false)
	close(release)
	firstErr := <-first
	got := <-answers
	var again []chat.Record
	var want []chat.MessageID
	for i, a := range append(got, appended{err: firstErr}) {
		r := message(1001, 10)
		if i < len(rs) {
			r = rs[i]
		}
		switch {
		case a.err == nil:
			want = append(want, r.ID)
		case errors.Is(a.err, chat.ErrUnavailable):
			again = append(again, r)
		default:
			t.Errorf("%s: %v", r.ID, a.err)
		}
	}
	if len(again) == 0 || fail.Hits() == 0 {
		t.Error("none was refused")
	}
	t.Logf("%d were refused, %d taken", len(again), len(want))
	for i, a := range appendThem(t, k, again) {
		if a.err != nil {
			t.Errorf("%s once more: %v", again[i].ID, a.err)
		}
	}
	ids, _ := readAll(t, k, chat.Mark{})
	for _, r := range append(rs, message(1000, 10), message(1001, 10)) {
		if n := len(slices.DeleteFunc(slices.Clone(ids), func(id chat.MessageID) bool { return id != r.ID })); n != 1 {
			t.Errorf("%s is in the log %d times", r.ID, n)
		}
	}
}
