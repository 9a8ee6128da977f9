package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func testIdentity(t *testing.T, h Harness) {
	s := h.Open(t)
	st, err := s.State(ctxOf(t))
	must(t, err)
	if st.Log.ID != "" || len(st.W) != 0 {
		t.Fatalf("an empty store remembers %+v", st)
	}
	if err := s.Save(ctxOf(t), 0, nil, chat.Mark{Seq: at(1)}); err == nil {
		t.Fatal("saved something of a log that was never adopted")
	}
	for _, bad := range []chat.LogInfo{{}, {ID: "x", Generation: 1}, {ID: "x", Partitions: make([]chat.Partition, 1)},
		{ID: "x", Generation: chat.MaxGeneration + 1, Partitions: make([]chat.Partition, 1)}} {
		wantCode(t, "adopt", s.Adopt(ctxOf(t), bad), chat.CodeInvalid)
	}
	must(t, s.Adopt(ctxOf(t), oneLog(4)))
	st, err = s.State(ctxOf(t))
	must(t, err)
	if st.Log.ID != "log-one" || st.Log.Generation != 1 || len(st.Log.Partitions) != 4 || len(st.W) != 4 {
		t.Fatalf("adopted log: %+v", st)
	}
	for p, w := range st.W {
		if w != (chat.Mark{Seq: at(0) - 1}) {
			t.Fatalf("W of partition %d begins at %+v, not at the place before the log's first", p, w)
		}
	}
	must(t, s.Save(ctxOf(t), 3, nil, chat.Mark{Seq: at(9), Proof: 1 << 63}))
	must(t, s.Adopt(ctxOf(t), oneLog(4))) // again: nothing changes
	wantCode(t, "other count", s.Adopt(ctxOf(t), oneLog(5)), chat.CodeConflict)
	st, err = s.State(ctxOf(t))
	must(t, err)
	if st.W[3] != (chat.Mark{Seq: at(9), Proof: 1 << 63}) || len(st.W) != 4 {
		t.Fatalf("after adopting the same log again: %+v", st)
	}
}

// testName: a store has a name, in characters that fit the name of a consumer group; it keeps it, and no other store has it.
func testName(t *testing.T, h Harness) {
	s := h.Open(t)
	name := func(s Store) string {
		st, err := s.State(ctxOf(t))
		must(t, err)
		if !regexp.MustCompile(`^[-_0-9A-Za-z]{1,38}-[0-9a-f]{8}$`).MatchString(st.Store) {
			t.Fatalf("the store's name is %q", st.Store)
		}
		return st.Store
	}
	first := name(s)
	must(t, s.Adopt(ctxOf(t), oneLog(2)))
	if got := []string{name(s), name(h.Beside(t, s)), name(h.Reopen(t, s))}; got[0] != first || got[1] != first || got[2] != first {
		t.Fatalf("the store %s is then called %v", first, got)
	}
	if other := name(h.Open(t)); other == first {
		t.Fatalf("two stores are called %s", other)
	}
}

// testAdoptedAtOnce is case 19: five nodes on an empty store at once agree on its name, and on the log of one of them.
func testAdoptedAtOnce(t *testing.T, h Harness) {
	s := h.Open(t)
	var wg sync.WaitGroup
	states, errs := make([]chat.ArchiveState, 5), make([]error, 5)
	for i := range 5 {
		handle := h.Beside(t, s)
		wg.Go(func() {
			l := oneLog(4)
			l.ID = fmt.Sprint("log of ", i%2)
			errs[i] = handle.Adopt(ctxOf(t), l)
			st, err := handle.State(ctxOf(t))
			if err != nil {
				t.Error(err)
			}
			states[i] = st
		})
	}
	wg.Wait()
	for i, st := range states {
		mine := st.Log.ID == fmt.Sprint("log of ", i%2)
		if st.Store != states[0].Store || st.Log.ID != states[0].Log.ID || len(st.W) != 4 || mine != (errs[i] == nil) {
			t.Errorf("node %d sees %+v, %v; node 0 %+v", i, st, errs[i], states[0])
		}
		if errs[i] != nil {
			wantCode(t, "the log of another", errs[i], chat.CodeConflict)
		}
	}
}

func testGenerations(t *testing.T, h Harness) {
	s := open(t, h)
	save(t, s, record(at(1), chat.KindCreate, "r", "u", "a"))
	next := chat.LogInfo{ID: "log-two", Generation: 1, Partitions: make([]chat.Partition, 2)}
	wantCode(t, "another log of the same generation", s.Adopt(ctxOf(t), next), chat.CodeConflict)
	next.Generation = 2
	must(t, s.Adopt(ctxOf(t), next))
	st, err := s.State(ctxOf(t))
	must(t, err)
	if st.Log.ID != "log-two" || len(st.W) != 2 || st.W[0].Seq != chat.MakeSeq(2, 0)-1 || st.W[1].Seq != chat.MakeSeq(2, 0)-1 {
		t.Fatalf("the next generation: %+v", st)
	}
	if p := page(t, s, "r", chat.Range{All: true}, 10); len(p.Rows) != 1 || p.AsOf != chat.MakeSeq(2, 0)-1 {
		t.Fatalf("history of the generation before: %+v", p)
	}
	first := record(chat.MakeSeq(2, 0), chat.KindMessage, "r", "u", "b")
	must(t, s.Save(ctxOf(t), chat.PartitionOf("r", 2), changes(first), chat.Mark{Seq: first.Seq}))
	if p := page(t, s, "r", chat.Range{All: true}, 10); len(p.Rows) != 2 {
		t.Fatalf("history over two generations: %+v", p)
	}
}

