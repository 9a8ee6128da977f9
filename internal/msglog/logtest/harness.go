// Package logtest is the conformance suite of chat.Log: what its comments promise, as tests that run against every engine, on real clocks,
// with patience enough for a broker on a busy machine. An engine's own test gives a Harness and calls Run.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Partitions is the count with which a Harness opens its log.
const Partitions = 4

// patience is how long the suite waits for what must happen. A broker may take seconds to hand out partitions.
const patience = 60 * time.Second

// Harness is an empty log of one engine, with four partitions.
type Harness struct {
	Log chat.Log
	// Other gives a handle as another node would have it. An engine for one process gives Log itself.
	Other func(t *testing.T) chat.Log
	// Reopen closes every handle and gives a new one on the same log, as after a restart.
	Reopen func(t *testing.T) chat.Log
}

// Run runs the suite. open makes a fresh log for each test and cleans up behind it.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"AppendAnswersOnceInOrder", testAppendOrder},
		{"AppendCallsDoneOutsideOfLocks", testAppendLocks},
		{"AppendFromManyAtOnce", testAppendMany},
		{"AppendRefusesTooLarge", testAppendTooLarge},
		{"RecordsComeBackWhole", testRoundTrip},
		{"InfoTellsPlaces", testInfo},
		{"ReopenKeepsAll", testReopen},
		{"TailFromEveryPlace", testTailEveryPlace},
		{"TailIsBounded", testTailBounded},
		{"TailFollows", testTailFollows},
		{"TailBeatsWhenIdle", testTailBeats},
		{"TailEnds", testTailEnds},
		{"TailNoticesARewoundLog", testTailRewound},
		{"TrimForgetsOnlyThrough", testTrim},
		{"JoinReadsEveryPartitionFromBegin", testJoinReads},
		{"JoinSharesAndTakesOver", testJoinShares},
		{"JoinRetriesBegin", testJoinRetries},
		{"JoinPausesOnePartitionOnly", testJoinPause},
		{"JoinGroupsAreIndependent", testJoinGroups},
		{"RecordsBelongToTheHandler", testRecordsOwned},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// record makes a record of a room; n tells it from others.
func record(room chat.RoomID, n int) chat.Record {
	id := fmt.Sprintf("%s-%d", room, n)
	return chat.Record{Kind: chat.KindMessage, Room: room, ID: chat.MessageID(id), User: "u", Sent: 1_700_000_000_000 + int64(n),
		Sum: uint64(n), Body: []byte(fmt.Sprintf(`{"id":%q}`, id))}
}

// rooms gives one room for each partition.
func rooms() [Partitions]chat.RoomID {
	var out [Partitions]chat.RoomID
	for i, found := 0, 0; found < Partitions; i++ {
		room := chat.RoomID(fmt.Sprintf("room%d", i))
		if p := chat.PartitionOf(room, Partitions); out[p] == "" {
			out[p] = room
			found++
		}
	}
	return out
}

// answer is what a done was called with.
type answer struct {
	seq chat.Seq
	err error
}

// appendAll appends records one behind the other without waiting in between, and gives the answers when all are there.
func appendAll(t *testing.T, log chat.Log, rs ...chat.Record) []answer {
	t.Helper()
	answers := make([]answer, len(rs))
	var wg sync.WaitGroup
	wg.Add(len(rs))
	for i, r := range rs {
		log.Append(r, func(seq chat.Seq, err error) {
			answers[i] = answer{seq, err}
			wg.Done()
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("of %d appends not all are answered", len(rs))
	}
	return answers
}

// mustAppend appends n records to a room, and fails if one does not become durable.
func mustAppend(t *testing.T, log chat.Log, room chat.RoomID, n int) []chat.Record {
	t.Helper()
	rs := make([]chat.Record, n)
	for i := range rs {
		rs[i] = record(room, i)
	}
	for i, a := range appendAll(t, log, rs...) {
		if a.err != nil {
			t.Fatalf("append %d: %v", i, a.err)
		}
	}
	return rs
}

var errEnough = errors.New("enough")

// read tails partition p from a mark to the end, and gives what came, and the mark at the end.
func read(t *testing.T, log chat.Log, p int, after chat.Mark) ([]chat.Record, chat.Mark) {
	t.Helper()
	rs, upTo, err := tryRead(log, p, after)
	if err != nil {
		t.Fatalf("tail partition %d from %+v: %v", p, after, err)
	}
	return rs, upTo
}

func tryRead(log chat.Log, p int, after chat.Mark) (out []chat.Record, last chat.Mark, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err = log.Tail(ctx, p, after, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		out, last = append(out, rs...), upTo
		if atEnd {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, last, err
}

// same fails unless got are the records that were appended, in order, at rising places and times.
func same(t *testing.T, got, want []chat.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		w := want[i]
		if r.ID != w.ID || r.Kind != w.Kind || r.Room != w.Room || r.User != w.User || r.Subject != w.Subject || r.Sent != w.Sent ||
			r.Sum != w.Sum || string(r.Body) != string(w.Body) {
			t.Fatalf("record %d is %+v, want %+v", i, r, w)
		}
		if r.Seq <= 0 || i > 0 && r.Seq <= got[i-1].Seq {
			t.Fatalf("record %d has seq %d", i, r.Seq)
		}
		if r.At <= 0 || i > 0 && r.At < got[i-1].At {
			t.Fatalf("record %d was appended at %d, before the one in front of it", i, r.At)
		}
	}
}
