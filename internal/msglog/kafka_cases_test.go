package msglog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// The cases of cases.md that touch the log, on a real broker.

const kafkaPatience = 60 * time.Second

// tools gives another client of the same broker, as an operator has it.
func tools(t testing.TB, addr string, more ...kgo.Opt) (*kgo.Client, *kadm.Client) {
	t.Helper()
	seeds := strings.Split(strings.TrimPrefix(addr, "kafka://"), ",")
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(seeds...)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl, kadm.NewClient(cl)
}

// message makes a record of a room in partition 0 with a text of so many bytes.
func message(n, size int) chat.Record {
	room := chat.RoomID("room")
	for i := 0; chat.PartitionOf(room, 4) != 0; i++ {
		room = chat.RoomID(fmt.Sprint("room", i))
	}
	return chat.Record{Kind: chat.KindMessage, Room: room, ID: chat.MessageID(fmt.Sprint("id", n)), User: "u", Sum: uint64(n),
		Body: []byte(`{"text":"` + strings.Repeat("x", size) + `"}`)}
}

type appended struct {
	seq chat.Seq
	err error
}

// appendThem appends without waiting in between, and gives the answers when all are there.
func appendThem(t *testing.T, log chat.Log, rs []chat.Record) []appended {
	t.Helper()
	out := make([]appended, len(rs))
	var wg sync.WaitGroup
	wg.Add(len(rs))
	for i, r := range rs {
		log.Append(r, func(seq chat.Seq, err error) {
			out[i] = appended{seq, err}
			wg.Done()
		})
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	select {
	case <-all:
	case <-time.After(kafkaPatience):
		t.Fatal("not every append is answered")
	}
	return out
}

// readAll tails partition 0 to its end.
func readAll(t *testing.T, log chat.Log, after chat.Mark) (ids []chat.MessageID, last chat.Mark) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kafkaPatience)
	defer cancel()
	enough := errors.New("enough")
	err := log.Tail(ctx, 0, after, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		for _, r := range rs {
			ids = append(ids, r.ID)
		}
		if last = upTo; atEnd {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return ids, last
}

func alter(t *testing.T, adm *kadm.Client, topic, name, value string) {
	t.Helper()
	res, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err != nil || res[0].Err != nil {
		t.Fatal(err, res)
	}
}

// Case 8 a–c: a topic that deletes by size or compacts, made beforehand, is put right at the start.
func TestKafkaPutsRightATopicThatWouldLoseMessages(t *testing.T) {
	addr := enginetest.Kafka(t)
	for what, conf := range map[string]map[string]string{
		"by size":    {"retention.bytes": "1048576", "segment.bytes": "1048576"},
		"compacting": {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"},
		"both":       {"cleanup.policy": "compact,delete"},
	} {
		t.Run(what, func(t *testing.T) {
			name := enginetest.Deployment(t, addr)
			_, adm := tools(t, addr)
			set := map[string]*string{}
			for k, v := range conf {
				set[k] = &v
			}
			if _, err := adm.CreateTopic(t.Context(), 4, 1, set, name+"-g1"); err != nil {
				t.Fatal(err)
			}
			k := kafkaAt(t, addr, name)
			if wrong, err := k.Wrong(t.Context()); err != nil || len(wrong) > 0 {
				t.Fatalf("still wrong: %v, %v", wrong, err)
			}
		})
	}
}

// Case 16: markers and aborted records at the end are read over, so that nothing is left to catch up with; they are shown to nobody.
func TestKafkaReadsOverMarkersAbortedRecordsAndTrimmedPlaces(t *testing.T) {
	addr := enginetest.Kafka(t)
	k := kafkaAt(t, addr, enginetest.Deployment(t, addr))
	topic := strings.TrimSuffix(strings.SplitN(k.String(), "(topic ", 2)[1], ")")
	appendThem(t, k, []chat.Record{message(1, 10)})
	cl, _ := tools(t, addr, kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	for n, how := range map[int]kgo.TransactionEndTry{2: kgo.TryCommit, 3: kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		r := message(n, 10)
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte(r.Room), Value: chat.AppendRecord(nil, r)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	ids, last := readAll(t, k, chat.Mark{})
	if !slices.Equal(ids, []chat.MessageID{"id1", "id2"}) {
		t.Fatalf("read %v", ids)
	}
	ends := func() chat.Partition {
		info, err := k.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.Partitions[0]
	}
	// The coordinator writes its markers after it has answered.
	for began := time.Now(); ends().Last != last.Seq; _, last = readAll(t, k, last) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the log ends at %d, but was read up to %d: a lag for ever", ends().Last, last.Seq)
		}
	}
	if err := k.Trim(t.Context(), 0, last.Seq); err != nil {
		t.Fatal(err)
	}
	ids, last = readAll(t, k, chat.Mark{Seq: last.Seq})
	if at := ends(); len(ids) > 0 || at.Last != last.Seq {
		t.Fatalf("of a log without records: %v, ends at %d, read up to %d", ids, at.Last, last.Seq)
	}
}

// Case 17: the topic's limit is lowered while the node runs; one record above it is refused, its 49 neighbours are kept in order.
func TestKafkaRefusesOneBigRecordAndKeepsItsNeighbours(t *testing.T) {
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name)
	_, adm := tools(t, addr)
	appendThem(t, k, []chat.Record{message(1000, 10)})
	alter(t, adm, name+"-g1", "max.message.bytes", "8192")
	var rs []chat.Record
	var want []chat.MessageID
	for i := range 50 {
		if i == 20 {
			rs = append(rs, message(i, 16<<10))
			continue
		}
		rs = append(rs, message(i, 600)) // together far above the limit, so that they have to be parted too
		want = append(want, rs[i].ID)
	}
	for i, a := range appendThem(t, k, rs) {
		switch {
		case i == 20 && !errors.Is(a.err, &chat.Error{Code: chat.CodeTooLarge}):
			t.Errorf("the big one: %v", a.err)
		case i != 20 && a.err != nil:
			t.Errorf("neighbour %d: %v", i, a.err)
		}
	}
	if ids, _ := readAll(t, k, chat.Mark{}); !slices.Equal(ids, append([]chat.MessageID{"id1000"}, want...)) {
		t.Errorf("read %d records: %v", len(ids), ids)
	}
}

// Case 19: all nodes start on an empty broker in the same instant.
func TestKafkaNodesStartOnAnEmptyBrokerAtOnce(t *testing.T) {
	addr := enginetest.Kafka(t)
	for range 3 {
		name := enginetest.Deployment(t, addr)
		ids := make([]string, 5)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				k, err := openAt(t, addr, name)
				if err != nil {
					t.Errorf("node %d: %v", i, err)
					return
				}
				defer k.Close()
				info, err := k.Info(t.Context())
				if err != nil || info.Generation != 1 {
					t.Errorf("node %d: %+v, %v", i, info, err)
				}
				ids[i] = info.ID
			})
		}
		wg.Wait()
		if len(slices.Compact(ids)) != 1 {
			t.Fatalf("they have different logs: %v", ids)
		}
	}
}

