package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTune(t *testing.T) {
	procs, percent := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tune(ctx, func(string) string { return "set" })
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS is set by the operator, and was changed to %d", got)
	}
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("GOGC is set by the operator, and was changed to %d", got)
	}
	tune(ctx, func(string) string { return "" })
	if got := runtime.GOMAXPROCS(0); got != procs+1 {
		t.Errorf("GOMAXPROCS is %d, want %d", got, procs+1)
	}
	if got := debug.SetGCPercent(100); got < gcPercent || got > gcMost {
		t.Errorf("GOGC is %d, want %d to %d", got, gcPercent, gcMost)
	}
}

func TestPercentFor(t *testing.T) {
	const mib = 1 << 20
	for alive, want := range map[uint64]int{0: gcMost, 1 * mib: gcMost, 24 * mib: gcMost, 64 * mib: 250, 80 * mib: 240, 96 * mib: gcPercent, 1 << 40: gcPercent} {
		if got := percentFor(alive); got != want {
			t.Errorf("%d MiB alive: %d, want %d", alive/mib, got, want)
		}
	}
	kept := make([]byte, 64*mib)
	runtime.GC()
	if got := alive(); got < uint64(len(kept)) {
		t.Errorf("%d bytes alive of at least %d", got, len(kept))
	}
	runtime.KeepAlive(kept)
}
