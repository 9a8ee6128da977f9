package msglog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

var errBroken = errors.New("the disk is broken")

// onDisk gives options for a disk of memory.
func onDisk(disk *faultfs.Disk, partitions int) msglog.Options {
	return msglog.Options{FS: disk, Volume: disk, Partitions: partitions, SegmentBytes: 4 << 10}
}

func mustOpen(t *testing.T, o msglog.Options) *msglog.Disk {
	t.Helper()
	d, err := msglog.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// send appends a record of a room and waits for the answer.
func send(d *msglog.Disk, room chat.RoomID, n int) (chat.Seq, error) {
	type answer struct {
		seq chat.Seq
		err error
	}
	done := make(chan answer, 1)
	d.Append(chat.Record{Kind: chat.KindMessage, Room: room, ID: chat.MessageID(fmt.Sprint(n)), Body: []byte(`{}`)}, func(s chat.Seq, err error) {
		done <- answer{s, err}
	})
	a := <-done
	return a.seq, a.err
}

// roomIn gives a room of partition p.
func roomIn(p, partitions int) chat.RoomID {
	for i := 0; ; i++ {
		if room := chat.RoomID(fmt.Sprint("r", i)); chat.PartitionOf(room, partitions) == p {
			return room
		}
	}
}

var errEnd = errors.New("at the end")

// tail reads from a mark to the end.
func tail(d *msglog.Disk, p int, after chat.Mark) (ids []string, at chat.Mark, err error) {
	err = d.Tail(context.Background(), p, after, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		for _, r := range rs {
			ids = append(ids, string(r.ID))
		}
		at = upTo
		if atEnd {
			return errEnd
		}
		return nil
	})
	if errors.Is(err, errEnd) {
		err = nil
	}
	return ids, at, err
}

func TestOpenRefusals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	d := mustOpen(t, msglog.Options{Dir: dir, Partitions: 2})
	refused := func(what string, o msglog.Options, target any, words ...string) {
		t.Helper()
		second, err := msglog.Open(o)
		if err == nil {
			_ = second.Close()
			t.Fatalf("%s: opened", what)
		}
		if target != nil && !errors.As(err, target) {
			t.Errorf("%s: %v is no %T", what, err, target)
		}
		for _, w := range append(words, dir) {
			if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %q does not say %q in one line", what, err, w)
			}
		}
	}
	refused("second process", msglog.Options{Dir: dir, Partitions: 2}, new(*segment.LockedError), "another hubbub holds it")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	refused("other count", msglog.Options{Dir: dir, Partitions: 3}, new(*segment.IdentityError), "count of 2", "3 was asked for", "hubbub log next")
	mustOpen(t, msglog.Options{Dir: dir, Partitions: 2}) // a refusal gives the lock back
	for _, n := range []int{-1, 1025} {
		if _, err := msglog.Open(msglog.Options{Dir: t.TempDir(), Partitions: n}); err == nil {
			t.Errorf("a partition count of %d was taken", n)
		}
	}
}

