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

// crowd appends n messages; those whose number is in bad hold the word poison.
func (w *world) crowd(n int, bad ...int) {
	for i := range n {
		text := fmt.Sprint("fine ", i)
		for _, b := range bad {
			if b == i {
				text = fmt.Sprint("poison ", i)
			}
		}
		w.log.say(0, text)
	}
}

// TestPoison is case 2: one record stops nothing, whatever the store says of it.
func TestPoison(t *testing.T) {
	for name, c := range map[string]struct {
		err error
		bad []int
	}{
		"an internal error":      {errors.New("ERROR: unsupported Unicode escape sequence (SQLSTATE 22P05)"), []int{7}},
		"unavailable":            {fmt.Errorf("sqlite: save: %w: odd", chat.ErrUnavailable), []int{7}},
		"the first":              {errors.New("internal"), []int{0}},
		"the last":               {errors.New("internal"), []int{49}},
		"several":                {errors.New("internal"), []int{3, 4, 20, 48}},
		"named":                  {&chat.Unstorable{Index: 0, Reason: "too large"}, []int{0, 7, 8, 49}},
		"unstorable, not named":  {&chat.Unstorable{Index: -1, Reason: "some value"}, []int{7, 30}},
		"named beyond the batch": {&chat.Unstorable{Index: 1000, Reason: "some value"}, []int{7}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(t *testing.T, w *world) {
				w.arc.set(poison(c.err))
				w.crowd(50, c.bad...)
				p, _ := w.start()
				settle()
				w.exact()
				w.healthy(p)
				if len(w.arc.dead) != len(c.bad) {
					t.Errorf("dead %v", w.arc.dead)
				}
				for seq, reason := range w.arc.dead {
					if reason == "" || strings.ContainsAny(reason, "\n\x00") {
						t.Errorf("the reason at %d is %q", seq, reason)
					}
				}
				if s := p.Stats(); s.Buried != uint64(len(c.bad)) || s.Pauses != 0 {
					t.Errorf("stats %+v", s)
				}
				if n := strings.Count(w.output(), "a tombstone takes its place"); n != len(c.bad) {
					t.Errorf("%d lines for %d records", n, len(c.bad))
				}
			})
		})
	}
}

// TestPoisonAlone: a batch of one record.
func TestPoisonAlone(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.arc.set(poison(errors.New("internal")))
		p, _ := w.start()
		settle()
		w.crowd(1, 0)
		settle()
		w.exact()
		w.healthy(p)
		if got := w.row("poison 0"); got.User != "ann" || got.Sum != 9 {
			t.Errorf("tombstone %+v", got)
		}
	})
}

// TestMalformed: bytes put straight into the log go to the dead on every engine alike, and stop nothing.
func TestMalformed(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.crowd(3)
		bodies := []string{"", "{", "null", "[1]", ` {"text":"x"}`, "{\"text\":\"\xff\"}", "plain text"}
		for i, b := range bodies {
			w.log.add(0, 0, chat.Record{Kind: chat.Kind(1 + i), Room: "x", ID: chat.MessageID(fmt.Sprint("odd", i)), Body: []byte(b), Sent: 3})
		}
		w.log.add(0, 0, chat.Record{Kind: chat.KindJoin, Room: "x", ID: "shape", Subject: "ann", Body: []byte(`{"user":5,"room":[]}`)})
		w.log.add(0, 0, chat.Record{Kind: 99, Room: "x", ID: "of a later version", Body: []byte(`{}`)})
		w.log.say(0, "behind them")
		p, _ := w.start()
		settle()
		w.exact()
		w.healthy(p)
		if len(w.arc.dead) != len(bodies) {
			t.Errorf("dead %v", w.arc.dead)
		}
	})
}

// TestNoRowAtAll: where not even a tombstone can stand, W moves over the place all the same.
func TestNoRowAtAll(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.add(0, 0, chat.Record{Kind: chat.KindMessage, Room: "x", Body: []byte(`{}`)})
		w.log.add(0, 0, chat.Record{Kind: chat.KindMessage, ID: "no room", Body: []byte(`{}`)})
		w.log.say(0, "one")
		cursed := w.log.say(0, "cursed")
		w.log.say(0, "two")
		w.arc.set(func(_ context.Context, what string, c *chat.Change) error {
			if what == "row" && c.Row.ID == "cursed" { // its tombstone too
				return errors.New("internal")
			}
			return nil
		})
		p, _ := w.start()
		settle()
		w.healthy(p)
		if len(w.arc.rows) != 2 || w.row("one").ID == "" || w.row("two").ID == "" || len(w.arc.dead) != 3 || w.arc.dead[cursed.Seq] == "" {
			t.Errorf("rows %v, dead %v", w.arc.rows, w.arc.dead)
		}
		if w.arc.w[0].Seq != w.log.last(0) {
			t.Errorf("W is %d", w.arc.w[0].Seq)
		}
	})
}

// TestBuryFails: what cannot be kept among the dead is not given up; the partition pauses and goes on later.
func TestBuryFails(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		internal := errors.New("internal")
		w.arc.set(func(ctx context.Context, what string, c *chat.Change) error {
			if what == "bury" {
				return errGone
			}
			return poison(internal)(ctx, what, c)
		})
		w.crowd(20, 5)
		p, _ := w.start()
		pass(time.Minute)
		if s := p.State(); s.Phase != persist.Paused || s.Lag != 20 || len(w.arc.dead) != 0 {
			t.Errorf("state %+v, dead %v", s, w.arc.dead)
		}
		w.arc.set(poison(internal))
		pass(20 * time.Second)
		w.exact()
		w.healthy(p)
		if s := p.Stats(); s.Pauses != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestStoreAtFault: a store that answers every question and refuses every record is not believed: few are buried, and what came later
// than its recovery is stored as it is.
func TestStoreAtFault(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.arc.set(func(_ context.Context, what string, c *chat.Change) error {
			if what == "row" && c.Row.Kind != chat.KindTombstone {
				return errors.New("internal")
			}
			return nil
		})
		w.crowd(50)
		p, _ := w.start()
		pass(10 * time.Second)
		if s := p.State(); s.Phase != persist.Paused {
			t.Errorf("state %+v", s)
		}
		if n := len(w.arc.dead); n < 8 || n > 25 {
			t.Errorf("%d records buried in 10 s", n)
		}
		buried := len(w.arc.dead)
		w.arc.set(nil)
		pass(20 * time.Second)
		w.exact()
		w.healthy(p)
		if len(w.arc.dead) != buried {
			t.Error("records were buried after the store recovered")
		}
	})
}

// TestSlowRecordIsNotCondemned: what only takes too long may be stored another time.
func TestSlowRecordIsNotCondemned(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.arc.set(func(ctx context.Context, what string, c *chat.Change) error {
			if what == "row" && strings.Contains(string(c.Row.Body), "poison") {
				<-ctx.Done()
				return errors.New("the driver's own words for a timeout")
			}
			return nil
		})
		w.crowd(10, 4)
		p, _ := w.start()
		pass(3 * time.Minute)
		if s := p.State(); s.Phase != persist.Paused || len(w.arc.dead) != 0 {
			t.Errorf("state %+v, dead %v", s, w.arc.dead)
		}
		w.arc.set(nil)
		pass(20 * time.Second)
		w.exact()
		w.healthy(p)
	})
}
