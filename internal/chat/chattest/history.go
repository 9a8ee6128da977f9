package chattest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// History is the world as a history that knows the whole log.
type History struct{ w *World }

// Directory is the world as the rooms of a store.
type Directory struct{ w *World }

func (w *World) down() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.storeDown {
		return chat.ErrUnavailable
	}
	return nil
}

// Open is not used by hops 2 and 3.
func (h History) Open(context.Context, chat.RoomID) (chat.Opening, error) {
	return chat.Opening{}, chat.ErrUnavailable
}

// Fill is not used by hops 2 and 3.
func (h History) Fill(context.Context, chat.RoomID, chat.Seq, chat.Seq) (chat.Page, error) {
	return chat.Page{}, chat.ErrUnavailable
}

// Page gives rows.
func (h History) Page(_ context.Context, id chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	if err := h.w.down(); err != nil {
		return chat.Page{}, err
	}
	return h.w.page(id, rg, limit)
}

// ByID finds a record.
func (h History) ByID(_ context.Context, id chat.RoomID, msg chat.MessageID) (chat.Record, error) {
	if err := h.w.down(); err != nil {
		return chat.Record{}, err
	}
	for _, r := range h.w.Records() {
		if r.Room == id && r.ID == msg {
			return r, nil
		}
	}
	return chat.Record{}, chat.ErrNotFound
}

// RoomsOf gives a user's rooms, by id.
func (h History) RoomsOf(_ context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	if err := h.w.down(); err != nil {
		return nil, "", err
	}
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	var all []chat.Membership
	for id, r := range h.w.rooms {
		if m := r.view.Member(u); m.State != chat.StateNone && string(id) > string(c) {
			all = append(all, chat.Membership{Member: m, Room: r.view.Room()})
		}
	}
	slices.SortFunc(all, func(a, b chat.Membership) int { return cmp.Compare(a.Room.ID, b.Room.ID) })
	if len(all) > limit {
		return all[:limit], chat.Cursor(all[limit-1].Room.ID), nil
	}
	return all, "", nil
}

// Room gives a room.
func (d Directory) Room(_ context.Context, id chat.RoomID) (chat.Room, chat.Seq, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if r := d.w.rooms[id]; r != nil {
		return r.view.Room(), r.pos, nil
	}
	return chat.Room{}, 0, chat.ErrNotFound
}

// List gives rooms by id (a real one goes by name).
func (d Directory) List(_ context.Context, q chat.RoomQuery, c chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	if err := d.w.down(); err != nil {
		return nil, "", err
	}
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	var all []chat.Room
	for id, r := range d.w.rooms {
		room := r.view.Room()
		sees := !room.Private || r.view.Member(q.Asker).State != chat.StateNone
		if sees && string(id) > string(c) && strings.Contains(strings.ToLower(room.Name), strings.ToLower(q.Text)) {
			all = append(all, room)
		}
	}
	slices.SortFunc(all, func(a, b chat.Room) int { return cmp.Compare(a.ID, b.ID) })
	if len(all) > q.Limit {
		return all[:q.Limit], chat.Cursor(all[q.Limit-1].ID), nil
	}
	return all, "", nil
}

// Members gives a room's members and invited.
func (d Directory) Members(_ context.Context, id chat.RoomID, _ chat.Cursor, limit int) ([]chat.Member, chat.Cursor, error) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	var all []chat.Member
	if r := d.w.rooms[id]; r != nil {
		r.view.Each(func(m chat.Member) bool { all = append(all, m); return len(all) < limit })
	}
	return all, "", nil
}

// RoomsOf gives a user's rooms, by id.
func (d Directory) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	return History{d.w}.RoomsOf(ctx, u, c, limit)
}
