package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// steadyFor is how long a person must have been there, or away, before presence must say so.
const steadyFor = 2 * time.Second

// AwaitHere waits until every node says of every room that exactly those are here who are, and gives how long that took. Who has come or
// gone in the last two seconds is not asked for.
func (c *Crowd) AwaitHere(ctx context.Context, within time.Duration) (time.Duration, error) {
	return poll(ctx, within+noise, func() error {
		for _, w := range c.Watchers {
			for _, room := range c.Rooms {
				said, err := w.members(ctx, room)
				if err != nil {
					return err
				}
				if err := c.compareHere(said); err != nil {
					return fmt.Errorf("%s is told of room %s: %w", w.Name, room, err)
				}
			}
		}
		return nil
	})
}

// members asks who is a member of a room, and who of them is here.
func (p *Person) members(ctx context.Context, room string) (map[string]bool, error) {
	said := map[string]bool{}
	for cursor := ""; ; {
		payload := map[string]any{"roomId": room}
		if cursor != "" {
			payload["cursor"] = cursor
		}
		var page struct {
			Members []struct {
				ID   string
				Here bool
			}
			Cursor string
		}
		err := p.Try(ctx, "room:members", payload, func(raw json.RawMessage) { _ = json.Unmarshal(raw, &page) })
		if err != nil {
			return nil, fmt.Errorf("%s asks for members: %w", p.Name, err)
		}
		for _, m := range page.Members {
			said[m.ID] = m.Here
		}
		if cursor = page.Cursor; cursor == "" {
			return said, nil
		}
	}
}

// compareHere holds what was said against who is there.
func (c *Crowd) compareHere(said map[string]bool) error {
	var bad []error
	for _, p := range c.People {
		p.mu.Lock()
		user, here, steady := p.user, p.conn != nil, time.Since(p.changed) > steadyFor
		p.mu.Unlock()
		if told, member := said[user]; !member {
			bad = append(bad, fmt.Errorf("%s is no member", p.Name))
		} else if steady && told != here {
			bad = append(bad, fmt.Errorf("%s (%v) here: %v, and in truth %v", p.Name, p.by, told, here))
		}
	}
	return errors.Join(first(bad)...)
}
