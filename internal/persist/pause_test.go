package persist_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

// slowly makes every save take d, or as long as its context allows.
func slowly(d time.Duration) func(context.Context, string, *chat.Change) error {
	return func(ctx context.Context, what string, _ *chat.Change) error {
		if what != "save" {
			return nil
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// full is a store whose disk has no space for another row.
func full(_ context.Context, what string, _ *chat.Change) error {
	if what == "row" {
		return fmt.Errorf("sqlite: save: %w: %w: database or disk is full", chat.ErrUnavailable, chat.ErrStoreFailed)
	}
	return nil
}

func TestPauseAndResume(t *testing.T) {
	for name, step := range map[string]func(context.Context, string, *chat.Change) error{
		"store gone":      gone(),
		"no writes":       gone("save", "bury"),
		"no rows, no W":   gone("row", "w", "bury"),
		"nothing is dead": gone("row", "bury"), // the probe succeeds, and yet nothing can be written
		"store hangs":     slowly(time.Hour),
		"disk full":       full, // for rows; the probe and the dead still find a place
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(t *testing.T, w *world) { pauseAndResume(t, w, step) })
		})
	}
}

func pauseAndResume(t *testing.T, w *world, step func(context.Context, string, *chat.Change) error) {
	for i := range 70 {
		w.log.say(0, fmt.Sprint("before", i))
	}
	p, _ := w.start()
	settle()
	w.arc.set(step)
	at := w.log.say(0, "while 0")
	pass(4500 * time.Millisecond)
	s := p.State()
	if s.Phase != persist.Paused || s.Reason == "" || time.Since(s.Since) > 4500*time.Millisecond {
		t.Errorf("4.5 s into the outage: %+v", s)
	}
	if one := s.Partitions[0]; one.Phase != persist.Paused || one.Position != at.Seq || one.W != at.Seq-1 || s.Partitions[1].Phase != persist.Running {
		t.Errorf("partitions %+v", s.Partitions)
	}
	for i := range 200 {
		w.log.say(0, fmt.Sprint("while ", i+1))
	}
	pass(time.Minute)
	if s := p.State(); s.Phase != persist.Paused || s.Lag != 201 || s.Partitions[0].Position != at.Seq {
		t.Errorf("a minute into the outage: %+v", s)
	}
	w.arc.set(nil)
	pass(15 * time.Second)
	w.exact()
	w.healthy(p)
	want := []string{fmt.Sprint("0@", int64(at.Seq))}
	if paused, resumed := w.pauses(); !slices.Equal(paused, want) || !slices.Equal(resumed, want) {
		t.Errorf("paused %v, resumed %v, want %v\n%s", paused, resumed, want, w.output())
	}
	if len(w.arc.dead) != 0 {
		t.Errorf("an outage buried %v", w.arc.dead)
	}
	if s := p.Stats(); s.Pauses != 1 {
		t.Errorf("stats %+v", s)
	}
	if n := len(w.told); n != 2 || w.told[0].Phase != persist.Paused || w.told[1].Phase != persist.Running {
		t.Errorf("told %+v", w.told)
	}
}

// TestBackOff: probes come with full jitter between nothing and a bound that doubles from 100 ms to 5 s.
func TestBackOff(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		var bounds []time.Duration
		w.opt.Jitter = func(most time.Duration) time.Duration {
			w.mu.Lock()
			defer w.mu.Unlock()
			bounds = append(bounds, most)
			return most
		}
		w.start()
		settle()
		w.arc.set(gone())
		w.log.say(0, "one")
		pass(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		want := []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if len(bounds) < len(want) || !slices.Equal(bounds[:len(want)], want) {
			t.Errorf("bounds %v", bounds)
		}
	})
}

// TestCrashAtEveryStep: the server dies before each step of the store in turn, also between the rows and W, and starts again.
// Once all is well, and once there are records that the store can never hold, so that batches are halved and records buried.
func TestCrashAtEveryStep(t *testing.T) {
	for _, word := range []string{"fine", "poison"} {
		n := 0
		for through := false; !through && !t.Failed(); {
			n++
			bubble(t, 1, func(t *testing.T, w *world) { through = crashAt(w, n, word) })
		}
		if n < 20 {
			t.Errorf("only %d steps", n)
		}
	}
}

// crashAt runs a persister that dies before step n, and another after it; true: there are not that many steps.
func crashAt(w *world, n int, word string) bool {
	w.log.batch = 5
	for i := range 12 {
		text := fmt.Sprint(i % 9) // with copies, in the same batch and in another
		if i%9 == 2 || i%9 == 3 {
			text += word
		}
		w.log.say(0, text)
	}
	internal := poison(errors.New("internal"))
	count, crash := 0, make(chan struct{})
	w.arc.set(func(ctx context.Context, what string, c *chat.Change) error {
		if count++; count == n {
			close(crash)
		}
		if count < n {
			return internal(ctx, what, c)
		}
		<-ctx.Done() // the process is gone: nothing further happens
		return ctx.Err()
	})
	p, stop := w.start()
	select {
	case <-crash:
	case <-time.After(30 * time.Second):
		w.exact()
		w.healthy(p)
		return true
	}
	stop()
	w.arc.set(internal)
	again, _ := w.start()
	settle()
	w.exact()
	w.healthy(again)
	return false
}

// TestTwoAtOnce: two persisters save the same partitions while the store fails now and then.
func TestTwoAtOnce(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, 2, func(t *testing.T, w *world) {
				rng := rand.New(rand.NewPCG(seed, 2))
				w.log.batch = 1 + rng.IntN(20)
				outage := false
				w.arc.set(func(ctx context.Context, what string, _ *chat.Change) error {
					time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
					w.mu.Lock()
					defer w.mu.Unlock()
					if outage {
						return errGone
					}
					return ctx.Err()
				})
				a, _ := w.start()
				b, stopB := w.start()
				for i := range 300 {
					p := rng.IntN(2)
					w.log.say(p, fmt.Sprint(p, "-", rng.IntN(100))) // many copies
					time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
					switch i {
					case 50, 150:
						w.mu.Lock()
						outage = true
						w.mu.Unlock()
					case 80, 180:
						w.mu.Lock()
						outage = false
						w.mu.Unlock()
					case 170:
						stopB()
					case 220:
						b, _ = w.start()
					}
				}
				pass(time.Minute)
				w.exact()
				w.healthy(a)
				w.healthy(b)
				if len(w.arc.dead) != 0 {
					t.Errorf("buried %v", w.arc.dead)
				}
			})
		})
	}
}
