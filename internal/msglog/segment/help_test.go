package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// logID names the log of these tests.
var logID = segment.ID{1, 2, 3}

// options are those of a small log on a disk: about eight records to a segment. The clock stands still, so that the same appends give the
// same bytes.
func options(disk segment.FS) segment.Options {
	return segment.Options{FS: disk, Log: logID, Generation: 1, SegmentBytes: 600, AllocBytes: 300, CacheBytes: 1,
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) }}
}

func mustOpen(t *testing.T, o segment.Options) *segment.Log {
	t.Helper()
	log, err := segment.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

// put appends one body and waits for the answer.
func put(log *segment.Log, body string) (int64, error) {
	type answer struct {
		offset int64
		err    error
	}
	done := make(chan answer, 1)
	log.Append([]byte(body), func(offset, _ int64, err error) { done <- answer{offset, err} })
	a := <-done
	return a.offset, a.err
}

// body is the text of record n.
func body(n int) string { return fmt.Sprintf("record %04d %s", n, strings.Repeat("y", n%30)) }

// fill appends records from..to-1, each in a batch of its own.
func fill(t *testing.T, log *segment.Log, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if offset, err := put(log, body(n)); err != nil || offset != int64(n) {
			t.Fatalf("append %d: offset %d, %v", n, offset, err)
		}
	}
}

// all reads what the log holds.
func all(log *segment.Log) ([]segment.Entry, error) {
	first, end, _, _ := log.State()
	var out []segment.Entry
	for next := first; next < end; {
		es, err := log.Read(next, 7, 1<<20)
		if err != nil {
			return out, err
		}
		if len(es) == 0 {
			return out, fmt.Errorf("nothing at %d of %d", next, end)
		}
		out = append(out, es...)
		next += int64(len(es))
	}
	return out, nil
}

// holds fails unless the log holds exactly records first..end-1.
func holds(t *testing.T, log *segment.Log, first, end int) {
	t.Helper()
	es, err := all(log)
	if err != nil || len(es) != end-first {
		t.Fatalf("%d records, want %d to %d: %v", len(es), first, end-1, err)
	}
	for i, e := range es {
		if e.Offset != int64(first+i) || string(e.Body) != body(first+i) {
			t.Fatalf("record %d: offset %d, %q", first+i, e.Offset, e.Body)
		}
	}
}

// segments gives the names of a disk's segment files, in order.
func segments(t *testing.T, disk segment.FS) []string {
	t.Helper()
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".seg") })
	slices.Sort(names)
	return names
}

// made gives a disk with n records on it, closed.
func made(t *testing.T, n int) *faultfs.Disk {
	t.Helper()
	disk := faultfs.New()
	log := mustOpen(t, options(disk))
	fill(t, log, 0, n)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// journal is a logger's output. Safe for concurrent use.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// damage gives err as what it should be.
func damage(t *testing.T, err error) *segment.DamageError {
	t.Helper()
	var d *segment.DamageError
	if !errors.As(err, &d) {
		t.Fatalf("want *DamageError, got %v", err)
	}
	return d
}
