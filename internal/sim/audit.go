package sim

import (
	"context"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// audit is a read of a room's history on some node, page by page, as a client reads.
type audit struct {
	room   chat.RoomID
	all    bool     // joins and leaves too
	back   bool     // from the newest row back; else forward
	after  chat.Seq // forward: from here
	memory bool     // through the hub, as clients do, not behind it
	page   func(context.Context, chat.RoomID, chat.Range, int) (chat.Page, error)
}

// audit reads on some node, from the beginning, from a place of late, or back from the end. The caller holds mu.
func (w *World) audit() {
	n := w.upNode()
	if n == nil {
		return
	}
	l, a := n.life, audit{room: w.rooms[w.pick(len(w.rooms))], all: w.chance(0.7), after: chat.AfterStart, memory: w.chance(0.5)}
	a.page = l.history.Page
	if a.memory {
		a.page = l.hub.Page
	}
	switch rs := w.check.byRoom[a.room]; {
	case w.chance(0.3):
		a.back = true
	case len(rs) > 1 && w.chance(0.5):
		a.after = rs[len(rs)-1-w.pick(min(len(rs)-1, 60))].Seq
	}
	limit := 100
	if w.chance(0.3) {
		limit = 1 + w.pick(30)
	}
	w.spawn(func() {
		ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
		defer cancel()
		if a.memory {
			if _, _, err := l.hub.View(ctx, a.room, 0); err != nil {
				return
			}
		}
		if got, to, ok := a.read(ctx, w.check, limit); ok {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.check.history(a, got, to)
		}
	})
}

// read follows the pages to the end; not ok: something could not be had, and it was said.
func (a audit) read(ctx context.Context, c *Check, limit int) (got []chat.Record, to chat.Seq, ok bool) {
	rg := chat.Range{All: a.all}
	if !a.back {
		rg.After = a.after
	}
	for {
		p, err := a.page(ctx, a.room, rg, limit)
		if err != nil || p.Gap != nil {
			return nil, 0, false
		}
		c.page(a.room, p, limit)
		if rg.Before == 0 { // the end is what the first page back, or the last forward, reached
			to = p.AsOf
		}
		if a.back {
			got = slices.Concat(p.Rows, got)
		} else {
			got = append(got, p.Rows...)
		}
		switch n := len(p.Rows); {
		case !p.HasMore:
			if len(got) > 0 { // a hub may be a little behind what the log has given before
				to = max(to, got[len(got)-1].Seq)
			}
			return got, to, true
		case n == 0:
			return nil, 0, c.stuck(a.room)
		case a.back:
			rg.Before = p.Rows[0].Seq
		default:
			rg.After = p.Rows[n-1].Seq
		}
	}
}
