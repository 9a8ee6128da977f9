package chattest

import (
	"context"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Rooms is the world as a hub.
type Rooms struct{ w *World }

// View waits until the room stands at atLeast.
func (r Rooms) View(ctx context.Context, id chat.RoomID, atLeast chat.Seq) (*chat.View, chat.Seq, error) {
	r.w.mu.Lock()
	slow := r.w.openAfter
	r.w.mu.Unlock()
	if wait(ctx, slow) != nil {
		return nil, 0, chat.ErrUnavailable
	}
	for {
		r.w.mu.Lock()
		room, changed := r.w.rooms[id], r.w.changed
		switch {
		case room == nil && atLeast == 0:
			r.w.mu.Unlock()
			return nil, 0, chat.ErrNotFound
		case room != nil && room.pos >= atLeast:
			v, pos := room.view, room.pos
			r.w.mu.Unlock()
			if !v.Exists() {
				return nil, 0, chat.ErrNotFound
			}
			return v, pos, nil
		}
		r.w.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, 0, chat.ErrUnavailable
		}
	}
}

// Seen looks into the room's memory of ids.
func (r Rooms) Seen(id chat.RoomID, msg chat.MessageID) (chat.Receipt, bool) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if room := r.w.rooms[id]; room != nil {
		got, ok := room.seen[msg]
		return got, ok
	}
	return chat.Receipt{}, false
}

// A replay goes out in pieces of so many records and bytes, between two looks at the socket.
const (
	pieceOf    = 20
	pieceBytes = 64 << 10
)

// Attach replays and subscribes.
func (r Rooms) Attach(ctx context.Context, id chat.RoomID, u chat.User, after chat.Seq, l chat.Listener) (chat.Attached, error) {
	for _, place := range []chat.Seq{0, max(after, 0)} { // a room that is not there stands nowhere
		if _, _, err := r.View(ctx, id, place); err != nil {
			return chat.Attached{}, err
		}
	}
	gaps := 0
	for {
		if err := l.Ready(ctx); err != nil {
			return chat.Attached{}, err
		}
		at, next, done, err := r.piece(id, u, after, l, &gaps)
		if done || err != nil {
			return at, err
		}
		after = next
	}
}

// piece is one step of a replay; the last one subscribes.
func (r Rooms) piece(id chat.RoomID, u chat.User, after chat.Seq, l chat.Listener, gaps *int) (at chat.Attached, next chat.Seq, done bool, err error) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	room := r.w.rooms[id]
	m := room.view.Member(u.ID)
	if m.State != chat.StateJoined {
		return at, 0, true, chat.ErrNotFound
	}
	if after != chat.AttachHead && m.Joined > after+1 {
		*gaps++
		l.Deliver(r.w.encoder.Gap(chat.Gap{Room: id, From: after, To: m.Joined - 1, Reason: chat.GapNotFound}))
		after = m.Joined - 1
	}
	sent, size := 0, 0
	for _, rec := range room.rows {
		if after != chat.AttachHead && rec.Seq > after {
			if sent == pieceOf || size > pieceBytes {
				return at, after, false, nil
			}
			l.Deliver(r.w.encoder.Record(rec))
			after = rec.Seq
			sent++
			size += rec.Size()
		}
	}
	room.subs = append(room.subs, listener{l, u.ID})
	return chat.Attached{AsOf: room.pos, View: room.view, Gaps: *gaps}, 0, true, nil
}

// Detach ends a subscription.
func (r Rooms) Detach(id chat.RoomID, l chat.Listener) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	if room := r.w.rooms[id]; room != nil {
		room.subs = slices.DeleteFunc(room.subs, func(s listener) bool { return s.l == l })
	}
}

// Page gives rows.
func (r Rooms) Page(ctx context.Context, id chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	r.w.mu.Lock()
	slow := r.w.pageAfter
	r.w.mu.Unlock()
	if err := wait(ctx, slow); err != nil {
		return chat.Page{}, err
	}
	return r.w.page(id, rg, limit)
}

func (w *World) page(id chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	room := w.rooms[id]
	if room == nil {
		return chat.Page{}, chat.ErrNotFound
	}
	var all []chat.Record
	for _, rec := range room.rows {
		if rg.All || rec.Kind == chat.KindMessage {
			all = append(all, rec)
		}
	}
	above := func(s chat.Seq) int {
		i := slices.IndexFunc(all, func(r chat.Record) bool { return r.Seq > s })
		if i < 0 {
			return len(all)
		}
		return i
	}
	from, to := 0, len(all)
	switch {
	case rg.After != 0:
		from = above(rg.After)
		to = min(from+limit, len(all))
		return chat.Page{Rows: slices.Clone(all[from:to]), HasMore: to < len(all), AsOf: room.pos}, nil
	case rg.Around != 0:
		mid := above(rg.Around)
		from, to = max(mid-(limit+1)/2, 0), min(mid+limit/2, len(all))
	default:
		if rg.Before != 0 {
			to = above(rg.Before - 1)
		}
		from = max(to-limit, 0)
	}
	return chat.Page{Rows: slices.Clone(all[from:to]), HasMore: from > 0, Newer: to < len(all), AsOf: room.pos}, nil
}
