package hub

import (
	"context"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// verdict says how a replay goes on.
type verdict int

const (
	attached verdict = iota // it is complete, and the listener subscribed
	refused                 // the user is no member
	closed                  // the room was closed
	breathe                 // wait for the socket
	piece                   // deliver frames, then look again
	ask                     // get what the tail does not reach from the history
	undone                  // a Detach has come
)

// finding is what one look at the room under its lock has found.
type finding struct {
	verdict verdict
	done    chat.Attached
	frames  []*entry
	through chat.Seq
}

// replay gives the listener (since, position], in pieces, without holding the room; the last piece and the subscription are one step.
// Each step asks the view again: a membership may end and begin meanwhile.
func (a *attach) replay(ctx context.Context, r *room) (chat.Attached, error) {
	for {
		f := a.look(r)
		var err error
		switch f.verdict {
		case attached:
			return f.done, nil
		case refused:
			return chat.Attached{}, chat.ErrNotFound
		case closed:
			return chat.Attached{}, errClosed
		case undone:
			return chat.Attached{}, context.Canceled
		case breathe:
			err = a.breathe(ctx)
		case piece:
			err = a.send(f.frames)
			a.since = f.frames[len(f.frames)-1].rec.Seq
		case ask:
			err = a.ask(ctx, r, f.through)
		}
		if err != nil {
			return chat.Attached{}, err
		}
	}
}

// look decides the next step, and takes it if it is the last.
func (a *attach) look(r *room) finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.view.Member(a.user.ID)
	_, has := r.at[a.l]
	switch {
	case r.closed.Load():
		return finding{verdict: closed}
	case !r.view.Exists() || m.State != chat.StateJoined:
		return finding{verdict: refused}
	case has:
		return finding{verdict: attached, done: a.attached(r)}
	case a.beyond, a.since == chat.AttachHead:
		return a.finish(r, nil)
	}
	if m.Joined > a.since+1 && !a.hub.cfg.Breaks[ResumeUnasked] {
		if !a.gap(a.since, m.Joined-1, chat.GapNotFound) {
			return finding{verdict: undone}
		}
	}
	rest, reaches := r.tail.after(a.since)
	if !reaches {
		if a.budget.left > 0 {
			return finding{verdict: ask, through: r.pos}
		}
		if !a.gap(a.since, r.tail.from, chat.GapUnavailable) {
			return finding{verdict: undone}
		}
	}
	if len(rest) > 0 && !a.ready {
		return finding{verdict: breathe}
	}
	if n := a.cut(rest); n < len(rest) {
		return finding{verdict: piece, frames: slices.Clone(rest[:n])}
	}
	return a.finish(r, rest)
}

// finish delivers the last piece and subscribes, in one step. Under the room's lock.
func (a *attach) finish(r *room, rest []*entry) finding {
	if a.beyond && !a.gap(a.since, 0, chat.GapReset) {
		return finding{verdict: undone}
	}
	ok := a.slot.do(func() {
		for _, e := range rest {
			a.l.Deliver(e.get(a.hub.cfg.Encoder))
		}
		if _, has := r.at[a.l]; !has {
			r.subscribe(a.l, a.user)
		}
	})
	if !ok {
		return finding{verdict: undone}
	}
	return finding{verdict: attached, done: a.attached(r)}
}

func (a *attach) attached(r *room) chat.Attached {
	return chat.Attached{AsOf: r.pos, View: r.view, Gaps: a.gaps}
}

// gap tells the listener that (from, to] does not come, and goes on behind it; false: a Detach has come.
func (a *attach) gap(from, to chat.Seq, why chat.GapReason) bool {
	a.gaps++
	a.hub.count.gaps.Add(1)
	a.since = max(to, a.since)
	f := a.hub.cfg.Encoder.Gap(chat.Gap{Room: a.room, From: from, To: to, Reason: why})
	return a.slot.do(func() { a.l.Deliver(f) })
}

