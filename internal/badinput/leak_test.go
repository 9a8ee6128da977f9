package badinput_test

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// usage is what this process holds.
type usage struct{ goroutines, files int }

func look(t *testing.T) usage {
	t.Helper()
	u := usage{goroutines: runtime.NumGoroutine(), files: -1}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil { // elsewhere there is no such directory
		u.files = len(entries)
	}
	return u
}

// leakMargin is how many goroutines and file descriptors may differ from before.
const leakMargin = 10

// returnsTo waits up to 30 s after the clients have left until no more is held than before.
func returnsTo(t *testing.T, before usage) {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	now := look(t)
	for now.goroutines > before.goroutines+leakMargin || now.files > before.files+leakMargin {
		if time.Since(began) > 30*time.Second {
			stacks := make([]byte, 1<<20)
			t.Errorf("30 s after the clients left: %d goroutines and %d files, at the start %d and %d\n%s", now.goroutines, now.files,
				before.goroutines, before.files, stacks[:runtime.Stack(stacks, true)])
			return
		}
		<-tick.C
		now = look(t)
	}
	t.Logf("%.1f s after the clients left: %d goroutines and %d files; at the start %d and %d", time.Since(began).Seconds(), now.goroutines,
		now.files, before.goroutines, before.files)
}
