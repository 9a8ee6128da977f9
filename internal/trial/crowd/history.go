package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Message is one of history.
type Message struct {
	Seq      int64
	ID, Text string
	Deleted  bool
}

// History is the messages of each room, in the order of history.
type History map[string][]Message

// Count is how many messages there are.
func (h History) Count() int {
	n := 0
	for _, room := range h {
		n += len(room)
	}
	return n
}

// History reads every room whole, page by page, as any client could.
func (c *Crowd) History(ctx context.Context) (History, error) {
	kept := History{}
	for _, room := range c.Rooms {
		h, err := read(ctx, c.People[0], room)
		if err != nil {
			return nil, err
		}
		kept[room] = h
	}
	return kept, nil
}

func read(ctx context.Context, p *Person, room string) ([]Message, error) {
	var all []Message
	for after := int64(0); ; {
		payload := map[string]any{"roomId": room, "limit": 100, "after": after}
		var page struct {
			Messages []Message
			HasMore  bool
			Gap      json.RawMessage
		}
		var bad error
		err := p.Call(ctx, "message:list", payload, func(raw json.RawMessage) { bad = json.Unmarshal(raw, &page) })
		if err = errors.Join(err, bad); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", room, err)
		}
		if page.Gap != nil {
			return nil, fmt.Errorf("the history of %s has a gap: %s", room, page.Gap)
		}
		if page.HasMore && len(page.Messages) == 0 {
			return nil, fmt.Errorf("the history of %s: an empty page promises more", room)
		}
		all = append(all, page.Messages...)
		if !page.HasMore {
			return all, nil
		}
		after = all[len(all)-1].Seq
	}
}

// settle waits until every person has seen the last message of every room.
func settle(ctx context.Context, people []*Person, kept History, within time.Duration) error {
	deadline := time.Now().Add(within)
	for {
		var behind []error
		for _, p := range people {
			for room, h := range kept {
				if n := len(h); n > 0 && p.Seen.last(room) < h[n-1].Seq {
					behind = append(behind, fmt.Errorf("%s has not seen the end of room %s (%d of %d)", p.Name, room, p.Seen.last(room), h[n-1].Seq))
				}
			}
		}
		if len(behind) == 0 {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return errors.Join(first(behind)...)
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// first keeps the first dozen of errors and says how many more there are.
func first(errs []error) []error {
	if len(errs) > 12 {
		return append(errs[:12:12], fmt.Errorf("and %d more", len(errs)-12))
	}
	return errs
}
