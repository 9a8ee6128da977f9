package segment_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

var errBroken = errors.New("the disk is broken")

func TestFaults(t *testing.T) {
	full := func() *faultfs.Fault { return &faultfs.Fault{Err: segment.ErrNoSpace} }
	broken := func() *faultfs.Fault { return &faultfs.Fault{Err: errBroken} }
	for _, c := range []struct {
		name  string
		when  func(op faultfs.Op, fresh bool) bool // fresh: on a segment that is begun meanwhile
		fault func() *faultfs.Fault
		want  error // of the append that meets it; ErrRefused: the log goes on once the fault is over
	}{
		{"sync fails", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Sync }, broken, segment.ErrUnsure},
		{"write fails", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Write }, broken, segment.ErrUnsure},
		{"disk full in write", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Write }, full, segment.ErrUnsure},
		{"short write", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Write },
			func() *faultfs.Fault { return &faultfs.Fault{Wrote: 9} }, segment.ErrUnsure},
		{"short write with error", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Write },
			func() *faultfs.Fault { return &faultfs.Fault{Wrote: 40, Err: errBroken} }, segment.ErrUnsure},
		{"disk full in reserving space", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Resize }, full, segment.ErrRefused},
		{"reserving space fails", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Resize }, broken, segment.ErrUnsure},
		{"disk full in making a file", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Create }, full, segment.ErrRefused},
		{"making a file fails", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.Create }, broken, segment.ErrUnsure},
		{"disk full in a new file", func(op faultfs.Op, fresh bool) bool { return op.Kind == faultfs.Resize && fresh }, full, segment.ErrRefused},
		{"writing a header fails", func(op faultfs.Op, fresh bool) bool { return op.Kind == faultfs.Write && fresh }, broken, segment.ErrUnsure},
		{"syncing a header fails", func(op faultfs.Op, fresh bool) bool { return op.Kind == faultfs.Sync && fresh }, broken, segment.ErrUnsure},
		{"syncing the directory fails", func(op faultfs.Op, _ bool) bool { return op.Kind == faultfs.SyncDir }, broken, segment.ErrUnsure},
		{"a half-made file stays", func(op faultfs.Op, fresh bool) bool {
			return fresh && (op.Kind == faultfs.Resize || op.Kind == faultfs.Remove)
		}, full, segment.ErrUnsure},
	} {
		t.Run(c.name, func(t *testing.T) { meetFault(t, c.when, c.fault, c.want) })
	}
}

// meetFault appends ten records, then on through a new segment until the fault is met, and looks at what becomes of the log.
func meetFault(t *testing.T, when func(faultfs.Op, bool) bool, fault func() *faultfs.Fault, want error) {
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	fill(t, log, 0, 10)
	old := segments(t, disk)
	var met atomic.Int32
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if !when(op, op.Name != "" && !slices.Contains(old, op.Name)) {
			return nil
		}
		met.Add(1)
		return fault()
	})
	end := 10
	var err error
	for ; end < 40 && err == nil; end++ {
		_, err = put(log, body(end))
	}
	end--
	if met.Load() == 0 || !errors.Is(err, want) {
		t.Fatalf("fault met %d times; append %d: %v, want %v", met.Load(), end, err, want)
	}
	holds(t, log, 0, end) // readers see what is durable, and go on seeing it
	disk.SetHook(nil)
	if want == segment.ErrRefused {
		if log.Err() != nil {
			t.Fatalf("a full disk must not end the log: %v", log.Err())
		}
		fill(t, log, end, end+20)
		end += 20
	} else {
		<-log.Failed()
		if _, err := put(log, "later"); !errors.Is(err, segment.ErrRefused) || log.Err() == nil || !log.Stats().Failed {
			t.Fatalf("append to a failed log: %v, Err %v", err, log.Err())
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	restartAfterFault(t, disk, end)
}

// restartAfterFault starts anew without a power cut: pages that a failed sync left clean are still readable. What is shown then must
// outlive a power cut.
func restartAfterFault(t *testing.T, disk *faultfs.Disk, atLeast int) {
	t.Helper()
	log, err := segment.Open(options(disk))
	if err != nil {
		t.Fatalf("start after the fault: %v", err)
	}
	shown, err := all(log)
	if err != nil || len(shown) < atLeast || len(shown) > atLeast+1 {
		t.Fatalf("%d records after the fault, want %d or one more: %v", len(shown), atLeast, err)
	}
	for n := range atLeast {
		if string(shown[n].Body) != body(n) {
			t.Fatalf("record %d is %q", n, shown[n].Body)
		}
	}
	outlives(t, disk, len(shown))
	if _, err := put(log, "and on"); err != nil { // perhaps into a segment whose name was never synced
		t.Fatal(err)
	}
	outlives(t, disk, len(shown)+1)
	_ = log.Close()
}

// outlives cuts the power, as it were, and fails unless the log then still holds n records.
func outlives(t *testing.T, disk *faultfs.Disk, n int) {
	t.Helper()
	log := mustOpen(t, options(disk.Forgotten()))
	defer log.Close()
	if kept, err := all(log); err != nil || len(kept) != n {
		t.Fatalf("%d records were shown or acknowledged, %d outlive a power cut: %v", n, len(kept), err)
	}
}

func TestFailureAnswersEverythingThatWaits(t *testing.T) {
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	fill(t, log, 0, 3)
	inSync, release := make(chan struct{}, 100), make(chan struct{})
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind != faultfs.Sync {
			return nil
		}
		inSync <- struct{}{}
		<-release
		return &faultfs.Fault{Err: errBroken}
	})
	const n = 50
	answers := make(chan error, n+1)
	done := func(_, _ int64, err error) { answers <- err }
	log.Append([]byte("first"), done)
	<-inSync
	for range n {
		log.Append([]byte("behind it"), done)
	}
	close(release)
	for range n + 1 {
		if err := <-answers; !errors.Is(err, segment.ErrUnsure) || !errors.Is(err, errBroken) {
			t.Fatalf("%v, want ErrUnsure and its cause", err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if len(answers) > 0 || log.Stats().Queue != 0 {
		t.Fatalf("%d answers too many, %d still wait", len(answers), log.Stats().Queue)
	}
}

func TestOpenFaults(t *testing.T) {
	for _, kind := range []faultfs.Kind{faultfs.Create, faultfs.Resize, faultfs.Write, faultfs.Sync, faultfs.SyncDir} {
		disk := faultfs.New()
		disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
			if op.Kind == kind {
				return &faultfs.Fault{Err: errBroken}
			}
			return nil
		})
		if _, err := segment.Open(options(disk)); err == nil || !strings.Contains(err.Error(), errBroken.Error()) {
			t.Errorf("%s fails while the log is made: %v", kind, err)
		}
		disk.SetHook(nil)
		log, err := segment.Open(options(disk))
		if err != nil {
			t.Errorf("the start after %s failed: %v", kind, err)
			continue
		}
		fill(t, log, 0, 30)
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	}
}
