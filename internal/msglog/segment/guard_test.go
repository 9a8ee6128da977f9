package segment_test

import (
	"log/slog"
	"testing"
	"time"

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
