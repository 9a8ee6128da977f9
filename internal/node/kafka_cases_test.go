package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// beside is another program that writes into the lobby's partition of a deployment's topic.
func beside(t *testing.T, topic string, more ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.TrimPrefix(enginetest.Kafka(t), "kafka://")), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression())}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// lobbyRecord is a message in the lobby as a node would write it.
func lobbyRecord(u chat.User, text string) *kgo.Record {
	body := chat.Body{ID: chat.MessageID(text), RoomID: chat.LobbyID, User: u, Text: &text, At: time.Now().UnixMilli()}
	r := chat.Record{Kind: chat.KindMessage, Room: chat.LobbyID, ID: body.ID, User: u.ID, Sent: body.At, Body: body.Encode()}
	return &kgo.Record{Partition: int32(chat.PartitionOf(chat.LobbyID, 4)), Key: []byte(r.Room), Value: chat.AppendRecord(nil, r)}
}

// transaction appends one record and its marker.
func transaction(t *testing.T, cl *kgo.Client, r *kgo.Record, how kgo.TransactionEndTry) {
	t.Helper()
	err := cl.BeginTransaction()
	if err == nil {
		err = cl.ProduceSync(t.Context(), r).FirstErr()
	}
	if err == nil {
		err = cl.EndTransaction(t.Context(), how)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// metric reads one of a node's numbers.
func (r *running) metric(name string) float64 {
	r.t.Helper()
	_, text, _ := request(r.t, "GET", "http://"+r.addr+"/metrics", "", nil)
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		r.t.Fatalf("there is no metric %s", name)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// Markers, aborted records and emptied partitions leave places behind that no reader ever sees: catching up ends all the same. See
// cases.md 16.
func TestCatchingUpEnds(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	n := &running{t: t, data: t.TempDir(), args: engineArgs(t, name)}
	n.up()
	ann := n.lobby(t, "", "one")
	other := beside(t, name+"-g1", kgo.TransactionalID(name))
	transaction(t, other, lobbyRecord(ann.user, "committed"), kgo.TryCommit)
	transaction(t, other, lobbyRecord(ann.user, "aborted"), kgo.TryAbort)
	ann.await("message:new", func(e event) bool { return e.Text == "committed" })
	ends(t, n, "markers at the end")
	history := func(p *person) string {
		return strings.Join(texts(p.must("message:list", map[string]any{"roomId": "lobby"})), " ")
	}
	if got := history(ann); got != "one committed" {
		t.Errorf("history: %s", got)
	}
	for _, e := range ann.of("lobby", "message:new") {
		if e.Text == "aborted" {
			t.Error("an aborted record is shown live")
		}
	}
	n.stop()

	// The same log emptied up to its end, with the same store, and with a fresh one.
	adm := admin(t)
	all, err := adm.ListEndOffsets(t.Context(), name+"-g1")
	if err != nil {
		t.Fatal(err)
	}
	if res, err := adm.DeleteRecords(t.Context(), all.Offsets()); err != nil || res.Error() != nil {
		t.Fatal(err, res.Error())
	}
	n.up()
	ends(t, n, "nothing in the log")
	if got := history(n.lobby(t, ann.token)); got != "one committed" {
		t.Errorf("history behind an empty log: %s", got)
	}
	n.saves(t)
	n.stop()
	n.args = with(n.args, "--store", func(s string) string { return otherDatabase(t, s) })
	n.up()
	t.Cleanup(func() { n.stop() })
	n.lobby(t, ann.token, "fresh")
	ends(t, n, "a fresh store")
	transaction(t, other, lobbyRecord(ann.user, "aborted too"), kgo.TryAbort)
	ends(t, n, "an aborted record at the end")
	n.stop()
	if out, err := nextLog(t, n.data, n.args, "", false); err != nil || !strings.Contains(out, "generation 2") {
		t.Errorf("hubbub log next: %q, %v", out, err)
	}
}

// ends waits until a node has caught up, and then sees no room filled again while digests come and go.
func ends(t *testing.T, n *running, when string) {
	t.Helper()
	until(t, when+": all is well", func() bool { h := n.health(t); return h.State == "ok" && h.Lag == 0 })
	fills := n.metric("hubbub_fills_total")
	n.saves(t)
	if h, now := n.health(t), n.metric("hubbub_fills_total"); h.State != "ok" || h.Lag != 0 || now != fills || n.metric("hubbub_persister_lag") != 0 {
		t.Errorf("%s: %+v; rooms were filled %v times, and %v times later", when, h, fills, now)
	}
}

// Two records above the limit of the topic, lowered under a running node, among 48 small ones of the same partition, all at once: each is refused with
// its reason, the others are kept, once, in one order for all. A start puts the limit right. See cases.md 17.
func TestOneBigRecordTakesNoneAlong(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	logs := &lines{}
	n := &running{t: t, data: t.TempDir(), args: engineArgs(t, name), logs: slog.New(slog.NewTextHandler(logs, nil))}
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.lobby(t, "")
	topic, small := name+"-g1", "8192"
	if _, err := admin(t).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &small}}, topic); err != nil {
		t.Fatal(err)
	}
	other := beside(t, topic)
	until(t, "the limit holds", func() bool {
		err := other.ProduceSync(t.Context(), &kgo.Record{Partition: 3, Value: []byte(strings.Repeat("x", 9000))}).FirstErr()
		return errors.Is(err, kerr.MessageTooLarge)
	})
	big := map[int]string{20: strings.Repeat("x", 16<<10), 35: strings.Repeat("\x01", 16<<10)}
	answers, want := make([]error, 50), []string{}
	var all sync.WaitGroup
	for i := range answers {
		text := big[i]
		if text == "" {
			text = fmt.Sprint("small ", i, strings.Repeat(" ", 500), ".")
			want = append(want, text)
		}
		all.Add(1)
		ann.Emit("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": text}, func(answer json.RawMessage, err error) {
			if err == nil {
				_, err = client.Answer(answer)
			}
			answers[i] = err
			all.Done()
		})
	}
	all.Wait()
	for i, err := range answers {
		if big[i] == "" && err != nil {
			t.Errorf("neighbour %d: %v", i, err)
		}
		if big[i] != "" && (!refusedWith(err, chat.CodeTooLarge) || !strings.Contains(err.Error(), "max.message.bytes")) {
			t.Errorf("the big one at %d: %v", i, err)
		}
	}
	until(t, "all are heard", func() bool { return len(ann.of("lobby", "message:new")) >= len(want) })
	var heard []string
	for _, e := range ann.of("lobby", "message:new") {
		heard = append(heard, e.Text)
	}
	got := texts(ann.must("message:list", map[string]any{"roomId": "lobby", "limit": 100}))
	if !slices.Equal(got, heard) {
		t.Errorf("history has %d in another order than the %d that were heard", len(got), len(heard))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("history has %d, %d were acknowledged", len(got), len(want))
	}
	n.saves(t)
	n.stop()
	n.up()
	if !strings.Contains(logs.String(), "max.message.bytes is 8192, below") {
		t.Errorf("the start says nothing of the limit:\n%s", logs)
	}
	n.lobby(t, ann.token, big[20], big[35])
}