func TestOpenRefusesNewerFormatAndDamage(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, msglog.Options{Dir: dir})
	for i := range 3 {
		if _, err := send(d, "room", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	segs, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segs) != 1 {
		t.Fatalf("segments %v, %v", segs, err)
	}
	edit := func(name string, f func(b []byte)) (undo func()) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		old := append([]byte(nil), b...)
		f(b)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.WriteFile(name, old, 0o600) }
	}
	undo := edit(segs[0], func(b []byte) { b[64+30] ^= 1 })
	var damage *segment.DamageError
	if _, err := msglog.Open(msglog.Options{Dir: dir}); !errors.As(err, &damage) || !strings.Contains(err.Error(), filepath.Base(segs[0])+" is damaged at byte 64") {
		t.Errorf("a flipped bit: %v", err)
	}
	if r, err := segment.VerifyDir(dir); err != nil || r.Sound() {
		t.Errorf("Verify says %+v, %v", r, err)
	}
	undo()
	manifest := filepath.Join(dir, segment.ManifestName)
	var m segment.Manifest
	b, err := os.ReadFile(manifest)
	if err := errors.Join(err, json.Unmarshal(b, &m)); err != nil {
		t.Fatal(err)
	}
	m.Format++
	b, err = json.Marshal(m)
	if err := errors.Join(err, os.WriteFile(manifest, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	var newer *segment.FormatError
	if _, err := msglog.Open(msglog.Options{Dir: dir}); !errors.As(err, &newer) {
		t.Errorf("a newer format: %v", err)
	}
}

// TestOneBrokenPartitionEndsTheLog: partitions share a disk, so after a failed sync none acknowledges anything.
func TestOneBrokenPartitionEndsTheLog(t *testing.T) {
	disk := faultfs.New()
	d := mustOpen(t, onDisk(disk, 2))
	rooms := []chat.RoomID{roomIn(0, 2), roomIn(1, 2)}
	for i, room := range rooms {
		if _, err := send(d, room, i); err != nil {
			t.Fatal(err)
		}
	}
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind == faultfs.Sync {
			return &faultfs.Fault{Err: errBroken}
		}
		return nil
	})
	if _, err := send(d, rooms[0], 2); !errors.Is(err, chat.ErrUnknown) {
		t.Fatalf("the append whose sync failed: %v, want unknown", err)
	}
	if err := d.Run(context.Background()); !errors.Is(err, errBroken) {
		t.Fatalf("Run says %v", err)
	}
	<-d.Failed()
	disk.SetHook(nil) // it works again, but nobody may rely on it
	for _, room := range rooms {
		if _, err := send(d, room, 3); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("an append after the failure: %v, want unavailable", err)
		}
	}
	if s := d.Stats(); !s.Failed || s.Appended != 2 || s.Refused != 3 {
		t.Errorf("stats %+v", s)
	}
	if ids, _, err := tail(d, 0, chat.Mark{}); err != nil || len(ids) != 1 {
		t.Errorf("what is durable can still be read: %v, %v", ids, err)
	}
}

func TestRunEnds(t *testing.T) {
	d := mustOpen(t, onDisk(faultfs.New(), 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Run(ctx); err != nil {
		t.Fatalf("with its context: %v", err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	if err := d.Run(context.Background()); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if _, err := send(d, "room", 1); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("append after Close: %v", err)
	}
	if _, _, err := tail(d, 0, chat.Mark{}); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("tail after Close: %v", err)
	}
	if err := d.Join(context.Background(), "g", nil); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("join after Close: %v", err)
	}
	if err := d.Trim(context.Background(), 0, chat.MakeSeq(1, 0)); !errors.Is(err, chat.ErrUnavailable) {
		t.Errorf("trim after Close: %v", err)
	}
}

func TestOverloadAndReserve(t *testing.T) {
	disk := faultfs.New()
	o := onDisk(disk, 1)
	o.QueueRecords = 2
	o.ReserveBytes = 1000
	d := mustOpen(t, o)
	began, release := make(chan struct{}, 10), make(chan struct{})
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind == faultfs.Sync {
			began <- struct{}{}
			<-release
		}
		return nil
	})
	answers := make(chan error, 2)
	for i := range 2 {
		d.Append(chat.Record{Kind: chat.KindMessage, Room: "room", Body: []byte(`{}`)}, func(_ chat.Seq, err error) { answers <- err })
		if i == 0 {
			<-began
		}
	}
	if _, err := send(d, "room", 3); !errors.Is(err, chat.ErrOverloaded) || chat.AsError(err).RetryAfter == 0 {
		t.Fatalf("one more than fits: %v", err)
	}
	close(release)
	if err := errors.Join(<-answers, <-answers); err != nil {
		t.Fatal(err)
	}
	disk.SetHook(nil)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	disk.SetFree(900)
	d = mustOpen(t, o)
	if _, err := send(d, "room", 4); !errors.Is(err, chat.ErrUnavailable) || !d.Stats().Full {
		t.Fatalf("below the reserve: %v", err)
	}
	if ids, _, err := tail(d, 0, chat.Mark{}); err != nil || len(ids) != 2 {
		t.Fatalf("reading goes on: %v, %v", ids, err)
	}
}

