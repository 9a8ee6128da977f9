package segment_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// hung is a volume that does not say how much is free until release is closed.
type hung struct{ asked, release chan struct{} }

func (h hung) Lock() (func() error, error) { return func() error { return nil }, nil }

func (h hung) Free() (int64, error) {
	close(h.asked)
	<-h.release
	return 1 << 40, nil
}

// TestRefusingDoesNotWaitForTheVolume: who asks after the log's health must be answered above all when the disk hangs.
func TestRefusingDoesNotWaitForTheVolume(t *testing.T) {
	v := hung{make(chan struct{}), make(chan struct{})}
	r := segment.NewReserve(v, 1000, slog.New(slog.DiscardHandler))
	taken := make(chan error, 1)
	go func() { taken <- r.Take(10) }()
	<-v.asked
	answer := make(chan bool, 1)
	go func() { answer <- r.Refusing() }()
	select {
	case refusing := <-answer:
		if refusing {
			t.Error("it refuses, though nothing was refused yet")
		}
	case <-time.After(5 * time.Second):
		t.Error("it waits for the volume")
	}
	close(v.release)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
}

// TestReserveThatCanNotBeAsked: then nothing is taken, and that is known and said, once, as is its end.
func TestReserveThatCanNotBeAsked(t *testing.T) {
	var lines journal
	v := &mute{err: errBroken}
	r := segment.NewReserve(v, 1000, lines.logger())
	for range 3 {
		if err := r.Take(10); !errors.Is(err, errBroken) || !r.Refusing() {
			t.Fatalf("taken: %v, refusing: %v", err, r.Refusing())
		}
	}
	v.err = nil
	if err := r.Take(10); err != nil || r.Refusing() {
		t.Fatalf("once it answers: %v, refusing: %v", err, r.Refusing())
	}
	if s := lines.String(); strings.Count(s, "level=ERROR") != 1 || strings.Count(s, "level=INFO") != 1 || !strings.Contains(s, errBroken.Error()) {
		t.Errorf("one line when it begins and one when it ends: %q", s)
	}
}

// mute is a volume that may not tell how much is free.
type mute struct{ err error }

func (m *mute) Lock() (func() error, error) { return func() error { return nil }, nil }
func (m *mute) Free() (int64, error)        { return 1 << 40, m.err }

// TestFullDiskIsKnown: a disk may have no space though the volume says otherwise (a quota), or nobody keeps a reserve.
func TestFullDiskIsKnown(t *testing.T) {
	disk := faultfs.New()
	var lines journal
	o := options(disk)
	o.Logger = lines.logger()
	log := mustOpen(t, o)
	fill(t, log, 0, 3)
	disk.SetHook(func(op faultfs.Op) *faultfs.Fault {
		if op.Kind == faultfs.Resize {
			return &faultfs.Fault{Err: segment.ErrNoSpace}
		}
		return nil
	})
	n, refused := 3, 0
	for ; refused < 3; n++ {
		if n > 100 {
			t.Fatal("the disk never was full")
		}
		if _, err := put(log, body(n)); errors.Is(err, segment.ErrRefused) {
			n--
			refused++
		}
	}
	if !log.Stats().Full || log.Err() != nil {
		t.Errorf("appends are refused, and the log says %+v, %v", log.Stats(), log.Err())
	}
	disk.SetHook(nil)
	fill(t, log, n, n+3)
	if log.Stats().Full {
		t.Error("it takes appends, and says that it does not")
	}
	if s := lines.String(); strings.Count(s, "level=ERROR") != 1 || strings.Count(s, "level=INFO") != 1 {
		t.Errorf("one line when it begins and one when it ends: %q", s)
	}
}
