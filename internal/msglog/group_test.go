package msglog_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
)

// handler counts, and begins where it is told to.
type handler struct {
	mark func(p int) (chat.Mark, error)

	mu     sync.Mutex
	has    map[int]bool
	begins []time.Time
	ids    []string
	beats  int
}

func newHandler() *handler {
	return &handler{has: map[int]bool{}, mark: func(int) (chat.Mark, error) { return chat.Mark{}, nil }}
}

func (h *handler) Begin(_ context.Context, p int) (chat.Mark, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.has[p] = true
	h.begins = append(h.begins, time.Now())
	return h.mark(p)
}

func (h *handler) Records(_ context.Context, _ int, rs []chat.Record, _ chat.Mark, atEnd bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range rs {
		h.ids = append(h.ids, string(r.ID))
	}
	if atEnd {
		h.beats++
	}
}

func (h *handler) End(p int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.has, p)
}

func (h *handler) partitions() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ps []int
	for p := range 64 {
		if h.has[p] {
			ps = append(ps, p)
		}
	}
	return ps
}

// inBubble runs f on a log of memory, on a clock of its own.
func inBubble(t *testing.T, o msglog.Options, f func(t *testing.T, d *msglog.Disk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := msglog.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		f(t, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestPartitionsAreSharedEvenly has members come and go, and looks at who holds what after each step.
func TestPartitionsAreSharedEvenly(t *testing.T) {
	inBubble(t, onDisk(faultfs.New(), 10), func(t *testing.T, d *msglog.Disk) {
		members := map[int]*handler{}
		stops := map[int]context.CancelFunc{}
		ended := make(chan error, 10)
		for step, who := range []int{1, 2, 3, -1, 4, 5, -3, 6, -2, -4, -5, -6, 7} {
			before := map[int][]int{}
			for k, h := range members {
				before[k] = h.partitions()
			}
			if who > 0 {
				ctx, cancel := context.WithCancel(context.Background())
				members[who], stops[who] = newHandler(), cancel
				go func(h *handler) { ended <- d.Join(ctx, "g", h) }(members[who])
			} else {
				stops[-who]()
				if err := <-ended; err != nil {
					t.Errorf("member %d left with %v", -who, err)
				}
				delete(members, -who)
			}
			synctest.Wait()
			held := map[int]int{}
			for k, h := range members {
				ps := h.partitions()
				if least := 10 / len(members); len(ps) < least || len(ps) > least+1 {
					t.Errorf("step %d: member %d of %d has %v", step, k, len(members), ps)
				}
				for _, p := range ps {
					held[p]++
				}
				kept := 0
				for _, p := range before[k] {
					if h.has[p] {
						kept++
					}
				}
				if kept != min(len(before[k]), len(ps)) {
					t.Errorf("step %d: member %d had %v, has %v: what need not move must stay", step, k, before[k], ps)
				}
			}
			for p := range 10 {
				if want := min(1, len(members)); held[p] != want {
					t.Errorf("step %d: partition %d is held by %d", step, p, held[p])
				}
			}
		}
		stops[7]()
		<-ended
	})
}

func TestBeginIsRetriedWithBackOff(t *testing.T) {
	var lines logLines
	o := onDisk(faultfs.New(), 1)
	o.Logger = lines.logger()
	inBubble(t, o, func(t *testing.T, d *msglog.Disk) {
		h := newHandler()
		h.mark = func(int) (chat.Mark, error) { return chat.Mark{}, errBroken }
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Join(ctx, "g", h) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		h.mu.Lock()
		n := len(h.begins)
		if n < 10 || n > 60 {
			t.Errorf("%d tries in a minute", n)
		}
		for i := 1; i < n; i++ {
			if pause := h.begins[i].Sub(h.begins[i-1]); pause < 20*time.Millisecond || pause > 6*time.Second {
				t.Errorf("pause %d was %s", i, pause)
			}
		}
		h.mark = func(int) (chat.Mark, error) { return chat.Mark{}, nil }
		h.mu.Unlock()
		time.Sleep(10 * time.Second)
		h.mu.Lock()
		if h.beats == 0 {
			t.Error("it never began")
		}
		h.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if n := strings.Count(lines.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one: %s", n, lines.String())
	}
}

// All partitions find out at once that they can not begin: the operator reads one line, with their number.
func TestPartitionsThatCanNotBeginAreOneLine(t *testing.T) {
	var lines logLines
	o := onDisk(faultfs.New(), 40)
	o.Logger = lines.logger()
	inBubble(t, o, func(t *testing.T, d *msglog.Disk) {
		h := newHandler()
		h.mark = func(int) (chat.Mark, error) { return chat.Mark{}, errBroken }
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Join(ctx, "g", h) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	said := lines.String()
	if n := strings.Count(said, "level=WARN"); n != 1 || !strings.Contains(said, "partitions=40") || !strings.Contains(said, errBroken.Error()) {
		t.Errorf("%d warnings, want one with the number and the reason: %s", n, said)
	}
}

// TestMarksThatDoNotFitEndJoin: to begin elsewhere would skip what nobody has seen, so the caller must be told.
func TestMarksThatDoNotFitEndJoin(t *testing.T) {
	inBubble(t, onDisk(faultfs.New(), 2), func(t *testing.T, d *msglog.Disk) {
		room := roomIn(0, 2)
		for i := range 300 {
			if _, err := send(d, room, i); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Trim(context.Background(), 0, chat.MakeSeq(1, 200)); err != nil {
			t.Fatal(err)
		}
		for want, m := range map[error]chat.Mark{
			chat.ErrTrimmed: {Seq: chat.MakeSeq(1, 0)},
			chat.ErrRewound: {Seq: chat.MakeSeq(1, 5000)},
		} {
			h := newHandler()
			h.mark = func(p int) (chat.Mark, error) {
				if p == 0 {
					return m, nil
				}
				return chat.Mark{}, nil
			}
			if err := d.Join(context.Background(), "g", h); !errors.Is(err, want) {
				t.Errorf("from %+v: %v, want %v", m, err, want)
			}
			if ps := h.partitions(); len(ps) > 0 {
				t.Errorf("partitions %v have had no End", ps)
			}
		}
	})
}

// TestReaderBegins again where the disk failed to read, and misses nothing.
func TestReaderBeginsAgainAfterAReadError(t *testing.T) {
	disk := faultfs.New()
	o := onDisk(disk, 1)
	d := mustOpen(t, o)
	for i := range 50 {
		if _, err := send(d, "room", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	var spoilt string
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".seg") {
			spoilt = n
		}
	}
	var lines logLines
	o.Logger = lines.logger()
	inBubble(t, o, func(t *testing.T, d *msglog.Disk) {
		flip := func(b []byte) []byte { b[100] ^= 1; return b }
		if err := disk.Edit(spoilt, flip); err != nil {
			t.Fatal(err)
		}
		h := newHandler()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- d.Join(ctx, "g", h) }()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		h.mu.Lock()
		if len(h.ids) > 0 || len(h.begins) < 3 {
			t.Errorf("%d records and %d begins on a disk that gives wrong bytes", len(h.ids), len(h.begins))
		}
		h.mu.Unlock()
		if err := disk.Edit(spoilt, flip); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		h.mu.Lock()
		if len(h.ids) != 50 {
			t.Errorf("%d records once the disk reads well again", len(h.ids))
		}
		h.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if s := lines.String(); strings.Count(s, "level=ERROR") != 1 || !strings.Contains(s, spoilt) {
		t.Errorf("want one error that names %s: %s", spoilt, s)
	}
}

// TestCloseEndsJoin: readers have their End before Close returns, and are told that it was not their context.
func TestCloseEndsJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := msglog.Open(onDisk(faultfs.New(), 4))
		if err != nil {
			t.Fatal(err)
		}
		h := newHandler()
		ended := make(chan error, 1)
		go func() { ended <- d.Join(context.Background(), "g", h) }()
		synctest.Wait()
		if len(h.partitions()) != 4 {
			t.Errorf("it holds %v", h.partitions())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if ps := h.partitions(); len(ps) > 0 {
			t.Errorf("Close has returned, but partitions %v have had no End", ps)
		}
		if err := <-ended; !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("Join of a closed log ends with %v", err)
		}
	})
}