// TestMarksOfOtherGenerations: a watermark of the generation before lies before the first record of this one.
func TestMarksOfOtherGenerations(t *testing.T) {
	disk := faultfs.New()
	b, err := json.Marshal(segment.Manifest{Format: 1, ID: strings.Repeat("ab", 16), Generation: 3, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	disk.Put(segment.ManifestName, b)
	d := mustOpen(t, onDisk(disk, 1))
	for i := range 300 {
		if seq, err := send(d, "room", i); err != nil || seq != chat.MakeSeq(3, int64(i)) {
			t.Fatalf("append %d: seq %d, %v", i, seq, err)
		}
	}
	old := chat.Mark{Seq: chat.MakeSeq(2, 5000), Proof: 77}
	if ids, at, err := tail(d, 0, old); err != nil || len(ids) != 300 || at.Seq != chat.MakeSeq(3, 299) {
		t.Fatalf("from an older generation: %d records up to %+v, %v", len(ids), at, err)
	}
	if _, _, err := tail(d, 0, chat.Mark{Seq: -1}); !errors.Is(err, chat.ErrRewound) {
		t.Errorf("from a negative place: %v", err)
	}
	ctx := context.Background()
	if err := d.Trim(ctx, 0, chat.MakeSeq(2, 5000)); err != nil {
		t.Errorf("trim through an older generation: %v", err)
	}
	if err := d.Trim(ctx, 0, chat.MakeSeq(4, 0)); !errors.Is(err, chat.ErrRewound) {
		t.Errorf("trim through a later generation: %v", err)
	}
	if err := d.Trim(ctx, 1, chat.MakeSeq(3, 0)); chat.AsError(err).Code != chat.CodeInvalid {
		t.Errorf("trim of no partition: %v", err)
	}
	if info, err := d.Info(ctx); err != nil || info.Partitions[0].First != chat.MakeSeq(3, 0) {
		t.Fatalf("nothing was trimmed, and yet %+v, %v", info, err)
	}
	if err := d.Trim(ctx, 0, chat.MakeSeq(3, 250)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tail(d, 0, old); !errors.Is(err, chat.ErrTrimmed) {
		t.Errorf("from an older generation, the beginning being trimmed: %v", err)
	}
}

// TestAnotherLogIsNoticed: a mark with proof, taken from one log, does not fit another of the same length.
func TestAnotherLogIsNoticed(t *testing.T) {
	var marks []chat.Mark
	var logs []*msglog.Disk
	for range 2 {
		d := mustOpen(t, onDisk(faultfs.New(), 1))
		for i := range 5 {
			if _, err := send(d, "room", i); err != nil {
				t.Fatal(err)
			}
		}
		_, at, err := tail(d, 0, chat.Mark{})
		if err != nil {
			t.Fatal(err)
		}
		marks, logs = append(marks, at), append(logs, d)
	}
	if marks[0].Seq != marks[1].Seq || marks[0].Proof == marks[1].Proof {
		t.Fatalf("marks %+v", marks)
	}
	if _, _, err := tail(logs[0], 0, marks[1]); !errors.Is(err, chat.ErrRewound) {
		t.Fatalf("the other log's mark: %v", err)
	}
}

// TestTailIsWokenAtOnce: with a clock that stands still while anything runs, an append must reach a waiting tail in no time at all.
func TestTailIsWokenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := msglog.Open(onDisk(faultfs.New(), 1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		seen, beats := make(chan chat.Record, 10), 0
		ended := make(chan error, 1)
		go func() {
			ended <- d.Tail(ctx, 0, chat.Mark{}, func(rs []chat.Record, _ chat.Mark, atEnd bool) error {
				if len(rs) == 0 && atEnd {
					beats++
				}
				for _, r := range rs {
					seen <- r
				}
				return nil
			})
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if beats < 11 || beats > 41 {
			t.Errorf("%d beats in ten idle seconds", beats)
		}
		for i := range 5 {
			before := time.Now()
			if _, err := send(d, "room", i); err != nil {
				t.Error(err)
			}
			if r := <-seen; string(r.ID) != fmt.Sprint(i) || time.Since(before) != 0 {
				t.Errorf("record %s came after %s", r.ID, time.Since(before))
			}
			time.Sleep(70 * time.Millisecond)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("a tail of a closed log ends with %v", err)
		}
		cancel()
	})
}
