package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// Somebody has Kafka delete what the store does not have yet (a report from the field: retention altered while the store is away): appends
// stop with one clear sentence, and no reader is given a page with a hole that it does not name.
func TestALogThatForgetsWhatTheStoreLacks(t *testing.T) {
	t.Parallel()
	server := enginetest.NewMongo(t)
	name := enginetest.Name(t)
	n := &running{t: t, data: t.TempDir(), args: with(engineArgs(t, name), "--store", func(string) string { return server.Addr() + "/" + name })}
	n.args = append(n.args, "--room-tail", "5")
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.guest("Ann")
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	for i := range 5 {
		ann.send("lobby", fmt.Sprint("m", i))
	}
	n.saves(t)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		ann.send("lobby", fmt.Sprint("m", 5+i))
	}
	last := ann.await("message:new", func(e event) bool { return e.Text == "m54" })
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(enginetest.Kafka(t), "kafka://")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	p := int32(chat.PartitionOf("lobby", 4))
	topic := name + "-g1"
	upTo := chat.Seq(last.Seq).Offset() - 10
	if res, err := kadm.NewClient(cl).DeleteRecords(t.Context(), kadm.Offsets{topic: {p: {Topic: topic, Partition: p, At: upTo}}}); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	if err := server.Continue(); err != nil {
		t.Fatal(err)
	}
	until(t, "the running node says what is lost", func() bool {
		h := n.health(t)
		return h.Log == "down" && strings.Contains(h.Reason, "records are lost")
	})
	_, err = ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "into a log with a hole"})
	if !refusedWith(err, "unavailable") {
		t.Errorf("a send: %v", err)
	}
	// A reader of the stretch that is lost is refused, or told of a gap; never given its edges as if they were neighbours.
	page, err := ann.ask("message:list", map[string]any{"roomId": "lobby", "limit": 100})
	if err == nil && page["gap"] == nil && len(texts(page)) < 55 && page["hasMore"] != true {
		t.Errorf("a page with a hole: %v", page)
	}
	if err != nil && !refusedWith(err, "unavailable") {
		t.Errorf("a page: %v", err)
	}
	n.stop()
	refuses(t, n.args, "records are lost")
}
