package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// poll asks again and again until there is no error, and gives how long that took, or the last error once the time is over.
func poll(ctx context.Context, within time.Duration, ask func() error) (time.Duration, error) {
	began := time.Now()
	for {
		err := ask()
		if err == nil || time.Since(began) > within || ctx.Err() != nil {
			return time.Since(began), err
		}
		pause(ctx, 50*time.Millisecond)
	}
}

// noise is what a loaded machine may add to a promise.
const noise = time.Second

// AwaitStatus waits until every connected person's status satisfies want, and gives how long that took.
func (c *Crowd) AwaitStatus(ctx context.Context, within time.Duration, want func(Status) bool) (time.Duration, error) {
	return poll(ctx, within+noise, func() error {
		var bad []error
		for _, p := range c.People {
			if _, yes := p.Connected(); yes && !want(p.Seen.Status()) {
				bad = append(bad, fmt.Errorf("%s (%v) was told %+v", p.Name, p.by, p.Seen.Status()))
			}
		}
		return errors.Join(first(bad)...)
	})
}

// AwaitStale waits until every watcher has been told of some room that its presence is stale.
func (c *Crowd) AwaitStale(ctx context.Context, within time.Duration) error {
	_, err := poll(ctx, within+noise, func() error {
		for _, w := range c.Watchers {
			if !w.Seen.anyStale() {
				return fmt.Errorf("%s was not told that presence is stale", w.Name)
			}
		}
		return nil
	})
	return err
}

// Reads asks once for the newest messages of a room; a refusal, an empty page or no connection is an error.
func (p *Person) Reads(ctx context.Context, room string) error {
	var page struct{ Messages []Message }
	err := p.Try(ctx, "message:list", map[string]any{"roomId": room, "limit": 20}, func(raw json.RawMessage) { _ = json.Unmarshal(raw, &page) })
	if err == nil && len(page.Messages) == 0 {
		err = errors.New("the page is empty")
	}
	if err != nil {
		return fmt.Errorf("%s reads: %w", p.Name, err)
	}
	return nil
}
