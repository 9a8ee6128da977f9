package gateway

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Who sends more at once than a little is read at a pace, which follows his limit; who keeps to it does not notice.
func TestBurstsAreReadAtAPace(t *testing.T) {
	for name, c := range map[string]struct {
		limit float64
		bytes int
		sends int
		apart time.Duration
		want  time.Duration
	}{
		"a few":               {100, 100, eventsAtOnce, 0, 0},
		"a burst":             {100, 100, eventsAtOnce + 500, 0, 500 * time.Millisecond},
		"at ten times":        {100, 100, 1000, time.Millisecond, 1000 * time.Millisecond},
		"at his limit":        {100, 100, 100, 10 * time.Millisecond, 1000 * time.Millisecond},
		"a limit of thousand": {1000, 100, eventsAtOnce + 500, 0, 50 * time.Millisecond},
		"hardly any limit":    {1e9, 0, 100_000, 0, 0},
		"a few long texts":    {100, 16 << 10, 32, 0, 0},
		"many long texts":     {100, 16 << 10, 32 + 64, 0, 2 * time.Second},
		"one a while":         {100, 16 << 10, 50, 50 * time.Millisecond, 2500 * time.Millisecond},
		"more than at once":   {100, 2 * readAtOnce, 1, 0, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &conn{g: &Gateway{cfg: Config{Limits: Limits{EventsPerSocket: c.limit}}}}
			began := time.Now()
			for range c.sends {
				s.pace(c.bytes)
				time.Sleep(c.apart)
			}
			if took := time.Since(began); took < c.want-time.Millisecond || took > c.want+time.Millisecond {
				t.Errorf("%s: %v, want %v", name, took, c.want)
			}
		})
	}
}

// A socket gets a few pages at once, and the others at a pace that follows their size; who leaves waits no longer.
func TestPagesComeAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &conn{}
		c.ctx, c.cancel = context.WithCancel(t.Context())
		began := time.Now()
		for range 8 {
			if err := c.hungry(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.fed(pagesAtOnce / 4)
		}
		// The first five find room: what was given before is at most what may be at once.
		if took, want := time.Since(began), 3*lasts(pagesAtOnce/4, pagesPace); took != want {
			t.Errorf("8 quarters took %v, want %v", took, want)
		}
		time.Sleep(time.Hour)
		began = time.Now()
		c.fed(2 * pagesAtOnce)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := c.hungry(ctx); err == nil || time.Since(began) != time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Millisecond, c.cancel)
		if err := c.hungry(t.Context()); err == nil || time.Since(began) != 2*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
