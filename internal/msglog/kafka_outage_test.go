package msglog_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"errors"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// outage takes the brokers away in the middle of appends and brings them back: nothing acknowledged is lost, and a member of a group goes on.
func outage(t *testing.T, k, other *msglog.Kafka, group string, stop, start func()) {
	t.Helper()
	began := time.Now()
	step := func(what string) { t.Logf("%6.1f s: %s", time.Since(began).Seconds(), what) }
	f := newFollower(newLedger())
	leave := join(t, k, group, f)
	s := sends(k, 50)
	s.more(t, 200)
	step("the engine goes away")
	away(t, k, stop)
	step("it comes back")
	start()
	step("it is back")
	s.more(t, 200)
	step("appends are acknowledged again")
	inLog := s.finish(t, other)
	f.until(t, "a member has read everything", func() bool { return f.ledger.count() == len(inLog) })
	step("a member has read everything")
	leave()
	step("it has left")
}

// Nothing passes between a node and a broker that runs, for some seconds.
func TestKafkaHang(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name, c := enginetest.Deployment(t, addr), newCable(t)
	k := kafkaAt(t, addr, name, c.through)
	outage(t, k, kafkaAt(t, addr, name), name+"-relay", func() { c.freeze("") }, c.thaw)
}

// The broker itself is stopped, then killed.
func TestKafkaBrokerStoppedAndKilled(t *testing.T) {
	t.Parallel()
	server := enginetest.NewKafka(t, nil)
	for what, do := range map[string]struct{ stop, start func() error }{"stopped": {server.Pause, server.Continue}, "killed": {server.Kill, server.Restart}} {
		name := enginetest.Name(t)
		k := kafkaAt(t, server.Addr(), name)
		must := func(f func() error) func() {
			return func() {
				if err := f(); err != nil {
					t.Fatal(what, err)
				}
			}
		}
		outage(t, k, k, name+"-relay", must(do.stop), must(do.start))
	}
}

// Connections break in the middle of appends, half of them after the broker has written what it was sent, and before it has said so.
func TestKafkaConnectionsBreak(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name, c := enginetest.Deployment(t, addr), newCable(t)
	k := kafkaAt(t, addr, name, c.through)
	f := newFollower(newLedger())
	join(t, k, name+"-relay", f)
	s := sends(k, 100)
	for i := range 12 {
		s.more(t, 100)
		if i%2 == 0 {
			c.cut()
		} else {
			c.cutDeaf(t)
		}
	}
	s.more(t, 100)
	inLog := s.finish(t, kafkaAt(t, addr, name))
	f.until(t, "a member has read everything", func() bool { return f.ledger.count() == len(inLog) })
	if n := k.Stats().Unknown; n > 0 {
		t.Errorf("%d are unknown, though the broker was there again at once", n)
	}
}

// Brokers hang up on the first questions of new connections, as happens while they restart or have much to do: that is no reason to give up
// what waits.
func TestKafkaHangsUpOnNewConnections(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.InitProducerID} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			cluster, addr := fakes(t)
			c := newCable(t)
			k := kafkaAt(t, addr, "hangup", onePartition, c.through, func(o *msglog.KafkaOptions) { o.Patience(time.Minute, time.Minute) })
			c.cut()
			stop := control(cluster, key, func(kmsg.Request) (kmsg.Response, error) { return nil, errors.New("hang up") })
			s := sends(k, 50)
			time.Sleep(300 * time.Millisecond)
			stop()
			s.more(t, 200)
			s.finish(t, kafkaAt(t, addr, "hangup", onePartition))
			if n := k.Stats().Unknown; n > 0 {
				t.Errorf("%d are unknown, though the brokers were there again at once", n)
			}
		})
	}
}

