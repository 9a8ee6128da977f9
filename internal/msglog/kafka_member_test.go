package msglog_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// spread makes n records, dealt out over all partitions.
func spread(from, n int) (rs []chat.Record) {
	for i := range n {
		room := chat.RoomID(fmt.Sprint("room", (from+i)%16))
		rs = append(rs, chat.Record{Kind: chat.KindMessage, Room: room, ID: chat.MessageID(fmt.Sprint("id", from+i)), User: "u", Body: []byte(`{}`)})
	}
	return rs
}

// whole holds what a group has read against what was appended: each once, and those of one room in their order.
func (l *ledger) whole(t *testing.T, rs []chat.Record) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	want := map[int][]chat.MessageID{}
	for _, r := range rs {
		p := chat.PartitionOf(r.Room, logtest.Partitions)
		want[p] = append(want[p], r.ID)
	}
	for p := range logtest.Partitions {
		if !slices.Equal(l.ids[p], want[p]) {
			t.Errorf("partition %d: the group has read %d records, want %d in their order", p, len(l.ids[p]), len(want[p]))
		}
	}
}

// A member whose node stands still does not leave its group; what it read goes to the other member all the same, within the session's 6 s and
// a little, who misses nothing. When the node goes on, it takes part again.
func TestKafkaMemberThatStandsStillIsReplaced(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name, c, l := enginetest.Deployment(t, addr), newCable(t), newLedger()
	still, other := kafkaAt(t, addr, name, c.through), kafkaAt(t, addr, name)
	a, b := newFollower(l), newFollower(l)
	join(t, still, name+"-relay", a)
	a.until(t, "the first has all", func() bool { return len(a.held) == logtest.Partitions })
	join(t, other, name+"-relay", b)
	b.until(t, "the second has half", func() bool { return len(b.held) == logtest.Partitions/2 })
	rs := spread(0, 100)
	appendThem(t, other, rs)
	within(t, kafkaPatience, "both have read", func() bool { return l.count() == 100 })
	c.freeze("")
	start := time.Now()
	rs = append(rs, spread(100, 100)...)
	appendThem(t, other, rs[100:])
	b.until(t, "the second has all", func() bool { return len(b.held) == logtest.Partitions })
	took := time.Since(start)
	b.until(t, "the second has read all", func() bool { return l.count() == 200 })
	t.Logf("the other member had all after %v, and had read them after %v", took, time.Since(start))
	if took > 20*time.Second { // 6 s for the session, 4 for a busy machine to find out, and as much again
		t.Errorf("the other member took %v", took)
	}
	c.thaw()
	a.until(t, "the first has half again", func() bool { return len(a.held) == logtest.Partitions/2 })
	b.until(t, "the second has half again", func() bool { return len(b.held) == logtest.Partitions/2 })
	rs = append(rs, spread(200, 100)...)
	appendThem(t, still, rs[200:])
	within(t, kafkaPatience, "both have read", func() bool { return l.count() >= 300 })
	l.whole(t, rs)
}

// A handler that blocks for longer than a session lasts keeps its partition, and holds up no other.
func TestKafkaHandlerThatBlocksKeepsItsPartition(t *testing.T) {
	t.Parallel()
	addr := enginetest.Kafka(t)
	name, l := enginetest.Deployment(t, addr), newLedger()
	k := kafkaAt(t, addr, name)
	f := newFollower(l)
	blocked, released := make(chan struct{}, 1000), make(chan struct{})
	f.block = func(ctx context.Context, p int) {
		if p != 0 {
			return
		}
		blocked <- struct{}{}
		select {
		case <-released:
		case <-ctx.Done():
		}
	}
	join(t, k, name+"-relay", f)
	rs := spread(0, 100)
	appendThem(t, k, rs)
	<-blocked
	others := 0
	for _, r := range rs {
		if chat.PartitionOf(r.Room, logtest.Partitions) != 0 {
			others++
		}
	}
	f.until(t, "the others are read", func() bool { return l.count() == others })
	<-time.After(20 * time.Second)
	groups, err := k.Groups(t.Context())
	if err != nil || len(groups) != 1 || groups[0].Members != 1 {
		t.Errorf("the groups are %+v, %v", groups, err)
	}
	close(released)
	f.until(t, "all is read", func() bool { return l.count() == len(rs) })
	l.whole(t, rs)
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, n := range f.begins {
		if n != 1 || !f.held[p] {
			t.Errorf("partition %d was begun %d times, held: %v", p, n, f.held[p])
		}
	}
}
