package segment

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// recheck is how often the volume is asked for its free space; in between, what is written is subtracted.
const recheck = time.Second

// Reserve keeps some of the disk free of the log: those who save what the log holds, and so let it shrink, must still be able to write.
// Shared by the partitions of a directory.
type Reserve struct {
	volume Volume
	keep   int64
	log    *slog.Logger

	mu    sync.Mutex // held while the volume is asked: one answer serves all partitions
	asked time.Time
	left  int64 // above the reserve, by the last answer less what was written since

	refused atomic.Bool // not under mu: a volume may hang, and that must not keep anybody from saying so
}

// NewReserve keeps that many bytes free; 0 or less: none.
func NewReserve(v Volume, keep int64, log *slog.Logger) *Reserve {
	return &Reserve{volume: v, keep: keep, log: log}
}

// Take accounts for n bytes about to be written, or says why they must not be. What can not be asked is refused.
func (r *Reserve) Take(n int64) error {
	if r.keep <= 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); r.asked.IsZero() || r.left < n || now.Sub(r.asked) >= recheck {
		free, err := r.volume.Free()
		if err != nil {
			if !r.refused.Swap(true) {
				r.log.Error("the disk does not tell how much of it is free: the log takes no more until it does", "err", err)
			}
			return fmt.Errorf("keep a reserve of the disk: %w", err)
		}
		r.left, r.asked = free-r.keep, now
	}
	if r.left < n {
		if !r.refused.Swap(true) {
			r.log.Error("the disk is nearly full: the log takes no more until there is room", "free_bytes", r.left+r.keep, "reserve_bytes", r.keep)
		}
		return fmt.Errorf("less than the reserve of %d bytes is free on the disk", r.keep)
	}
	if r.refused.Swap(false) {
		r.log.Info("the disk has room again: the log goes on", "free_bytes", r.left+r.keep, "reserve_bytes", r.keep)
	}
	r.left -= n
	return nil
}

// Refusing tells whether the last answer was no. It waits for nothing.
func (r *Reserve) Refusing() bool { return r.refused.Load() }
