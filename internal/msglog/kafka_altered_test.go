package msglog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// What a platform team may do to a topic while nodes run.

func watchful(lines *logLines) func(*msglog.KafkaOptions) {
	return func(o *msglog.KafkaOptions) {
		o.Patience(100*time.Millisecond, time.Minute)
		o.Logger = lines.logger()
	}
}

// Case 8 d: settings by which the topic would lose messages are put right while the node runs, and said once.
func TestKafkaPutsRightSettingsThatAreChangedWhileItRuns(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	var lines logLines
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name, watchful(&lines))
	_, adm := tools(t, addr)
	want := map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime",
		"max.message.bytes": "2097152", "unclean.leader.election.enable": "false"}
	for setting, value := range map[string]string{"retention.ms": "60000", "retention.bytes": "1048576", "cleanup.policy": "compact",
		"message.timestamp.type": "CreateTime", "max.message.bytes": "1000", "unclean.leader.election.enable": "true"} {
		alter(t, adm, name+"-g1", setting, value)
		within(t, kafkaPatience, setting+" is said", func() bool { return strings.Contains(lines.String(), setting+" is "+value) })
		within(t, kafkaPatience, setting+" is put right", func() bool {
			all, err := adm.DescribeTopicConfigs(t.Context(), name+"-g1")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all[0].Configs {
				if c.Key == setting {
					return c.MaybeValue() == want[setting]
				}
			}
			return false
		})
		if n := strings.Count(lines.String(), setting+" is "+value); n != 1 {
			t.Errorf("%s was said %d times: %s", setting, n, lines.String())
		}
	}
	within(t, kafkaPatience, "nothing is wrong", func() bool { return k.Stats().Wrong == 0 })
	if a := appendThem(t, k, []chat.Record{message(1, 5000)})[0]; a.err != nil {
		t.Error(a.err)
	}
}

// What this user may not put right is counted until somebody else does.
func TestKafkaCountsSettingsThatItMayNotPutRight(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	var lines logLines
	k := kafkaAt(t, addr, "rights", watchful(&lines), func(o *msglog.KafkaOptions) { o.AllowSingleBroker = false })
	_, adm := tools(t, addr)
	alter(t, adm, "rights-g1", "min.insync.replicas", "1") // which no node raises: it could stop everything
	within(t, kafkaPatience, "it is counted", func() bool { return k.Stats().Wrong == 1 })
	alter(t, adm, "rights-g1", "retention.ms", "60000")
	within(t, kafkaPatience, "that is put right", func() bool { return strings.Contains(lines.String(), "retention.ms is 60000") && k.Stats().Wrong == 1 })
	refused := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.IncrementalAlterConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1,
		When: func(r kmsg.Request) bool {
			value := r.(*kmsg.IncrementalAlterConfigsRequest).Resources[0].Configs[0].Value // the node's, not the operator's
			return value != nil && *value == "-1"
		}})
	alter(t, adm, "rights-g1", "retention.bytes", "1048576")
	within(t, kafkaPatience, "both are counted", func() bool { return k.Stats().Wrong == 2 })
	within(t, kafkaPatience, "it tries again", func() bool { return refused.Hits() > 3 })
	if text := lines.String(); strings.Count(text, "could not be put right: do so yourself") != 1 || !strings.Contains(text, "min.insync.replicas is 1") {
		t.Errorf("it says %s", text)
	}
	if a := appendThem(t, k, []chat.Record{message(1, 10)})[0]; a.err != nil {
		t.Error(a.err)
	}
	refused.Remove()
	within(t, kafkaPatience, "it is put right at last", func() bool { return k.Stats().Wrong == 1 })
	alter(t, adm, "rights-g1", "min.insync.replicas", "2")
	within(t, kafkaPatience, "nothing is wrong", func() bool { return k.Stats().Wrong == 0 })
}