// A broker of three to which nothing passes holds up what it leads, and nothing else.
func TestKafkaHangOfOneBrokerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	c := newCable(t)
	k := kafkaAt(t, addr, "one", onePartition, c.through, func(o *msglog.KafkaOptions) { o.Patience(100*time.Millisecond, time.Minute) })
	appendThem(t, k, []chat.Record{message(0, 10)})
	leader := cluster.LeaderFor("one-g1", 0)
	c.freeze(cluster.ListenAddrs()[(leader+1)%3])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	n, end := 1, time.After(4*time.Second) // ten looks at the topic or more, by brokers that chance chooses
	for over := false; !over; n++ {
		if a := appendThem(t, k, []chat.Record{message(n, 10)})[0]; a.err != nil {
			t.Fatalf("after %d: %v", n, a.err)
		}
		if n%10 == 0 {
			if _, err := k.Info(t.Context()); err != nil {
				t.Fatalf("Info after %d: %v", n, err)
			}
			readAll(t, k, chat.Mark{})
		}
		select {
		case <-tick.C:
		case <-end:
			over = true
		}
	}
	if ids, _ := readAll(t, k, chat.Mark{}); len(ids) != n {
		t.Errorf("%d of %d are in the log", len(ids), n)
	}
	if c.waited() == 0 {
		t.Error("nobody has asked the broker that hangs")
	}
}

// A producer to which nothing is answered is replaced; what waits in it is unknown, what comes later is taken. Should the broker write what
// it was sent all the same, there are copies, of what was unknown alone.
func TestKafkaReplacesAStuckProducer(t *testing.T) {
	t.Parallel()
	cluster, addr := fakes(t)
	var lines logLines
	k := kafkaAt(t, addr, "stuck", onePartition, func(o *msglog.KafkaOptions) {
		o.Patience(time.Second, 7*time.Second)
		o.Logger = lines.logger()
	})
	appendThem(t, k, []chat.Record{message(1000, 10)})
	var hang atomic.Bool
	release := make(chan struct{})
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if hang.Load() {
			cluster.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	hang.Store(true)
	var rs []chat.Record
	for i := range 20 {
		rs = append(rs, message(i, 10))
	}
	start, refusedAfter := time.Now(), make(chan time.Duration, 1)
	go func() {
		within(t, kafkaPatience, "an append is refused", func() bool {
			answer := make(chan error, 1)
			k.Append(message(500, 10), func(_ chat.Seq, err error) { answer <- err })
			select {
			case err := <-answer:
				return errors.Is(err, chat.ErrUnavailable) && strings.Contains(err.Error(), "acknowledged nothing")
			case <-time.After(50 * time.Millisecond):
				return false
			}
		})
		refusedAfter <- time.Since(start)
	}()
	for i, a := range appendThem(t, k, rs) {
		if !errors.Is(a.err, chat.ErrUnknown) {
			t.Errorf("what waited, %d: %v", i, a.err)
		}
	}
	t.Logf("refused after %v, answered after %v", <-refusedAfter, time.Since(start))
	hang.Store(false)
	if s := k.Stats(); s.Replaced != 1 || !strings.Contains(lines.String(), "producer of Kafka is replaced") {
		t.Errorf("%+v, and the log says %s", s, lines.String())
	}
	for i, a := range appendThem(t, k, rs) { // as clients do whom nobody has answered
		if a.err != nil {
			t.Errorf("once more, %d: %v", i, a.err)
		}
	}
	close(release)
	if a := appendThem(t, k, []chat.Record{message(2000, 10)})[0]; a.err != nil || k.Problem() != nil {
		t.Errorf("afterwards: %v, %v", a.err, k.Problem())
	}
	times := map[chat.MessageID]int{}
	within(t, kafkaPatience, "what the broker had been sent is written", func() bool {
		ids, _ := readAll(t, k, chat.Mark{})
		clear(times)
		for _, id := range ids {
			times[id]++
		}
		return times["id0"] == 2
	})
	if times["id1000"] != 1 || times["id2000"] != 1 {
		t.Errorf("read %v", times)
	}
}
