package persist_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// minutes appends a message a minute for a while.
func (w *world) minutes(n int, text string) {
	for i := range n {
		w.log.say(0, fmt.Sprint(text, i))
		pass(time.Minute)
	}
}

// oldest gives how old the log's first record is.
func (w *world) oldest() time.Duration {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if recs := w.log.parts[0].recs; len(recs) > 0 {
		return time.Since(time.UnixMilli(recs[0].At))
	}
	return 0
}

func TestTrimsBehindTheKeepTime(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.beat = time.Second
		w.opt.Trim, w.opt.Times.KeepBehind = true, 2*time.Hour
		p, _ := w.start()
		w.minutes(110, "a")
		if w.log.first(0) != chat.MakeSeq(1, 0) {
			t.Errorf("trimmed before the keep time, to %d", w.log.first(0))
		}
		w.minutes(200, "b")
		if old := w.oldest(); old < 2*time.Hour-time.Minute || old > 2*time.Hour+10*time.Minute {
			t.Errorf("the oldest record is %v old", old)
		}
		pass(5 * time.Hour) // silence: the last ones become old too
		if old := w.oldest(); old != 0 {
			t.Errorf("after a silence the oldest record is %v old", old)
		}
		w.healthy(p)
		if s := p.Stats(); s.Trims == 0 || len(w.arc.rows) != 310 {
			t.Errorf("stats %+v, %d rows", s, len(w.arc.rows))
		}
	})
}

func TestNeverTrimsAboveW(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.beat = time.Second
		w.opt.Trim, w.opt.Times.KeepBehind = true, time.Hour
		p, _ := w.start()
		w.minutes(30, "a")
		w.arc.set(gone())
		w.minutes(300, "b")
		if first, saved := w.log.first(0), w.arc.w[0].Seq; first > saved+1 {
			t.Errorf("trimmed to %d, saved through %d", first, saved)
		}
		w.arc.set(nil)
		pass(time.Minute)
		w.healthy(p)
		if len(w.arc.rows) != 330 {
			t.Errorf("%d rows", len(w.arc.rows))
		}
	})
}

func TestTrimsOnlyIfTold(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.beat = time.Second
		w.opt.Times.KeepBehind = time.Hour
		w.start()
		w.minutes(200, "a")
		if w.log.first(0) != chat.MakeSeq(1, 0) {
			t.Errorf("trimmed to %d", w.log.first(0))
		}
	})
}

// TestTrimsThoughRestarted: a server that never runs for as long as the keep time trims all the same.
func TestTrimsThoughRestarted(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.beat = time.Second
		w.opt.Trim, w.opt.Times.KeepBehind = true, 2*time.Hour
		for i := range 12 {
			_, stop := w.start()
			w.minutes(60, fmt.Sprint(i, "-"))
			stop()
		}
		if old := w.oldest(); old < 2*time.Hour-time.Minute || old > 4*time.Hour {
			t.Errorf("the oldest record is %v old", old)
		}
		if len(w.arc.rows) != 12*60 {
			t.Errorf("%d rows", len(w.arc.rows))
		}
	})
}
