package gateway

import (
	"context"
	"time"
)

// One client's burst is not to be what all others wait for (G9): what he may do at once is a little, the rest comes at a pace.
const (
	eventsAtOnce = 32        // of a socket; beyond them it is read at
	paceTimes    = 10        // times its limit
	readAtOnce   = 512 << 10 // bytes of requests from a socket; beyond them it is read at
	readPace     = 512 << 10 // bytes a second: long texts cost everybody more than events do
	pagesAtOnce  = 512 << 10 // bytes of pages for a socket; beyond them it gets
	pagesPace    = 4 << 20   // bytes a second
)

// pacer spreads what comes in bursts. The zero value is ready.
type pacer struct {
	spent time.Time // what was done lasts until then at the pace
}

// spend counts something that takes so long at the pace, and says how long it is to wait if so much may be done at once.
func (p *pacer) spend(takes, atOnce time.Duration) time.Duration {
	now := time.Now()
	if p.spent.Before(now) {
		p.spent = now
	}
	p.spent = p.spent.Add(takes)
	return p.spent.Sub(now) - atOnce
}

// pace makes the reader of a socket wait, and so the client, while he sends faster than he ever may: his limit lets him do five seconds'
// worth at once. bytes is what the event has brought. Of the goroutine that handles the socket's events.
func (c *conn) pace(bytes int) {
	each := time.Duration(float64(time.Second) / (paceTimes * c.g.cfg.Limits.EventsPerSocket))
	wait := c.reading.spend(each, eventsAtOnce*each)
	wait = max(wait, c.weighing.spend(lasts(bytes, readPace), lasts(readAtOnce, readPace)))
	if wait >= time.Millisecond { // a timer's worth
		time.Sleep(wait)
	}
}

// fed counts the bytes of a page against those that the socket may have.
func (c *conn) fed(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feeding.spend(lasts(bytes, pagesPace), 0)
}

// hungry waits until the socket may have a page.
func (c *conn) hungry(ctx context.Context) error {
	c.mu.Lock()
	wait := c.feeding.spend(0, lasts(pagesAtOnce, pagesPace))
	c.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lasts is how long so many bytes take at a pace in bytes a second.
func lasts(bytes, pace int) time.Duration {
	return time.Duration(bytes) * time.Second / time.Duration(pace)
}