func testMarks(t *testing.T, h Harness) {
	s := open(t, h)
	for _, c := range []struct{ save, want chat.Mark }{
		{chat.Mark{Seq: at(5), Proof: 50}, chat.Mark{Seq: at(5), Proof: 50}},
		{chat.Mark{Seq: at(4), Proof: 40}, chat.Mark{Seq: at(5), Proof: 50}},
		{chat.Mark{Seq: at(5), Proof: 51}, chat.Mark{Seq: at(5), Proof: 50}},
		{chat.Mark{}, chat.Mark{Seq: at(5), Proof: 50}},
		{chat.Mark{Seq: at(9), Proof: 1<<64 - 1}, chat.Mark{Seq: at(9), Proof: 1<<64 - 1}},
	} {
		must(t, s.Save(ctxOf(t), 0, nil, c.save))
		st, err := s.State(ctxOf(t))
		must(t, err)
		if st.W[0] != c.want {
			t.Fatalf("after a save at %+v W is %+v, want %+v", c.save, st.W[0], c.want)
		}
	}
	for _, p := range []int{-1, 1, 99} {
		if err := s.Save(ctxOf(t), p, nil, chat.Mark{Seq: at(1)}); err == nil {
			t.Fatalf("partition %d does not exist and was saved", p)
		}
	}
}

// testMarksAtOnce: W never goes back, whoever else raises it meanwhile, and the highest stays.
func testMarksAtOnce(t *testing.T, h Harness) {
	s := open(t, h)
	const top = 60
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for i, handle := range []Store{s, h.Beside(t, s), h.Beside(t, s)} {
		writers.Go(func() {
			for n := 1; n <= top; n += 1 + i {
				if err := handle.Save(ctxOf(t), 0, nil, chat.Mark{Seq: at(n), Proof: uint64(n)}); err != nil {
					t.Error(err)
				}
			}
		})
		readers.Go(func() {
			var w chat.Seq
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				st, err := handle.State(ctxOf(t))
				if err != nil || st.W[0].Seq < w {
					t.Errorf("after %d W is %+v, %v", w, st.W, err)
					return
				}
				w = st.W[0].Seq
			}
			if w != at(top) {
				t.Errorf("W ends at %d", w.Offset())
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func testPartitions(t *testing.T, h Harness) {
	s := h.Open(t)
	must(t, s.Adopt(ctxOf(t), oneLog(3)))
	rooms := map[int]chat.RoomID{}
	for _, room := range []chat.RoomID{"a", "b", "c", "d", "e", "f", "g", "h"} {
		rooms[chat.PartitionOf(room, 3)] = room
	}
	if len(rooms) != 3 {
		t.Fatal("the suite's rooms do not cover three partitions")
	}
	for p := range 3 { // the same places in each partition
		must(t, s.Save(ctxOf(t), p, changes(record(at(1), chat.KindCreate, rooms[p], "u", "x")), chat.Mark{Seq: at(p + 1)}))
	}
	for p := range 3 {
		if got := page(t, s, rooms[p], chat.Range{All: true}, 5); len(got.Rows) != 1 || got.AsOf != at(p+1) {
			t.Fatalf("partition %d: %+v", p, got)
		}
	}
}

func testDead(t *testing.T, h Harness) {
	s := open(t, h)
	a, b := record(at(2), chat.KindMessage, "r", "u", "a"), record(at(1), chat.KindJoin, "r", "u", "b")
	a.Body = bytes.Repeat([]byte{0, '\'', 255}, 1<<20) // what can not be a row can be buried
	must(t, s.Bury(ctxOf(t), a, "too large"))
	must(t, s.Bury(ctxOf(t), a, "said again"))
	must(t, s.Bury(ctxOf(t), b, "odd"))
	dead, reasons := h.Dead(t, s)
	same(t, "dead", dead, []chat.Record{b, a})
	if reasons[0] != "odd" || reasons[1] != "too large" {
		t.Fatalf("reasons %q", reasons)
	}
}

func testReopen(t *testing.T, h Harness) {
	s := open(t, h)
	rs := []chat.Record{record(at(1), chat.KindCreate, "r", "u", "a"), record(at(2), chat.KindMessage, "r", "u", "b")}
	save(t, s, rs...)
	s = h.Reopen(t, s)
	same(t, "rows", page(t, s, "r", chat.Range{All: true}, 10).Rows, rs)
	st, err := s.State(ctxOf(t))
	must(t, err)
	if st.Log.ID != "log-one" || st.W[0] != (chat.Mark{Seq: at(2), Proof: 7}) {
		t.Fatalf("after reopening: %+v", st)
	}
	save(t, s, record(at(3), chat.KindMessage, "r", "u", "c"))
}

func testDeadline(t *testing.T, h Harness) {
	s := open(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errState := s.State(ctx)
	_, errPage := s.Page(ctx, "r", chat.Range{}, 5)
	_, errChanged := s.Changed(ctx, "r", 0, 5)
	_, errID := s.ByID(ctx, "r", "x")
	_, _, errRoom := s.Room(ctx, "r")
	_, _, errList := s.List(ctx, chat.RoomQuery{Limit: 5}, "")
	_, _, errMembers := s.Members(ctx, "r", "", 5)
	_, _, errOf := s.RoomsOf(ctx, "u", "", 5)
	for i, err := range []error{errState, errPage, errChanged, errID, errRoom, errList, errMembers, errOf, s.Save(ctx, 0, nil, chat.Mark{Seq: at(1)}),
		s.Bury(ctx, record(at(1), chat.KindMessage, "r", "u", "a"), "x"), s.Adopt(ctx, oneLog(1))} {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("call %d with a context that has ended: %v", i, err)
		}
	}
	save(t, s, record(at(1), chat.KindCreate, "r", "u", "a")) // and the store works on
}
