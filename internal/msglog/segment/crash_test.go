package segment_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// ledger is what the outside world knows: what was asked for, and what was promised.
type ledger struct {
	mu      sync.Mutex
	issued  map[string]bool
	acked   map[string]int64 // body → offset
	trimmed int64            // highest offset given to Trim, -1: none
}

func newLedger() *ledger {
	return &ledger{issued: map[string]bool{}, acked: map[string]int64{}, trimmed: -1}
}

func (l *ledger) ask(body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issued[body] = true
}

func (l *ledger) promise(body string, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[body] = offset
}

func (l *ledger) trim(through int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = max(l.trimmed, through)
}

func (l *ledger) clone() *ledger {
	return &ledger{issued: maps.Clone(l.issued), acked: maps.Clone(l.acked), trimmed: l.trimmed}
}

// start opens partition 0 of the log on a disk, with segments small enough that a short run fills many.
func start(fs segment.FS) (*segment.Log, error) {
	m, err := segment.EnsureManifest(fs, 1)
	if err != nil {
		return nil, err
	}
	id, err := m.LogID()
	if err != nil {
		return nil, err
	}
	return segment.Open(segment.Options{FS: fs, Log: id, Generation: m.Generation,
		SegmentBytes: 8 << 10, AllocBytes: 3 << 10, BatchBytes: 2 << 10, CacheBytes: 1 << 10})
}

// workload appends 1,000 records from eight appenders, four in flight each, until all are acknowledged or the disk fails.
func workload(log *segment.Log, book *ledger, trims bool) {
	const appenders, each, window = 8, 125, 4
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			slots := make(chan struct{}, window)
			var pending sync.WaitGroup
			for i := range each {
				body := fmt.Sprintf("%d:%04d:%s", a, i, strings.Repeat("x", (a*31+i*17)%90))
				slots <- struct{}{}
				book.ask(body)
				pending.Add(1)
				log.Append([]byte(body), func(offset, _ int64, err error) {
					if err == nil {
						book.promise(body, offset)
					}
					<-slots
					pending.Done()
				})
				if trims && a == 0 && i%25 == 24 {
					_, end, _, _ := log.State()
					book.trim(end - 100)
					_ = log.Trim(end - 100)
				}
				select {
				case <-log.Failed():
					pending.Wait()
					return
				default:
				}
			}
			pending.Wait()
		})
	}
	wg.Wait()
}

// check reads the whole log and gives what is wrong with it, by the ledger.
func check(log *segment.Log, book *ledger) error {
	first, end, tip, _ := log.State()
	if first > max(0, book.trimmed+1) {
		return fmt.Errorf("begins at %d, trimmed through %d only", first, book.trimmed)
	}
	found := map[string]int64{}
	latest := map[string]string{}
	var at int64
	for next := first; next < end; {
		es, err := log.Read(next, 300, 1<<20)
		if err != nil || len(es) == 0 {
			return fmt.Errorf("read at %d of %d: %d entries, %v", next, end, len(es), err)
		}
		for _, e := range es {
			body := string(e.Body)
			if e.Offset != next || e.At < at {
				return fmt.Errorf("record %d where %d was expected, at %d after %d", e.Offset, next, e.At, at)
			}
			if _, twice := found[body]; twice || !book.issued[body] {
				return fmt.Errorf("record %d is there twice, or was never asked for: %.20q", e.Offset, body)
			}
			if by := body[:1]; body <= latest[by] {
				return fmt.Errorf("appender %s: %.10q stands behind %.10q", by, body, latest[by])
			}
			latest[body[:1]], found[body], at = body, e.Offset, e.At
			next++
			if next == end && e.CRC != tip {
				return fmt.Errorf("the tip is %x, the last record says %x", tip, e.CRC)
			}
		}
	}
	for body, offset := range book.acked {
		if got, ok := found[body]; offset >= first && (!ok || got != offset) {
			return fmt.Errorf("acknowledged record %d is lost (found: %v at %d)", offset, ok, got)
		}
	}
	return nil
}

// recovered opens the log of a disk after a power cut, checks it, appends a little, cuts the power again, and checks again.
func recovered(disk *faultfs.Disk, book *ledger, seed uint64) error {
	for round := range 2 {
		log, err := start(disk)
		if err != nil {
			return fmt.Errorf("recovery %d: %w", round, err)
		}
		if err := check(log, book); err != nil {
			return fmt.Errorf("after recovery %d: %w", round, err)
		}
		for i := range 3 {
			body := fmt.Sprintf("%d:after %d", 8+round, i)
			done := make(chan error, 1)
			book.ask(body)
			log.Append([]byte(body), func(offset, _ int64, err error) {
				if err == nil {
					book.promise(body, offset)
				}
				done <- err
			})
			if err := <-done; err != nil {
				return fmt.Errorf("append after recovery %d: %w", round, err)
			}
		}
		if err := check(log, book); err != nil {
			return fmt.Errorf("after appends to recovery %d: %w", round, err)
		}
		next := disk.Reboot(faultfs.Luck(seed, 0.5))
		if err := log.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		disk = next
	}
	return nil
}

// cutEverywhere runs the workload once for each operation it takes, cuts the power there, and gives the first violation. setup may spoil the disk.
func cutEverywhere(setup func(*faultfs.Disk), trims bool, step int) (cuts int, err error) {
	for n := 0; ; n += step {
		disk := faultfs.New()
		setup(disk)
		disk.CutAt(n)
		book := newLedger()
		log, err := start(disk)
		if err == nil {
			workload(log, book, trims)
			if disk.Ops() <= n { // it ended before the cut
				return cuts, log.Close()
			}
		}
		cuts++
		if log != nil {
			_ = log.Close()
		}
		chances := []float64{0}
		if k := n / step; k%3 == 0 {
			chances = append(chances, []float64{0.5, 1, 0.1, 0.9}[k/3%4])
		}
		for _, chance := range chances {
			after := disk.Reboot(faultfs.Luck(uint64(n), chance))
			if err := recovered(after, book.clone(), uint64(n)); err != nil {
				return cuts, fmt.Errorf("power cut at operation %d, unsynced kept with chance %.1f: %w", n, chance, err)
			}
		}
	}
}

func TestPowerCutAtEveryOperation(t *testing.T) {
	t.Parallel()
	cuts, err := cutEverywhere(func(*faultfs.Disk) {}, false, 1)
	if err != nil {
		t.Fatal(err)
	}
	if cuts < 100 {
		t.Fatalf("only %d cuts: the run did next to nothing", cuts)
	}
	t.Logf("%d cuts", cuts)
}

func TestPowerCutWhileTrimming(t *testing.T) {
	t.Parallel()
	cuts, err := cutEverywhere(func(*faultfs.Disk) {}, true, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cuts", cuts)
}

// TestPowerCutCheckerCanFail runs the same check over disks that lie: it must see what they lose.
func TestPowerCutCheckerCanFail(t *testing.T) {
	t.Parallel()
	for _, kind := range []faultfs.Kind{faultfs.Sync, faultfs.SyncDir} {
		_, err := cutEverywhere(func(d *faultfs.Disk) {
			d.SetHook(func(op faultfs.Op) *faultfs.Fault {
				if op.Kind == kind && (kind == faultfs.SyncDir || strings.HasSuffix(op.Name, ".seg")) {
					return &faultfs.Fault{Lie: true}
				}
				return nil
			})
		}, false, 1)
		if err == nil || !strings.Contains(err.Error(), "acknowledged record") {
			t.Errorf("%s did nothing, and what was noticed is: %v", kind, err)
		}
		t.Logf("%s: %v", kind, err)
	}
}
