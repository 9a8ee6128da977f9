package segment_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// TestReadFromEveryPlace reads from every offset with several limits, from memory and from files, before and after a restart: the record
// at the edge of a segment is the one that gets lost.
func TestReadFromEveryPlace(t *testing.T) {
	const n = 45
	for _, cache := range []int{1, 600, 1 << 20} {
		disk := faultfs.New()
		o := options(disk)
		o.CacheBytes = cache
		log := mustOpen(t, o)
		fill(t, log, 0, n)
		readEverywhere(t, log, 0, n)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		o.ScanBytes = 1 // so that older segments are indexed when they are read
		log = mustOpen(t, o)
		readEverywhere(t, log, 0, n)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func readEverywhere(t *testing.T, log *segment.Log, first, end int64) {
	t.Helper()
	crcs := map[int64]uint32{}
	for _, limit := range []int{1, 2, 7, 1000} {
		for from := first; from < end; from++ {
			es, err := log.Read(from, limit, 1<<20)
			if err != nil || len(es) == 0 || len(es) > limit {
				t.Fatalf("read %d from %d: %d entries, %v", limit, from, len(es), err)
			}
			for i, e := range es {
				at := from + int64(i)
				if e.Offset != at || string(e.Body) != body(int(at)) {
					t.Fatalf("read from %d: entry %d is %d %q", from, i, e.Offset, e.Body)
				}
				if old, ok := crcs[at]; ok && old != e.CRC {
					t.Fatalf("record %d had CRC %x, has %x", at, old, e.CRC)
				}
				crcs[at] = e.CRC
			}
		}
	}
	for at := first + 1; at <= end; at++ {
		if crc, err := log.CRC(at); err != nil || crc != crcs[at-1] {
			t.Fatalf("CRC before %d is %x, want %x: %v", at, crc, crcs[at-1], err)
		}
	}
	es, err := log.Read(first, 1000, 100)
	size := 0
	for _, e := range es {
		size += len(e.Body)
	}
	if err != nil || size == 0 || size > 100 {
		t.Fatalf("%d records of %d bytes where 100 were asked for, %v", len(es), size, err)
	}
	if es, err := log.Read(first, 0, 0); err != nil || len(es) != 1 {
		t.Fatalf("one record at least: %d, %v", len(es), err)
	}
	if es, err := log.Read(end, 1, 1); err != nil || len(es) != 0 {
		t.Fatalf("at the end: %d, %v", len(es), err)
	}
	for _, at := range []int64{end + 1, end + 1000} {
		if _, err := log.Read(at, 1, 1); !errors.Is(err, segment.ErrBeyond) {
			t.Fatalf("read at %d: %v", at, err)
		}
		if _, err := log.CRC(at); !errors.Is(err, segment.ErrBeyond) {
			t.Fatalf("CRC at %d: %v", at, err)
		}
	}
	for _, at := range []int64{first - 1, -5} {
		if _, err := log.Read(at, 1, 1); !errors.Is(err, segment.ErrTrimmed) {
			t.Fatalf("read at %d: %v", at, err)
		}
		if _, err := log.CRC(at); !errors.Is(err, segment.ErrTrimmed) {
			t.Fatalf("CRC at %d: %v", at, err)
		}
	}
}

func TestTrimAtEveryPlace(t *testing.T) {
	const n = 45
	whole := made(t, n)
	for through := int64(-1); through <= n+5; through++ {
		disk := whole.Clone()
		log := mustOpen(t, options(disk))
		before := len(segments(t, disk))
		if err := log.Trim(through); err != nil {
			t.Fatal(err)
		}
		first, end, _, _ := log.State()
		if first > max(0, through+1) || end != n {
			t.Fatalf("trimmed through %d: reaches from %d to %d", through, first, end)
		}
		if through >= n && len(segments(t, disk)) != 1 || through < 0 && len(segments(t, disk)) != before {
			t.Fatalf("trimmed through %d: %d segments of %d are left", through, len(segments(t, disk)), before)
		}
		readEverywhere(t, log, first, n)
		fill(t, log, n, n+3)
		cut := disk.Reboot(faultfs.Luck(1, 0))
		_ = log.Close()
		log = mustOpen(t, options(cut))
		if again, _, _, _ := log.State(); again != first {
			t.Fatalf("trimmed to %d, begins at %d after a restart", first, again)
		}
		holds(t, log, int(first), n+3)
		_ = log.Close()
	}
}

// TestTrimGoesOnAfterAnError: a file that could not be removed must not become an island behind a hole.
func TestTrimGoesOnAfterAnError(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.Remove, faultfs.SyncDir} {
		disk := made(t, 45)
		log := mustOpen(t, options(disk))
		disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
			if op.Kind == kind {
				return &faultfs.Fault{Err: errBroken}
			}
			return nil
		})
		if err := log.Trim(20); !errors.Is(err, errBroken) {
			t.Fatalf("%s fails, Trim says %v", kind, err)
		}
		holdsAfterCut(t, disk.Clone())
		disk.SetHook(nil)
		if err := log.Trim(40); err != nil {
			t.Fatal(err)
		}
		holdsAfterCut(t, disk.Clone())
		if first, _, _, _ := log.State(); first < 30 || len(segments(t, disk)) > 2 {
			t.Fatalf("after the second Trim it begins at %d, with %v", first, segments(t, disk))
		}
	}
}

func holdsAfterCut(t *testing.T, disk *faultfs.Disk) {
	t.Helper()
	log := mustOpen(t, options(disk))
	first, _, _, _ := log.State()
	holds(t, log, int(first), 45)
	_ = log.Close()
}

func TestReadersAppendersAndTrimAtOnce(t *testing.T) {
	const n = 600
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	var readers sync.WaitGroup
	errs := make(chan error, 4)
	for range 4 {
		readers.Go(func() { errs <- follow(log, n) })
	}
	for i := range n {
		if _, err := put(log, body(i)); err != nil {
			t.Fatal(err)
		}
		if i%50 == 49 {
			if err := log.Trim(int64(i - 200)); err != nil {
				t.Fatal(err)
			}
		}
	}
	readers.Wait()
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// follow reads on until n, jumping forward where the log was trimmed.
func follow(log *segment.Log, n int64) error {
	for next := int64(0); next < n; {
		first, end, _, changed := log.State()
		if next >= end {
			<-changed
			continue
		}
		es, err := log.Read(next, 10, 1<<20)
		if errors.Is(err, segment.ErrTrimmed) {
			next = max(next, first)
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range es {
			if e.Offset != next || string(e.Body) != body(int(next)) {
				return fmt.Errorf("at %d: %d %q", next, e.Offset, e.Body)
			}
			next++
		}
	}
	return nil
}
