package segment_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// hang makes every sync of a disk wait until release is closed, and tells of each that has begun.
func hang(disk *faultfs.Disk) (began chan struct{}, release chan struct{}) {
	began, release = make(chan struct{}, 1000), make(chan struct{})
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind == faultfs.Sync {
			began <- struct{}{}
			<-release
		}
		return nil
	})
	return began, release
}

func TestQueueIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		records, bytes, fit int
	}{
		"records": {records: 5, bytes: 1 << 20, fit: 5},
		"bytes":   {records: 100, bytes: 350, fit: 3},
		"one":     {records: 100, bytes: 10, fit: 1}, // larger than the bound, but alone
	} {
		t.Run(name, func(t *testing.T) {
			disk := faultfs.New()
			o := options(disk)
			o.QueueRecords, o.QueueBytes = c.records, c.bytes
			log := mustOpen(t, o)
			began, release := hang(disk)
			answers := make(chan error, 100)
			done := func(_, _ int64, err error) { answers <- err }
			text := []byte(strings.Repeat("z", 100))
			log.Append(text, done)
			<-began
			for range c.fit - 1 {
				log.Append(text, done)
			}
			for range 4 {
				log.Append(text, done)
				if err := <-answers; !errors.Is(err, segment.ErrFull) {
					t.Fatalf("one too many: %v", err)
				}
			}
			if q := log.Stats().Queue; q != c.fit {
				t.Fatalf("%d wait, want %d", q, c.fit)
			}
			close(release)
			for range c.fit {
				if err := <-answers; err != nil {
					t.Fatal(err)
				}
			}
			disk.SetHook(nil)
			if _, err := put(log, "room again"); err != nil {
				t.Fatal(err)
			}
			if q := log.Stats().Queue; q != 0 {
				t.Fatalf("%d still wait", q)
			}
		})
	}
}

func TestOneSyncForManyAppends(t *testing.T) {
	disk := faultfs.New()
	o := options(disk)
	o.SegmentBytes, o.AllocBytes = 1<<20, 1<<20
	log := mustOpen(t, o)
	began, release := hang(disk)
	answers := make(chan int64, 200)
	done := func(offset, _ int64, _ error) { answers <- offset }
	log.Append([]byte("first"), done)
	<-began
	for range 150 { // they gather while the first is synced
		log.Append([]byte("gathered"), done)
	}
	close(release)
	for i := range int64(151) {
		if got := <-answers; got != i {
			t.Fatalf("answer %d is for offset %d", i, got)
		}
	}
	if s := log.Stats(); s.Syncs != 2 || s.Appended != 151 || s.Bytes != 5+150*8 {
		t.Fatalf("stats %+v, want 2 syncs for 151 records", s)
	}
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	_, _, _, changed := log.State()
	const n = 200
	answers := make(chan error, n+1)
	for i := range n {
		log.Append([]byte(body(i)), func(_, _ int64, err error) { answers <- err })
	}
	if err := errors.Join(log.Close(), log.Close()); err != nil {
		t.Fatal(err)
	}
	if len(answers) != n {
		t.Fatalf("%d answers when Close returned, want %d", len(answers), n)
	}
	for range n {
		if err := <-answers; err != nil {
			t.Fatal(err)
		}
	}
	<-changed // readers are woken
	if _, err := put(log, "late"); !errors.Is(err, segment.ErrRefused) {
		t.Fatalf("append after Close: %v", err)
	}
	if _, err := log.Read(0, 1, 1); !errors.Is(err, segment.ErrClosed) {
		t.Fatalf("read after Close: %v", err)
	}
	if err := log.Trim(5); !errors.Is(err, segment.ErrClosed) {
		t.Fatalf("trim after Close: %v", err)
	}
	holds(t, mustOpen(t, options(disk)), 0, n)
}

func TestBodiesThatCanNotBe(t *testing.T) {
	log := mustOpen(t, options(faultfs.New()))
	for _, b := range [][]byte{nil, {}, make([]byte, segment.MaxBody+1)} {
		done := make(chan error, 1)
		log.Append(b, func(_, _ int64, err error) { done <- err })
		if err := <-done; !errors.Is(err, segment.ErrRefused) {
			t.Fatalf("a body of %d bytes: %v", len(b), err)
		}
	}
	big := strings.Repeat("b", 5000) // larger than a segment: it gets one of its own
	for i := range int64(3) {
		if offset, err := put(log, big); err != nil || offset != i {
			t.Fatalf("a large body: %d, %v", offset, err)
		}
	}
	if es, err := all(log); err != nil || len(es) != 3 || string(es[2].Body) != big {
		t.Fatalf("%d records, %v", len(es), err)
	}
}

func TestStalledDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New()
		log, err := segment.Open(options(disk))
		if err != nil {
			t.Fatal(err)
		}
		began, release := hang(disk)
		first := make(chan error, 1)
		log.Append([]byte("stuck"), func(_, _ int64, err error) { first <- err })
		<-began
		queued := make(chan error, 1)
		time.Sleep(4 * time.Second)
		log.Append([]byte("behind it"), func(_, _ int64, err error) { queued <- err })
		time.Sleep(2 * time.Second)
		if _, err := put(log, "refused"); !errors.Is(err, segment.ErrRefused) || !log.Stats().Stalled {
			t.Fatalf("append to a disk that has not answered for 6 s: %v", err)
		}
		close(release)
		if err := errors.Join(<-first, <-queued); err != nil {
			t.Fatal(err)
		}
		if _, err := put(log, "fine"); err != nil || log.Stats().Stalled {
			t.Fatalf("append once it answers again: %v", err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New()
		var lines journal
		o := options(disk)
		o.Reserve = segment.NewReserve(disk, 1000, lines.logger())
		disk.SetFree(1200)
		log, err := segment.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for ; taken < 100; taken++ { // what is written is subtracted from the last answer of the volume
			disk.SetFree(1200 - int64(taken)*50)
			if _, err = put(log, body(taken)); err != nil {
				break
			}
		}
		if !errors.Is(err, segment.ErrRefused) || taken < 2 || taken > 4 || !o.Reserve.Refusing() {
			t.Fatalf("%d appends of about 50 bytes fit into 200: %v", taken, err)
		}
		if _, err := put(log, "still"); !errors.Is(err, segment.ErrRefused) || log.Err() != nil {
			t.Fatalf("in the reserve: %v", err)
		}
		disk.SetFree(100_000)
		time.Sleep(2 * time.Second)
		fill(t, log, taken, taken+5)
		if s := lines.String(); strings.Count(s, "level=ERROR") != 1 || strings.Count(s, "level=INFO") != 1 || o.Reserve.Refusing() {
			t.Fatalf("one line when it begins and one when it ends: %q", s)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTimeNeverGoesBack(t *testing.T) {
	disk := faultfs.New()
	now := time.UnixMilli(5000)
	o := options(disk)
	o.Now = func() time.Time { return now }
	want := []int64{}
	log := mustOpen(t, o)
	for i, step := range []int64{5000, 7000, 6000, 100, 7001, 3} {
		if i == 4 {
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			log = mustOpen(t, o)
		}
		now = time.UnixMilli(step)
		if _, err := put(log, body(i)); err != nil {
			t.Fatal(err)
		}
		want = append(want, step)
		if i > 0 {
			want[i] = max(step, want[i-1])
		}
	}
	es, err := all(log)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range es {
		if e.At != want[i] {
			t.Fatalf("record %d at %d, want %d", i, e.At, want[i])
		}
	}
}
