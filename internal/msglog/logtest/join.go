package logtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// reader is a Handler that remembers, and checks that calls are serial and in their order.
type reader struct {
	t     *testing.T
	begin func(p int) (chat.Mark, error)
	block func(ctx context.Context, p int) // in Records; nil: do not

	mu    Watched
	busy  map[int]bool
	open  map[int]context.Context // by partition, from Begin to End
	got   map[int][]chat.Record
	upTo  map[int]chat.Mark
	calls map[int]int
	ends  map[int]int
}

func newReader(t *testing.T) *reader {
	return &reader{t: t, begin: func(int) (chat.Mark, error) { return chat.Mark{}, nil }, busy: map[int]bool{}, open: map[int]context.Context{},
		got: map[int][]chat.Record{}, upTo: map[int]chat.Mark{}, calls: map[int]int{}, ends: map[int]int{}}
}

// enter and leave stand around every call.
func (r *reader) enter(p int, call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[p] {
		r.t.Errorf("%s while another call for partition %d runs", call, p)
	}
	r.busy[p] = true
	if _, open := r.open[p]; !open && call != "Begin" {
		r.t.Errorf("%s of partition %d without a Begin", call, p)
	}
}

func (r *reader) leave(p int, change func()) {
	r.mu.Change(func() {
		change()
		r.busy[p] = false
	})
}

func (r *reader) Begin(ctx context.Context, p int) (chat.Mark, error) {
	r.enter(p, "Begin")
	m, err := r.begin(p)
	r.leave(p, func() { r.open[p] = ctx })
	return m, err
}

func (r *reader) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, _ bool) {
	r.enter(p, "Records")
	if r.block != nil {
		r.block(ctx, p)
	}
	r.leave(p, func() {
		if ctx.Err() != nil && r.block != nil {
			return // taken back in mid-call: not read
		}
		if last := r.upTo[p]; upTo.Seq < last.Seq && r.calls[p] > 0 {
			r.t.Errorf("partition %d was read up to %d, now up to %d", p, last.Seq, upTo.Seq)
		}
		if len(rs) > chat.MaxBatch {
			r.t.Errorf("%d records at once", len(rs))
		}
		r.got[p] = append(r.got[p], rs...)
		r.upTo[p] = upTo
		r.calls[p]++
	})
}

func (r *reader) End(p int) {
	r.enter(p, "End")
	r.leave(p, func() {
		delete(r.open, p)
		r.ends[p]++
	})
}

// until waits for a state of the reader; ok is called under its lock.
func (r *reader) until(what string, ok func() bool) {
	r.t.Helper()
	if !r.mu.Until(patience, ok) {
		r.t.Fatalf("waited in vain until %s", what)
	}
}

// total counts the records read. Needs mu.
func (r *reader) total() int {
	n := 0
	for _, rs := range r.got {
		n += len(rs)
	}
	return n
}