// cut gives how many of the entries make a piece: at least one.
func (a *attach) cut(es []*entry) int {
	l, size := a.hub.cfg.Limits, 0
	for i, e := range es {
		size += e.rec.Size()
		if i > 0 && (i >= l.PieceFrames || size > l.PieceBytes) {
			return i
		}
	}
	return len(es)
}

// breathe waits until the socket has taken what it was given.
func (a *attach) breathe(ctx context.Context) error {
	if err := a.l.Ready(ctx); err != nil {
		return err
	}
	a.ready = true
	return nil
}

// send delivers a piece.
func (a *attach) send(es []*entry) error {
	a.ready = false
	ok := a.slot.do(func() {
		for _, e := range es {
			a.l.Deliver(e.get(a.hub.cfg.Encoder))
		}
	})
	if !ok {
		return context.Canceled
	}
	return nil
}

// ask gets from the history what changed in (since, through] and delivers it. What it cannot get now is tried again for as long as the
// budget lasts.
func (a *attach) ask(ctx context.Context, r *room, through chat.Seq) error {
	var page chat.Page
	since := a.since
	err := a.budget.spend(ctx, func(ctx context.Context) (err error) {
		select {
		case a.hub.fills <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-a.hub.fills }()
		page, err = a.hub.cfg.History.Fill(ctx, a.room, since, through)
		return err
	})
	if err == nil && page.Gap != nil && page.Gap.Reason == chat.GapUnavailable && a.budget.left > retryFill {
		page.Rows = slices.DeleteFunc(slices.Clone(page.Rows), func(r chat.Record) bool { return r.Seq > page.Gap.From })
		if err := a.sendPage(ctx, r, chat.Page{Rows: page.Rows}, min(page.Gap.From, through)); err != nil {
			return err
		}
		err = chat.ErrUnavailable
	}
	if err == nil {
		if page.HasMore && len(page.Rows) > 0 {
			through = page.Rows[len(page.Rows)-1].Seq
		}
		return a.sendPage(ctx, r, page, through)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_ = a.budget.spend(ctx, func(ctx context.Context) error { pause(ctx, retryFill); return nil })
	return ctx.Err()
}

// sendPage delivers rows, and the gap in its place among them, in pieces, for as long as the user is a member; then since is through.
func (a *attach) sendPage(ctx context.Context, r *room, page chat.Page, through chat.Seq) error {
	var es []*entry
	for _, row := range r.firsts(page.Rows) {
		if g := page.Gap; g != nil && row.Seq > g.From {
			if err := a.sendRows(ctx, r, es); err != nil {
				return err
			}
			es, page.Gap = nil, nil
			if !a.gap(g.From, g.To, g.Reason) {
				return context.Canceled
			}
		}
		if row.Seq > a.since && row.Seq <= through {
			es = append(es, &entry{rec: row})
		}
	}
	if err := a.sendRows(ctx, r, es); err != nil {
		return err
	}
	if g := page.Gap; g != nil && !a.gap(g.From, g.To, g.Reason) {
		return context.Canceled
	}
	a.since = max(a.since, through)
	return nil
}

// firsts leaves out what the room knows as copies: a history whose store is away cannot look their ids up.
func (r *room) firsts(rows []chat.Record) []chat.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(rows), func(rec chat.Record) bool {
		first, ok := r.window.seen(rec.ID)
		return ok && first.Seq < rec.Seq && !r.hub.cfg.Breaks[ReplayCopies]
	})
}

func (a *attach) sendRows(ctx context.Context, r *room, es []*entry) error {
	for len(es) > 0 {
		if !a.ready {
			if err := a.breathe(ctx); err != nil {
				return err
			}
		}
		if v, _, _ := r.look(0); !v.IsMember(a.user.ID) {
			return chat.ErrNotFound
		}
		n := a.cut(es)
		if err := a.send(es[:n]); err != nil {
			return err
		}
		a.since, es = es[n-1].rec.Seq, es[n:]
	}
	return nil
}
