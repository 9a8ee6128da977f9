package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	redisWait     = time.Second // for one answer: the port's bound
	redisInFlight = 512         // publishes that may wait for Redis at a time
)

var (
	errStuck = errors.New("Redis does not answer")
	errBusy  = fmt.Errorf("%d publishes wait for Redis already", redisInFlight)
)

// crowd bounds how many publishes wait for Redis at a time: the client's own queue of a connection, once full, would hold up its
// callers without heed of their contexts.
type crowd chan struct{}

// gate lets publishes through. Once an answer has not come in time, only one caller at a time finds out whether Redis answers again;
// the others are refused at once. In a cluster each partition has its own, so that one dead node does not stop the others.
type gate struct {
	stuck atomic.Bool
	probe chan struct{} // held by the one that is let through
}

func newGate() *gate { return &gate{probe: make(chan struct{}, 1)} }

// pass runs f for at most a second.
func (g *gate) pass(ctx context.Context, c crowd, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	if g.stuck.Load() {
		select {
		case g.probe <- struct{}{}:
			defer func() { <-g.probe }()
			return g.timed(ctx, f)
		default:
			return errStuck
		}
	}
	select {
	case c <- struct{}{}:
		defer func() { <-c }()
	case <-ctx.Done():
		return errBusy
	}
	if g.stuck.Load() {
		return errStuck
	}
	return g.timed(ctx, f)
}

func (g *gate) timed(ctx context.Context, f func(context.Context) error) error {
	start := time.Now()
	err := f(ctx)
	late := err != nil && time.Since(start) >= redisWait*9/10
	if g.stuck.Load() != late {
		g.stuck.Store(late)
	}
	if late {
		return fmt.Errorf("%w: %w", errStuck, err)
	}
	return err
}
