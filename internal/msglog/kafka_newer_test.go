package msglog_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// writes puts values beside a record of ours into partition 0, with the key that it has.
func writes(t *testing.T, addr string, k *msglog.Kafka, values ...[]byte) {
	t.Helper()
	topic := strings.TrimSuffix(strings.SplitN(k.String(), "(topic ", 2)[1], ")")
	cl, _ := tools(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte(message(0, 0).Room), Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// newer is a record as a later version might write it.
func newer() []byte {
	value := chat.AppendRecord(nil, message(9, 10))
	value[0] = 2
	return value
}

// What no hubbub wrote is passed over and counted, whatever it begins with.
func TestKafkaPassesOverWhatNoHubbubWrote(t *testing.T) {
	addr := enginetest.Kafka(t)
	k := kafkaAt(t, addr, enginetest.Deployment(t, addr))
	stray := chat.AppendRecord(nil, chat.Record{Kind: chat.KindMessage, Room: "elsewhere", ID: "stray", Body: []byte("{}")})
	for room := chat.RoomID("elsewhere"); chat.PartitionOf(room, 4) == 0; room += "x" {
		stray = chat.AppendRecord(nil, chat.Record{Kind: chat.KindMessage, Room: room + "x", ID: "stray", Body: []byte("{}")})
	}
	appendThem(t, k, []chat.Record{message(1, 10)})
	garbage := [][]byte{nil, {1}, {2}, []byte(`{"hello":"world"}`), []byte("hello"), {0, 0, 0, 0, 7}, {0x80, 1}, {0xff}, {1, 1, 0xff}, stray}
	writes(t, addr, k, garbage...)
	appendThem(t, k, []chat.Record{message(2, 10)})
	if ids, _ := readAll(t, k, chat.Mark{}); !slices.Equal(ids, []chat.MessageID{"id1", "id2"}) {
		t.Errorf("read %v", ids)
	}
	if n := k.Stats().Foreign; n != uint64(len(garbage)) {
		t.Errorf("%d of %d are counted", n, len(garbage))
	}
	if err := k.Problem(); err != nil {
		t.Error(err)
	}
}

// What a newer hubbub wrote was acknowledged to somebody: an older one stops in front of it and says so, in every way of reading.
func TestKafkaStopsInFrontOfWhatANewerHubbubWrote(t *testing.T) {
	addr := enginetest.Kafka(t)
	name := enginetest.Deployment(t, addr)
	k := kafkaAt(t, addr, name)
	appendThem(t, k, []chat.Record{message(1, 10), message(2, 10)})
	writes(t, addr, k, newer())
	appendThem(t, k, []chat.Record{message(3, 10)}) // it has read nothing yet
	h := &held{release: make(chan struct{}), began: make(chan struct{}), seen: make(chan chat.MessageID, 10)}
	close(h.release)
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan error, 1)
	go func() { joined <- k.Join(ctx, name+"-relay", h) }()
	for _, want := range []chat.MessageID{"id1", "id2"} {
		select {
		case id := <-h.seen:
			if id != want {
				t.Errorf("a member sees %s, want %s", id, want)
			}
		case <-time.After(kafkaPatience):
			t.Fatal("a member sees nothing of what lies before it")
		}
	}
	for end := time.Now().Add(kafkaPatience); k.Problem() == nil; {
		if time.Now().After(end) {
			t.Fatal("nothing is said")
		}
	}
	tailed, second := []chat.MessageID{}, kafkaAt(t, addr, name)
	err := second.Tail(t.Context(), 0, chat.Mark{}, func(rs []chat.Record, _ chat.Mark, _ bool) error {
		for _, r := range rs {
			tailed = append(tailed, r.ID)
		}
		return nil
	})
	if !errors.Is(err, chat.ErrUnavailable) || !slices.Equal(tailed, []chat.MessageID{"id1", "id2"}) {
		t.Errorf("a tail read %v and ended with %v", tailed, err)
	}
	for what, log := range map[string]*msglog.Kafka{"the member's": k, "the tail's": second} {
		if err := log.Problem(); err == nil || !strings.Contains(err.Error(), "a newer hubbub wrote") || !strings.Contains(err.Error(), "at 2") {
			t.Errorf("%s log says %v", what, err)
		}
		if a := appendThem(t, log, []chat.Record{message(4, 10)})[0]; !errors.Is(a.err, chat.ErrUnavailable) || !strings.Contains(a.err.Error(), "newer hubbub") {
			t.Errorf("an append to %s log: %v", what, a.err)
		}
	}
	cancel()
	if err := <-joined; err != nil {
		t.Error(err)
	}
	if len(h.seen) > 0 {
		t.Errorf("a member sees %s behind it", <-h.seen)
	}
}
