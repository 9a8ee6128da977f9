package persist_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

func TestVerify(t *testing.T) {
	at := func(offset int64) chat.Seq { return chat.MakeSeq(2, offset) }
	log := func(id string, generation, partitions int) chat.LogInfo {
		info := chat.LogInfo{ID: id, Generation: generation}
		for range partitions {
			info.Partitions = append(info.Partitions, chat.Partition{First: at(0), Last: at(99)})
		}
		return info
	}
	now := log("b", 2, 2)
	for name, c := range map[string]struct {
		was  chat.LogInfo
		w    []chat.Mark
		says []string // nothing: they fit
	}{
		"the same":               {was: log("b", 2, 2), w: []chat.Mark{{Seq: at(99)}, {Seq: at(5)}}},
		"nothing remembered":     {},
		"W of an old generation": {was: log("b", 2, 2), w: []chat.Mark{{Seq: chat.MakeSeq(1, 1<<40)}, {}}},
		"another log":            {was: log("a", 2, 2), says: []string{"log a", "log is b"}},
		"another generation":     {was: log("b", 1, 2), says: []string{"generation 1", "generation 2"}},
		"another count":          {was: log("b", 2, 64), says: []string{"64 partitions", "2 now"}},
		"ends before W":          {was: log("b", 2, 2), w: []chat.Mark{{}, {Seq: at(100)}}, says: []string{"log b", "partition 1", fmt.Sprint(at(99)), fmt.Sprint(at(100))}},
	} {
		t.Run(name, func(t *testing.T) {
			err := persist.Verify(chat.ArchiveState{Log: c.was, W: c.w}, now)
			if len(c.says) == 0 {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			var m *persist.Mismatch
			if !errors.As(err, &m) || !errors.Is(err, chat.ErrUnavailable) || chat.AsError(err).Code != chat.CodeUnavailable {
				t.Fatalf("error %v", err)
			}
			for _, s := range c.says {
				if !strings.Contains(m.Message, s) || strings.ContainsAny(m.Message, "\n") {
					t.Errorf("%q does not say %q", m.Message, s)
				}
			}
		})
	}
}

func TestAdoptsAtTheFirstStart(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		p, _ := w.start()
		settle()
		if w.arc.log.ID != "log-a" || w.arc.log.Generation != 1 || len(w.arc.log.Partitions) != 2 {
			t.Errorf("the store remembers %+v", w.arc.log)
		}
		w.healthy(p)
	})
}

// TestNewStoreOnATrimmedLog: it begins where the log does (cases.md 16), also if setting W fails at first.
func TestNewStoreOnATrimmedLog(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.crowd(20)
		w.log.set(func(l *logDouble) { l.parts[1].next = 30 })
		w.log.Trim(t.Context(), 0, chat.MakeSeq(1, 9))
		w.log.Trim(t.Context(), 1, chat.MakeSeq(1, 29)) // up to the end
		w.arc.set(gone("w"))
		p, _ := w.start()
		pass(3 * time.Second)
		if s := p.State(); s.Refused != nil || s.Phase != persist.Paused {
			t.Errorf("state %+v", s)
		}
		w.arc.set(nil)
		pass(10 * time.Second)
		w.exact()
		w.healthy(p)
		if n := strings.Count(w.output(), "begins in the middle of a log"); n == 0 {
			t.Error("not a word about it")
		}
	})
}

// TestAnotherLog: nothing is saved, the state says why, and it mends itself when the log does.
func TestAnotherLog(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.crowd(5)
		w.arc.log, w.arc.w = chat.LogInfo{ID: "log-z", Generation: 1, Partitions: make([]chat.Partition, 1)}, make([]chat.Mark, 1)
		p, _ := w.start()
		pass(30 * time.Second)
		s := p.State()
		if s.Refused == nil || s.Phase != persist.Paused || s.Reason != s.Refused.Message || len(w.arc.rows) != 0 || w.arc.saves != 0 {
			t.Errorf("state %+v, %d rows", s, len(w.arc.rows))
		}
		var m *persist.Mismatch
		if err := p.Check(t.Context()); !errors.As(err, &m) {
			t.Errorf("check: %v", err)
		}
		if n := strings.Count(w.output(), "appends are refused"); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.log.set(func(l *logDouble) { l.id = "log-z" })
		pass(10 * time.Second)
		w.healthy(p)
		w.exact()
		if last := w.told[len(w.told)-1]; last.Refused != nil {
			t.Errorf("told %+v", last)
		}
	})
}

// TestTrimmedAboveW is case 8 d: the log loses what is not saved while the store is away.
func TestTrimmedAboveW(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.crowd(5)
		p, _ := w.start()
		settle()
		w.arc.set(gone())
		for i := range 100 {
			w.log.say(0, fmt.Sprint("more ", i))
		}
		settle()
		w.log.Trim(t.Context(), 0, chat.MakeSeq(1, 80))
		w.arc.set(nil)
		pass(30 * time.Second)
		if s := p.State(); s.Refused == nil || !strings.Contains(s.Refused.Message, "records are lost") {
			t.Errorf("state %+v", s)
		}
		if w.arc.w[0].Seq != chat.MakeSeq(1, 4) {
			t.Errorf("W went to %d", w.arc.w[0].Seq)
		}
	})
}

// TestRewound: the log itself says that W's record is not in it.
func TestRewound(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.crowd(5)
		_, stop := w.start()
		settle()
		stop()
		w.log.set(func(l *logDouble) { l.rewound = true })
		w.log.say(0, "more")
		p, _ := w.start()
		pass(time.Minute)
		if s := p.State(); s.Refused == nil || len(w.arc.rows) != 5 {
			t.Errorf("state %+v, %d rows", s, len(w.arc.rows))
		}
	})
}

// TestPlaceTaken: the store has another record at the place. Nothing is buried, the log is refused, until the store is mended.
func TestPlaceTaken(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.arc.set(poison(fmt.Errorf("place 7 has another record: %w", chat.ErrRewound)))
		w.crowd(10, 4)
		p, _ := w.start()
		pass(30 * time.Second)
		if s := p.State(); s.Refused == nil || s.Phase != persist.Paused || len(w.arc.dead) != 0 {
			t.Errorf("state %+v, dead %v", s, w.arc.dead)
		}
		if n := strings.Count(w.output(), "appends are refused"); n != 1 {
			t.Errorf("said %d times", n)
		}
		w.arc.set(nil)
		pass(10 * time.Second)
		w.exact()
		w.healthy(p)
	})
}

// TestStoreWentBack: a backup is restored during an outage. Saving on would leave a hole; a restart saves it again.
func TestStoreWentBack(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.crowd(20)
		p, stop := w.start()
		settle()
		w.arc.set(gone())
		w.log.say(0, "more")
		settle()
		w.arc.mu.Lock()
		w.arc.rows, w.arc.w[0] = map[chat.MessageID]chat.Record{}, chat.Mark{}
		w.arc.mu.Unlock()
		w.arc.set(func(context.Context, string, *chat.Change) error { return nil })
		pass(time.Minute)
		if s := p.State(); s.Phase != persist.Paused || !strings.Contains(s.Reason, "restart") || w.arc.w[0].Seq != 0 {
			t.Errorf("state %+v, W %d", s, w.arc.w[0].Seq)
		}
		stop()
		again, _ := w.start()
		settle()
		w.exact()
		w.healthy(again)
	})
}