// A topic that somebody made beforehand with settings that delete: a start puts each right and says so. See cases.md 8.
func TestAStartPutsTheTopicRight(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	adm, topic, conf := admin(t), name+"-g1", map[string]*string{}
	for k, v := range map[string]string{"retention.ms": "3600000", "retention.bytes": "1048576", "segment.bytes": "1048576", "cleanup.policy": "compact,delete",
		"min.cleanable.dirty.ratio": "0.01", "message.timestamp.type": "CreateTime"} {
		conf[k] = &v
	}
	if _, err := adm.CreateTopic(t.Context(), 4, 1, conf, topic); err != nil {
		t.Fatal(err)
	}
	logs := &lines{}
	n := &running{t: t, data: t.TempDir(), args: args, logs: slog.New(slog.NewTextHandler(logs, nil))}
	n.up()
	t.Cleanup(func() { n.stop() })
	n.lobby(t, "", "kept")
	all, err := adm.DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	res, err := all.On(topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]string{}
	for _, c := range res.Configs {
		now[c.Key] = c.MaybeValue()
	}
	for k, v := range map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"} {
		if now[k] != v || !strings.Contains(logs.String(), k+" is "+*conf[k]) {
			t.Errorf("%s is %s; the start says:\n%s", k, now[k], logs)
		}
	}
}

// A node of an older version meets what a newer one wrote: it skips nothing, and says so within seconds. Writing on would hide it.
func TestAnOlderNodeStopsInFrontOfANewersRecords(t *testing.T) {
	t.Parallel()
	n := nodes(t, 1)[0]
	ann := n.lobby(t, "", "read")
	r := lobbyRecord(ann.user, "newer")
	r.Value[0]++
	if err := beside(t, logName(n.args)+"-g1").ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	until(t, "the node says so", func() bool {
		h := n.health(t)
		return h.State == "degraded" && h.Log == "down" && strings.Contains(h.Reason, "a newer hubbub wrote")
	})
	ann.await("status", func(e event) bool { return strings.Contains(string(e.raw), `"log":"down"`) })
	if _, err := ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "behind"}); !refusedWith(err, chat.CodeUnavailable) {
		t.Errorf("a send behind it: %v", err)
	}
	if got := texts(ann.must("message:list", map[string]any{"roomId": "lobby"})); strings.Join(got, " ") != "read" {
		t.Errorf("what was there reads as %v", got)
	}
}
