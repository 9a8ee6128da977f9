package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// join makes the person a member of a room and begins his stream of it.
func (p *Person) join(ctx context.Context, room string) error {
	return p.Call(ctx, "room:join", map[string]any{"roomId": room, "clientId": newID()}, func(raw json.RawMessage) {
		var a struct{ AsOf int64 }
		if err := json.Unmarshal(raw, &a); err != nil {
			p.Seen.fail("join: %v", err)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.Seen.begin(room, a.AsOf)
		p.since[room] = max(p.since[room], a.AsOf)
	})
}

// reopen goes on with a room that a resume could not have, as long as the connection on which it was told lasts: the next one resumes
// the room by itself. Each try names the place that is the right one then.
func (p *Person) reopen(attempt int, room string) {
	for {
		p.mu.Lock()
		ctx, c, since, current := p.ctx, p.conn, p.since[room], p.attempt == attempt
		p.mu.Unlock()
		if ctx.Err() != nil || !current {
			return
		}
		if c == nil { // the answer to its CONNECT is still on its way
			pause(ctx, 20*time.Millisecond)
			continue
		}
		err := p.tryOn(ctx, c, "room:open", map[string]any{"roomId": room, "since": since}, func(raw json.RawMessage) {
			var a struct{ AsOf int64 }
			_ = json.Unmarshal(raw, &a)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.since[room] = max(p.since[room], a.AsOf)
		})
		var f *client.Failure
		switch {
		case err == nil:
			return
		case errors.As(err, &f) && !retriable(f):
			p.Seen.fail("room:open after a gap: %v", err)
			return
		}
		pause(ctx, time.Duration(100+rand.IntN(200))*time.Millisecond)
	}
}

// talk sends into rooms until ctx ends or the budget is used up; each send is retried until acked, also after that, until hard ends.
func (p *Person) talk(ctx, hard context.Context, rooms []string, budget *atomic.Int64) {
	var all sync.WaitGroup
	defer all.Wait()
	for n := 1; ctx.Err() == nil; n++ {
		room := rooms[skewed(p.rng.Float64(), len(rooms))]
		text, id := fmt.Sprintf("%s:%d:%x", p.Name, n, p.rng.Uint64()), newID()
		select {
		case p.unacked <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if budget.Add(-1) < 0 {
			<-p.unacked
			return
		}
		all.Go(func() {
			defer func() { <-p.unacked }()
			p.send(hard, room, id, text)
		})
		pause(ctx, time.Duration(p.rng.Int64N(int64(2*p.pace))))
	}
}

// send sends one message, and again until it is acked.
func (p *Person) send(ctx context.Context, room, id, text string) {
	began := time.Now()
	err := p.Call(ctx, "message:send", map[string]any{"roomId": room, "clientId": id, "text": text}, func(raw json.RawMessage) {
		var a struct{ ID string }
		if err := json.Unmarshal(raw, &a); err != nil || a.ID == "" {
			p.Seen.fail("an ack without an id: %.200q", raw)
			return
		}
		p.Seen.acked(room, a.ID, text, began)
	})
	if err != nil {
		p.Seen.fail("a send ended without an ack: %v", err)
	}
}

// skewed picks one of n: four of five times one of the first fifth.
func skewed(x float64, n int) int {
	few := max(1, n/5)
	if x < 0.8 {
		return int(x / 0.8 * float64(few))
	}
	return min(n-1, few+int((x-0.8)/0.2*float64(n-few)))
}
