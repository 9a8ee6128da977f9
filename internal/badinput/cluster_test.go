package badinput_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// shared is a node on the engines of a cluster, and what a test needs to reach past it.
type shared struct {
	*world
	name  string
	kafka string // host:port
	mongo string
	redis string
}

// startShared runs a node on a deployment of its own; its topics are deleted when the test ends.
func startShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{name: enginetest.Name(t), kafka: strings.TrimPrefix(enginetest.Kafka(t), "kafka://"), mongo: enginetest.Mongo(t), redis: enginetest.Redis(t)}
	t.Cleanup(func() { s.forget() })
	s.world = start(t, "--log", "kafka://"+s.kafka+"/"+s.name+"?partitions=4", "--bus", s.redis+"?name="+s.name, "--store", s.mongo+"/"+s.name,
		"--secret", "the secret of a test's cluster, long enough", "--allow-single-broker", "--ping-interval", "5s", "--ping-timeout", "8s",
		"--payload-bytes", "100000", "--room-tail", "50", "--events-per-user", "1000")
	return s
}

func (s *shared) client(t *testing.T) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func (s *shared) forget() {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
	if err != nil {
		return
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = kadm.NewClient(cl).DeleteTopics(ctx, s.name+"-g1")
}

// TestBadInputOnTheCluster is a smaller table against Kafka, Redis and MongoDB: what people send, and what is put straight into each
// engine while people talk in the lobby.
func TestBadInputOnTheCluster(t *testing.T) {
	d := &doors{cases: map[string]int{}}
	w := startShared(t)
	ada, bob, pat := w.attend(t, "Ada", client.WebSocket), w.attend(t, "Bob", client.Upgrade), w.attend(t, "Pat", client.Polling)
	all := []*bystander{ada, bob, pat}
	lobby := string(chat.LobbyID)
	for _, b := range all {
		b.must(t, "room:join", map[string]any{"roomId": lobby})
	}
	for _, b := range all {
		b.talk(lobby)
	}
	historyOf(t, ada, lobby)
	before := look(t)

	d.run(t, "Socket.IO", func(t *testing.T) int { return socketDoor(t, w.world, ada.token) })
	d.run(t, "events", func(t *testing.T) int { return eventsDoor(t, w.world, ada, lobby) })
	d.run(t, "Kafka", func(t *testing.T) int { return kafkaDoor(t, w, bob) })
	d.run(t, "Redis", func(t *testing.T) int { return redisDoor(t, w, bob) })
	d.run(t, "MongoDB", func(t *testing.T) int { return mongoDoor(t, w) })

	returnsTo(t, before)
	audit(t, lobby, all...)
	d.report(t, 200)
}

// kafkaDoor puts records straight into the lobby's partition of the topic, while people talk there.
func kafkaDoor(t *testing.T, w *shared, bob *bystander) int {
	cl := w.client(t)
	defer cl.Close()
	rows := append(poisons(), poison{"nothing at all", nil, false}, poison{"a text of another program", []byte(`{"orders":[1,2]}`), false})
	for _, p := range rows {
		t.Run(p.name, func(t *testing.T) {
			r := &kgo.Record{Topic: w.name + "-g1", Partition: int32(chat.PartitionOf(chat.LobbyID, 4)), Value: p.body}
			if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			heardOn(t, bob)
		})
	}
	until(t, "all is saved", func() bool {
		_, text, _ := w.dial(t).ask("GET /readyz HTTP/1.1\nConnection: close", "")
		return strings.Contains(text, `"state":"ok"`)
	})
	_, text, _ := w.dial(t).ask("GET /metrics HTTP/1.1\nConnection: close", "")
	for _, metric := range []string{"hubbub_kafka_foreign_total", "hubbub_persister_dead_total"} {
		if !strings.Contains(text, "\n"+metric+" ") || strings.Contains(text, "\n"+metric+" 0\n") {
			t.Errorf("%s does not tell", metric)
		}
	}
	return len(rows)
}

// heardOn waits until somebody has heard three more messages of the room: nothing stands still.
func heardOn(t *testing.T, b *bystander) {
	t.Helper()
	from := len(b.ofRoom(string(chat.LobbyID)))
	until(t, fmt.Sprint(b.name, " hears on"), func() bool {
		select {
		case <-b.Done():
			t.Fatalf("%s was disconnected", b.name)
		default:
		}
		return len(b.ofRoom(string(chat.LobbyID))) >= from+3
	})
	b.undisturbed(t)
}
