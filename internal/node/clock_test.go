package node_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// ahead stands between Kafka and its clients, and makes their clocks five minutes fast: it changes the time that they put on records, and
// nothing else.
type ahead struct {
	t     *testing.T
	door  net.Listener
	kafka string // host:port; set before the first client comes
}

const fast = 5 * time.Minute

func newAhead(t *testing.T) *ahead {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &ahead{t: t, door: l}
}

func (a *ahead) run() {
	for {
		in, err := a.door.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", a.kafka)
		if err != nil {
			in.Close()
			continue
		}
		go func() { // answers
			defer in.Close()
			_, _ = io.Copy(in, out)
		}()
		go func() {
			defer out.Close()
			for {
				request, err := frame(in)
				if err == nil {
					request = stamp(request)
					_, err = out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...))
				}
				if err != nil {
					return
				}
			}
		}()
	}
}

// frame reads a request without its length. See the Kafka protocol guide.
func frame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}

// stamp moves the time of the records in a Produce request.
func stamp(request []byte) []byte {
	if len(request) < 10 || binary.BigEndian.Uint16(request) != uint16(kmsg.Produce) {
		return request
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(int16(binary.BigEndian.Uint16(request[2:])))
	head := 10 + int(binary.BigEndian.Uint16(request[8:])) // key, version, correlation, client id
	if req.IsFlexible() {
		head++ // no tags
	}
	if err := req.ReadFrom(request[head:]); err != nil {
		return request
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			for b := req.Topics[i].Partitions[j].Records; len(b) >= 61; {
				size := 12 + int(binary.BigEndian.Uint32(b[8:]))
				for _, at := range []int{27, 35} { // baseTimestamp, maxTimestamp
					binary.BigEndian.PutUint64(b[at:], binary.BigEndian.Uint64(b[at:])+uint64(fast.Milliseconds()))
				}
				binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)))
				b = b[size:]
			}
		}
	}
	return req.AppendTo(request[:head:head])
}

// A node whose clock is five minutes ahead, before a topic that takes no record from more than a second ahead: the topic is made to use the
// broker's time, so that the node sends like any other. If somebody takes that away under it, its sends are refused with a word of clocks,
// and go on when it is put back. See cases.md 15.
func TestANodeWhoseClockIsAhead(t *testing.T) {
	t.Parallel()
	door := newAhead(t)
	at := door.door.Addr().String()
	server, name := enginetest.NewKafka(t, map[string]string{"advertised.listeners": "PLAINTEXT://" + at}), enginetest.Name(t)
	door.kafka = strings.TrimPrefix(server.Addr(), "kafka://")
	go door.run()
	cl, err := kgo.NewClient(kgo.SeedBrokers(at), kgo.DefaultProduceTopic(name+"-g1"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm, topic := kadm.NewClient(cl), name+"-g1"
	own, second := "CreateTime", "1000"
	if _, err := adm.CreateTopic(t.Context(), 4, 1, map[string]*string{"message.timestamp.type": &own, "message.timestamp.after.max.ms": &second}, topic); err != nil {
		t.Fatal(err)
	}
	if err := cl.ProduceSync(t.Context(), kgo.StringRecord("early")).FirstErr(); !errors.Is(err, kerr.InvalidTimestamp) {
		t.Fatalf("the trap does not snap: %v", err)
	}
	logs := &lines{}
	n := &running{t: t, data: t.TempDir(), args: with(engineArgs(t, name), "--log", func(string) string { return "kafka://" + at + "/" + name + "?partitions=4" }),
		logs: slog.New(slog.NewTextHandler(logs, nil))}
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.lobby(t, "", "one", "two")
	if !strings.Contains(logs.String(), "message.timestamp.type is CreateTime instead of LogAppendTime") {
		t.Errorf("the start says nothing of the topic's time:\n%s", logs)
	}
	set := func(value string) {
		t.Helper()
		res, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "message.timestamp.type", Value: &value}}, topic)
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
	}
	send := func() error {
		_, err := ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "more"})
		return err
	}
	set(own)
	until(t, "a send is refused", func() bool { err = send(); return err != nil })
	if !refusedWith(err, chat.CodeUnavailable) {
		t.Errorf("refused with %v", err)
	}
	until(t, "the node says why", func() bool {
		_ = send()
		h := n.health(t)
		return h.State == "degraded" && h.Log == "down" && strings.Contains(h.Reason, "the clock of this node is too far")
	})
	if !strings.Contains(logs.String(), "Kafka refuses what this node writes") {
		t.Errorf("it is not logged:\n%s", logs)
	}
	set("LogAppendTime")
	until(t, "sends go on", func() bool { return send() == nil })
	until(t, "all is well", func() bool { return n.health(t).State == "ok" })
}