// More partitions would move rooms: appends are refused in a sentence, and none is written to a new partition.
func TestKafkaNoticesAnotherCountOfPartitions(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name)
	_, adm := tools(t, addr)
	l := newLedger()
	f := newFollower(l)
	join(t, k, name+"-relay", f)
	rs := spread(0, 50)
	appendThem(t, k, rs)
	f.until(t, "they are read", func() bool { return l.count() == 50 })
	if _, err := adm.UpdatePartitions(t.Context(), 6, name+"-g1"); err != nil {
		t.Fatal(err)
	}
	n := 50
	var refusal error
	within(t, kafkaPatience, "an append is refused", func() bool {
		r := spread(n, 1)
		n++
		if refusal = appendThem(t, k, r)[0].err; refusal == nil {
			rs = append(rs, r...)
		}
		return refusal != nil
	})
	for what, err := range map[string]error{"an append": refusal, "Problem": k.Problem()} {
		if err == nil || !strings.Contains(err.Error(), "had 4 partitions when this node started, but has 6 now") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := k.Info(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("Info: %v", err)
	}
	if !errors.Is(refusal, chat.ErrUnavailable) {
		t.Errorf("an append: %v", refusal)
	}
	ends, err := adm.ListEndOffsets(t.Context(), name+"-g1")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	ends.Each(func(o kadm.ListedOffset) {
		if total += o.Offset; o.Partition >= 4 && o.Offset > 0 {
			t.Errorf("partition %d has %d records", o.Partition, o.Offset)
		}
	})
	if total != int64(len(rs)) {
		t.Errorf("%d records are in the topic, %d were acknowledged", total, len(rs))
	}
	f.until(t, "what was acknowledged is read", func() bool { return l.count() == len(rs) })
	if _, err := openAt(t, addr, name); err == nil || !strings.Contains(err.Error(), "has 6 partitions, but the address says partitions=4") {
		t.Errorf("a node that starts: %v", err)
	}
}

// A topic that is deleted under a running node: everybody hears of it, and nobody makes another.
func TestKafkaNoticesThatItsTopicIsDeleted(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name)
	_, adm := tools(t, addr)
	join(t, k, name+"-relay", newFollower(newLedger()))
	appendThem(t, k, []chat.Record{message(1, 10)})
	away(t, k, func() {
		if _, err := adm.DeleteTopics(t.Context(), name+"-g1"); err != nil {
			t.Fatal(err)
		}
		within(t, kafkaPatience, "it is noticed", func() bool { return k.Problem() != nil })
	})
	if err := k.Problem(); err == nil || !strings.Contains(err.Error(), "Kafka has no topic "+name+"-g1 any more") {
		t.Errorf("Problem: %v", err)
	}
	topics, err := adm.ListTopics(t.Context())
	if err != nil || topics.Has(name+"-g1") {
		t.Errorf("somebody has made the topic anew, or %v", err)
	}
	if _, err := msglog.OldKafka(t.Context(), parsed(t, addr+"/"+name), 1); !errors.Is(err, msglog.ErrNoTopic) {
		t.Errorf("OldKafka: %v", err)
	}
}

// The highest generation is the one; names that only look like one are none. A generation is begun once.
func TestKafkaGenerations(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	o := parsed(t, addr+"/"+name)
	ctx := context.Background()
	first := kafkaAt(t, addr, name)
	appendThem(t, first, []chat.Record{message(1, 10)})
	_, adm := tools(t, addr)
	if _, err := adm.CreateTopics(ctx, 4, 1, nil, name+"-g07", name+"-g0", name+"-gx", name+"-g5x", name+"-g99999", name+"-g-3"); err != nil {
		t.Fatal(err)
	}
	var made []string
	for range 2 { // two who ask for it in turn, or one whom nobody has answered
		info, err := msglog.NextKafka(ctx, o, 2)
		if err != nil || info.Generation != 2 || len(info.Partitions) != 4 {
			t.Fatalf("%+v, %v", info, err)
		}
		made = append(made, info.ID)
	}
	if len(slices.Compact(made)) != 1 {
		t.Errorf("two logs: %v", made)
	}
	second := kafkaAt(t, addr, name)
	info, err := second.Info(ctx)
	if err != nil || info.Generation != 2 || info.ID != made[0] {
		t.Errorf("opened %+v, %v", info, err)
	}
	a := appendThem(t, second, []chat.Record{message(2, 10)})[0]
	if a.err != nil || a.seq.Generation() != 2 {
		t.Errorf("%+v", a)
	}
	if ids, _ := readAll(t, second, chat.Mark{Seq: chat.MakeSeq(1, 0)}); !slices.Equal(ids, []chat.MessageID{"id2"}) {
		t.Errorf("from a place of the old generation: %v", ids)
	}
	if _, err := msglog.NextKafka(ctx, o, 2); err == nil || !strings.Contains(err.Error(), "generation 2 has begun") {
		t.Errorf("once more, when it has begun: %v", err)
	}
	if _, err := msglog.NextKafka(ctx, o, chat.MaxGeneration+1); err == nil || !strings.Contains(err.Error(), "more than a seq has space for") {
		t.Errorf("a generation above all: %v", err)
	}
	old, err := msglog.OldKafka(ctx, o, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if ids, _ := readAll(t, old, chat.Mark{}); !slices.Equal(ids, []chat.MessageID{"id1"}) {
		t.Errorf("in the old generation: %v", ids)
	}
	if _, err := msglog.OldKafka(ctx, o, 3); !errors.Is(err, msglog.ErrNoTopic) {
		t.Errorf("a generation that is not there: %v", err)
	}
}
