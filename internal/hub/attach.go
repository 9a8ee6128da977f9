package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// View opens the room if need be, waits until it stands at atLeast, and gives its view and position. A room that does not exist is
// ErrNotFound; one that cannot be opened, or brought there, within ctx and Times.Resume is ErrUnavailable.
func (h *Hub) View(ctx context.Context, id chat.RoomID, atLeast chat.Seq) (*chat.View, chat.Seq, error) {
	b := &budget{left: h.cfg.Times.Resume}
	for {
		r, err := h.acquire(id)
		if err != nil {
			return nil, 0, err
		}
		view, pos, ok := r.look(atLeast)
		if !ok {
			err = b.spend(ctx, func(ctx context.Context) error { return r.await(ctx, atLeast) })
			view, pos, _ = r.look(0)
		}
		r.release()
		switch {
		case errors.Is(err, errClosed) && ctx.Err() == nil && b.left > 0:
			continue
		case errors.Is(err, chat.ErrOverloaded):
			return nil, 0, err
		case err != nil:
			return nil, 0, fmt.Errorf("room %s is not open here: %w", id, chat.ErrUnavailable)
		case !view.Exists():
			return nil, 0, chat.ErrNotFound
		}
		return view, pos, nil
	}
}

// look gives view and position; whether the room serves and stands at need.
func (r *room) look(need chat.Seq) (*chat.View, chat.Seq, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view, r.pos, r.ready && r.pos >= need && !r.closed.Load()
}

// Seen gives a recent record's receipt from an open room's memory of ids.
func (h *Hub) Seen(id chat.RoomID, msg chat.MessageID) (chat.Receipt, bool) {
	r := h.partitionOf(id).peek(id)
	if r == nil {
		return chat.Receipt{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.window.seen(msg)
}

// Attach is the resume of one room: see chat.Rooms. A listener that is attached already stays so, and gets nothing twice: Attach then
// gives the present position. An Attach waits for one of the same listener and room that is under way. Errors: ErrNotFound: no such
// room, or u is no member; ErrUnavailable: the room cannot be opened, or brought to after, within Times.Resume; ErrOverloaded; that of
// ctx, of Ready, or of a Detach.
func (h *Hub) Attach(ctx context.Context, id chat.RoomID, u chat.User, after chat.Seq, l chat.Listener) (chat.Attached, error) {
	if after < chat.AttachHead {
		return chat.Attached{}, chat.Errorf(chat.CodeInvalid, "a room cannot be resumed after %d", after)
	}
	key := slotKey{id, l}
	slot := h.slots.enter(key)
	defer h.slots.leave(key, slot)
	ctx, cancel := slot.bind(ctx)
	defer cancel()
	if !h.cfg.Breaks[JoinOverResume] {
		if err := slot.take(ctx); err != nil {
			return chat.Attached{}, err
		}
		defer slot.free()
	}
	if after != chat.AttachHead {
		h.count.replays.Add(1)
	}
	a := &attach{hub: h, slot: slot, room: id, user: u, l: l, since: after, budget: budget{left: h.cfg.Times.Resume}}
	return a.run(ctx)
}

// Detach ends a subscription, and undoes an Attach of it that is under way. When it has returned, nothing more is delivered.
func (h *Hub) Detach(id chat.RoomID, l chat.Listener) {
	h.slots.end(slotKey{id, l})
	if r := h.partitionOf(id).peek(id); r != nil {
		r.mu.Lock()
		r.unsubscribe(l)
		r.used = time.Now()
		r.mu.Unlock()
	}
}

// budget is what is left of the time within which data must be had. Waiting for a slow reader does not count.
type budget struct{ left time.Duration }

// spend runs f within what is left.
func (b *budget) spend(ctx context.Context, f func(context.Context) error) error {
	if b.left <= 0 {
		return chat.ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(ctx, b.left)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	b.left -= time.Since(begun)
	return err
}

// attach is one Attach under way: a resume (the model's resume.go).
type attach struct {
	hub    *Hub
	slot   *slot
	room   chat.RoomID
	user   chat.User
	l      chat.Listener
	since  chat.Seq // delivered so far; AttachHead: nothing is asked for
	beyond bool     // since lies beyond the log's end
	ready  bool     // the socket has taken what it was given
	gaps   int
	budget budget
}

// run brings the room to since, then replays; a room that closes meanwhile is asked for anew.
func (a *attach) run(ctx context.Context) (chat.Attached, error) {
	for {
		r, err := a.hub.acquire(a.room)
		if err != nil {
			return chat.Attached{}, err
		}
		var done chat.Attached
		if err = a.bring(ctx, r); err == nil {
			done, err = a.replay(ctx, r)
		}
		r.release()
		if err == nil {
			return done, nil
		}
		if ctx.Err() != nil {
			return chat.Attached{}, fmt.Errorf("attach: %w", ctx.Err())
		}
		if !errors.Is(err, errClosed) {
			return chat.Attached{}, err
		}
	}
}

// bring waits until the room stands at since: so nothing is sent twice. If the log ends before, there is nothing to wait for.
func (a *attach) bring(ctx context.Context, r *room) error {
	need := max(a.since, 0)
	if a.beyond || a.hub.cfg.Breaks[ResumeAtOnce] {
		need = 0
	}
	err := a.await(ctx, r, 0, a.budget.left)
	if err == nil && need > 0 {
		err = a.await(ctx, r, need, 2*a.hub.cfg.Times.HoldOff)
		if errors.Is(err, context.DeadlineExceeded) {
			if a.beyond = a.pastEnd(ctx, need); a.beyond {
				return nil
			}
			err = a.await(ctx, r, need, a.budget.left)
		}
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, errClosed) && !errors.Is(err, chat.ErrOverloaded) {
		return fmt.Errorf("room %s cannot be brought to %d here: %w", a.room, need, chat.ErrUnavailable)
	}
	return err
}

// await waits for the room, for wait at most and within the budget.
func (a *attach) await(ctx context.Context, r *room, need chat.Seq, wait time.Duration) error {
	if _, _, ok := r.look(need); ok {
		return nil
	}
	return a.budget.spend(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		return r.await(ctx, need)
	})
}

// pastEnd asks the log itself: what this node has read may be behind.
func (a *attach) pastEnd(ctx context.Context, need chat.Seq) (past bool) {
	err := a.budget.spend(ctx, func(ctx context.Context) error {
		info, err := a.hub.cfg.Log.Info(ctx)
		if p := a.hub.partitionOf(a.room).index; err == nil && p < len(info.Partitions) {
			past = info.Partitions[p].Last < need
		}
		return err
	})
	return past && err == nil
}
