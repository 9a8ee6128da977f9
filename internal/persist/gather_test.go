package persist_test

import (
	"fmt"
	"testing"
	"time"
)

// What comes after a save waits 50 ms from its beginning, or 250 ms if the save was a large one; unless there is to be no waiting.
func TestGathers(t *testing.T) {
	for _, c := range []struct {
		saved  int
		gather time.Duration
		want   time.Duration
	}{
		{1, 0, 50 * time.Millisecond},
		{399, 0, 50 * time.Millisecond},
		{400, 0, 250 * time.Millisecond},
		{1900, 0, 250 * time.Millisecond},
		{1900, 10 * time.Millisecond, 50 * time.Millisecond},
		{1900, -1, 0},
	} {
		t.Run(fmt.Sprint(c.saved, " ", c.gather), func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, w *world) {
				w.opt.Gather = c.gather
				w.log.batch, w.log.beat = 2000, time.Millisecond
				p, _ := w.start()
				settle() // it has the partition, and waits at its end
				for i := range c.saved {
					w.log.say(0, fmt.Sprint(i))
				}
				for p.Stats().Records < uint64(c.saved) {
					time.Sleep(time.Millisecond)
				}
				first := time.Now()
				w.log.say(0, "later")
				for p.Stats().Records < uint64(c.saved)+1 {
					time.Sleep(time.Millisecond)
				}
				if waited := time.Since(first); (waited - c.want).Abs() > 5*time.Millisecond {
					t.Errorf("the next save came after %v, want about %v", waited, c.want)
				}
			})
		})
	}
}
