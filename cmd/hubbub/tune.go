package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may gather before it is collected, beside what is alive: gcPercent of it, twice Go's usual; and up to gcMost percent while
// that is less than gcAtLeast. While it is collected everybody waits a little longer; but what gathers while thousands of sockets come leaves
// holes between them. It is given back when the server is quiet (node/memory.go).
const (
	gcPercent = 200
	gcAtLeast = 192 << 20 // bytes
	gcMost    = 250
	gcLook    = time.Second // between two looks at what is alive
)

// tune sets what Go's own variables have not set, until ctx ends. One thread more than cores: a sync of the disk keeps a thread for
// itself, and on one core nothing would gather for the next sync meanwhile.
func tune(ctx context.Context, getenv func(string) string) {
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if getenv("GOGC") == "" {
		percent := percentFor(alive())
		debug.SetGCPercent(percent)
		go keepPercent(ctx, percent)
	}
}

// percentFor gives Go's GOGC for so many bytes alive.
func percentFor(alive uint64) int {
	return int(min(max(gcPercent, gcAtLeast*100/max(alive, 1)), gcMost))
}

// keepPercent follows what is alive.
func keepPercent(ctx context.Context, now int) {
	tick := time.NewTicker(gcLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if p := percentFor(alive()); p > now+now/10 || p < now-now/10 {
			now = p
			debug.SetGCPercent(p)
		}
	}
}

// alive is what the last collection left, bytes.
func alive() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