// join runs Join until stop, which returns what Join returned.
func join(t *testing.T, log chat.Log, group string, h chat.Handler) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Join(ctx, group, h) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("Join does not end with its context")
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// mustStop ends a Join, which must then return nil and have ended all partitions.
func mustStop(t *testing.T, r *reader, stop func() error) {
	t.Helper()
	if err := stop(); err != nil {
		t.Fatalf("Join returned %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) > 0 {
		t.Fatalf("Join has returned, but %d partitions have not had their End", len(r.open))
	}
}

func testJoinReads(t *testing.T, h Harness) {
	var want [Partitions][]chat.Record
	var from [Partitions]chat.Mark
	for p, room := range rooms() {
		want[p] = mustAppend(t, h.Log, room, 30+p)
		rs, _ := read(t, h.Log, p, chat.Mark{})
		from[p] = chat.Mark{Seq: rs[p].Seq} // each from another place
	}
	r := newReader(t)
	r.begin = func(p int) (chat.Mark, error) { return from[p], nil }
	stop := join(t, h.Log, "readers", r)
	r.until("all is read, and beats come", func() bool {
		for p := range Partitions {
			if len(r.got[p]) < len(want[p])-p-1 || r.calls[p] < 4 {
				return false
			}
		}
		return true
	})
	for p, room := range rooms() {
		if a := appendAll(t, h.Log, record(room, 5000))[0]; a.err != nil {
			t.Fatal(a.err)
		}
		want[p] = append(want[p], record(room, 5000))
	}
	r.until("what was appended since is read", func() bool {
		for p := range Partitions {
			if len(r.got[p]) < len(want[p])-p-1 {
				return false
			}
		}
		return true
	})
	mustStop(t, r, stop)
	for p := range Partitions {
		same(t, r.got[p], want[p][p+1:])
		if r.ends[p] < 1 || r.upTo[p].Seq < r.got[p][len(r.got[p])-1].Seq {
			t.Errorf("partition %d: %d ends, up to %+v", p, r.ends[p], r.upTo[p])
		}
	}
}

func testJoinShares(t *testing.T, h Harness) {
	// One place to go on from for the whole group, as a store would keep it.
	var mu sync.Mutex
	saved := map[int]chat.Mark{}
	var all []chat.Record
	held := map[int]*reader{}
	member := func() *reader {
		r := newReader(t)
		r.begin = func(p int) (chat.Mark, error) {
			mu.Lock()
			defer mu.Unlock()
			if other := held[p]; other != nil && other != r {
				other.mu.Lock()
				_, still := other.open[p]
				other.mu.Unlock()
				if still {
					t.Errorf("partition %d is handed out before its End", p)
				}
			}
			held[p] = r
			return saved[p], nil
		}
		return r
	}
	save := func(r *reader) {
		mu.Lock()
		defer mu.Unlock()
		r.mu.Lock()
		defer r.mu.Unlock()
		for p, rs := range r.got {
			all, saved[p] = append(all, rs...), r.upTo[p]
		}
	}
	a, b := member(), member()
	stopA := join(t, h.Log, "sharers", a)
	a.until("the first has all", func() bool { return len(a.open) == Partitions })
	stopB := join(t, h.Other(t), "sharers", b)
	b.until("the second has his half", func() bool { return len(b.open) == Partitions/2 })
	a.until("the first has given up half", func() bool { return len(a.open) == Partitions/2 })
	for _, room := range rooms() {
		mustAppend(t, h.Log, room, 10)
	}
	a.until("the first has read his", func() bool { return a.total() == Partitions/2*10 })
	b.until("the second has read his", func() bool { return b.total() == Partitions/2*10 })
	mustStop(t, a, stopA)
	save(a)
	b.until("the second has all", func() bool { return len(b.open) == Partitions })
	mustStop(t, b, stopB)
	ids := map[chat.MessageID]bool{}
	for _, r := range append(all, slices.Concat(b.got[0], b.got[1], b.got[2], b.got[3])...) {
		ids[r.ID] = true
	}
	if len(ids) != Partitions*10 {
		t.Fatalf("together they read %d records, want %d", len(ids), Partitions*10)
	}
}

func testJoinRetries(t *testing.T, h Harness) {
	mustAppend(t, h.Log, rooms()[1], 5)
	r := newReader(t)
	tries := 0
	r.begin = func(p int) (chat.Mark, error) {
		if p != 1 {
			return chat.Mark{}, nil
		}
		if tries++; tries <= 3 {
			return chat.Mark{}, chat.ErrUnavailable
		}
		return chat.Mark{}, nil
	}
	stop := join(t, h.Log, "retriers", r)
	r.until("the others are read", func() bool { return r.calls[0] > 0 && r.calls[2] > 0 && r.calls[3] > 0 })
	r.until("the fourth Begin is heard", func() bool { return len(r.got[1]) == 5 })
	mustStop(t, r, stop)
	if tries != 4 {
		t.Fatalf("%d tries", tries)
	}
}

func testJoinPause(t *testing.T, h Harness) {
	all := rooms()
	r := newReader(t)
	gate := make(chan struct{})
	var taken sync.Once
	hung := make(chan struct{})
	r.block = func(ctx context.Context, p int) {
		if p != 2 {
			return
		}
		taken.Do(func() { close(hung) })
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	stop := join(t, h.Log, "pausers", r)
	<-hung
	for _, room := range all {
		mustAppend(t, h.Log, room, 20)
	}
	r.until("the others are read on", func() bool { return len(r.got[0]) == 20 && len(r.got[1]) == 20 && len(r.got[3]) == 20 })
	r.mu.Lock()
	if r.calls[2] > 0 {
		t.Error("a blocked partition was called again")
	}
	r.mu.Unlock()
	close(gate)
	r.until("the paused one has caught up", func() bool { return len(r.got[2]) == 20 })
	mustStop(t, r, stop)

	// A Records that blocks for good is released by its context.
	again := newReader(t)
	blocked := make(chan struct{}, Partitions)
	again.block = func(ctx context.Context, _ int) {
		select {
		case blocked <- struct{}{}:
		default:
		}
		<-ctx.Done()
	}
	stop = join(t, h.Log, "blockers", again)
	<-blocked
	mustStop(t, again, stop)
}

func testJoinGroups(t *testing.T, h Harness) {
	a, b := newReader(t), newReader(t)
	stopA, stopB := join(t, h.Log, "one", a), join(t, h.Other(t), "two", b)
	for _, room := range rooms() {
		mustAppend(t, h.Log, room, 10)
	}
	a.until("one group has all", func() bool { return a.total() == Partitions*10 })
	b.until("the other too", func() bool { return b.total() == Partitions*10 })
	mustStop(t, a, stopA)
	mustAppend(t, h.Log, rooms()[0], 1)
	b.until("the other goes on", func() bool { return b.total() == Partitions*10+1 })
	mustStop(t, b, stopB)
}

func testRecordsOwned(t *testing.T, h Harness) {
	want := mustAppend(t, h.Log, rooms()[0], 100)
	r := newReader(t)
	spoiler := spoil{r}
	stop := join(t, h.Log, "spoilers", spoiler)
	r.until("all is read", func() bool { return len(r.got[0]) == 100 })
	mustStop(t, r, stop)
	got, _ := read(t, h.Log, 0, chat.Mark{})
	same(t, got, want)
}

// spoil writes into the slice it is given, as its owner may.
type spoil struct{ *reader }

func (s spoil) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, atEnd bool) {
	s.reader.Records(ctx, p, rs, upTo, atEnd)
	for i := range rs {
		rs[i] = chat.Record{Kind: chat.KindTombstone, Room: "spoiled"}
	}
	_ = append(rs, chat.Record{Room: "spoiled"})
}
