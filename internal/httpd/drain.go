package httpd

import (
	"context"
	"time"
)

// Drain lets go of what is forwarded through this node, before it stops: websockets are cut spread evenly over the window, so that their
// clients do not all come back at once elsewhere; polls end by themselves, with an answer that sends the client's next one to another
// connection, or with a close packet at the end of the window. Then nothing is forwarded any more. It returns when nothing is left, or
// with ctx's error.
func (f *Forwarder) Drain(ctx context.Context, window time.Duration) error {
	f.draining.Store(true)
	defer f.client.CloseIdleConnections()
	left := f.passages(true)
	begin, total := time.Now(), len(left)
	tick := time.NewTicker(max(window/100, time.Millisecond))
	defer tick.Stop()
	for passed := time.Duration(0); passed < window && !f.quiet(); {
		select {
		case now := <-tick.C:
			passed = now.Sub(begin)
			due := int(int64(total) * int64(min(passed, window)) / int64(max(window, 1)))
			for ; total-len(left) < due; left = left[1:] {
				left[0].cut(errStopping)
			}
		case <-ctx.Done():
			passed = window
		}
	}
	f.mu.Lock()
	f.closed = true
	f.idleLocked()
	f.mu.Unlock()
	for _, p := range f.passages(false) {
		p.cut(errStopping)
	}
	select {
	case <-f.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// quiet says that nobody's session needs this node: a client that polls comes again within PingInterval.
func (f *Forwarder) quiet() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open) == 0 && (f.last.IsZero() || time.Since(f.last) > f.conf.PingInterval)
}

// passages lists what is open: all of it, or the websockets.
func (f *Forwarder) passages(websockets bool) []*passage {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]*passage, 0, len(f.open))
	for p := range f.open {
		if !websockets || p.upgrade {
			out = append(out, p)
		}
	}
	return out
}