// A topic deleted and made anew under a running node is another log: appends stop with a sentence, and nothing is written to it.
func TestKafkaNoticesThatItsTopicWasMadeAnew(t *testing.T) {
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name)
	_, adm := tools(t, addr)
	appendThem(t, k, []chat.Record{message(1, 10)})
	if _, err := adm.DeleteTopics(t.Context(), name+"-g1"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(kafkaPatience); ; {
		if _, err := adm.CreateTopic(t.Context(), 4, 1, nil, name+"-g1"); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(kafkaPatience); ; {
		a := appendThem(t, k, []chat.Record{message(2, 10)})[0]
		if a.err == nil {
			t.Fatal("an append to a topic that was made anew was acknowledged")
		}
		if errors.Is(a.err, chat.ErrUnavailable) && strings.Contains(a.err.Error(), "made anew") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("never refused for the right reason: %v", a.err)
		}
	}
	if _, err := k.Info(t.Context()); !errors.Is(err, chat.ErrUnavailable) {
		t.Fatalf("Info of it: %v", err)
	}
	ends, err := adm.ListEndOffsets(t.Context(), name+"-g1")
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 {
			t.Errorf("partition %d of the new topic has %d records", o.Partition, o.Offset)
		}
	})
}

// Closing while the broker hangs, with a refused batch on its way, answers everything and does not hang.
func TestKafkaCloseAnswersWhatWasTooLarge(t *testing.T) {
	t.Parallel()
	server := enginetest.NewKafka(t, nil)
	k := kafkaAt(t, server.Addr(), "closing")
	_, adm := tools(t, server.Addr())
	appendThem(t, k, []chat.Record{message(1000, 10)})
	alter(t, adm, "closing-g1", "max.message.bytes", "8192")
	var answers sync.WaitGroup
	for i := range 200 {
		answers.Add(1)
		k.Append(message(i, 600), func(chat.Seq, error) { answers.Done() })
	}
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	all := make(chan struct{})
	go func() {
		start := time.Now()
		k.Close()
		t.Log("closed within", time.Since(start))
		answers.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(kafkaPatience):
		t.Error("Close hangs, or an append is never answered")
	}
	if err := server.Continue(); err != nil {
		t.Fatal(err)
	}
}
