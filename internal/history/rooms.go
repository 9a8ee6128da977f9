package history

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// membershipsMax bounds how many rooms of one user are read.
const membershipsMax = 20_000

// RoomsOf implements chat.History: the store's memberships, with what lies above W folded over them, by room id. The cursor names the
// last room given.
func (h *History) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) (page []chat.Membership, next chat.Cursor, err error) {
	last, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil || limit < 1 {
		return nil, "", chat.Errorf(chat.CodeInvalid, "the cursor is not one that was given out")
	}
	var all []chat.Membership
	err = retry(func() error {
		var err error
		all, err = h.memberships(ctx, u)
		return err
	})
	if err != nil {
		return nil, "", unavailable(err)
	}
	for i, m := range all {
		if c != "" && string(m.Room.ID) <= string(last) {
			continue
		}
		page = append(page, m)
		if len(page) == limit && i+1 < len(all) {
			return page, chat.Cursor(base64.RawURLEncoding.EncodeToString([]byte(m.Room.ID))), nil
		}
	}
	return page, "", nil
}

// memberships gives all of a user's, W read first.
func (h *History) memberships(ctx context.Context, u chat.UserID) ([]chat.Membership, error) {
	st, err := h.marks.State(ctx)
	if err != nil {
		return nil, err
	}
	mine := map[chat.RoomID]chat.Membership{}
	for c := chat.Cursor(""); ; {
		list, next, err := h.directory.RoomsOf(ctx, u, c, storePage)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			mine[m.Room.ID] = m
		}
		if c = next; c == "" {
			break
		}
		if len(mine) > membershipsMax {
			return nil, chat.Errorf(chat.CodeOverloaded, "more than %d rooms", membershipsMax)
		}
	}
	info, err := h.log.Info(ctx)
	ends := func(context.Context) (chat.LogInfo, error) { return info, err }
	for p, s := range h.parts {
		w := chat.Mark{}
		if p < len(st.W) {
			w = st.W[p]
		}
		if err := s.extendTo(ctx, w, ends); err != nil {
			return nil, err
		}
		if err := h.overlay(ctx, s, w.Seq, u, mine); err != nil {
			return nil, err
		}
	}
	out := make([]chat.Membership, 0, len(mine))
	for _, m := range mine {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b chat.Membership) int { return cmp.Compare(a.Room.ID, b.Room.ID) })
	return out, nil
}

// overlay folds what lies above w of one partition over a user's memberships, copies left out.
func (h *History) overlay(ctx context.Context, s *scan, w chat.Seq, u chat.UserID, mine map[chat.RoomID]chat.Membership) error {
	about, changes, err := s.ofUser(u, w)
	if err != nil {
		return err
	}
	for _, e := range about { // in log order; a room's entries may be judged ahead of their turn
		rec := e.rec
		m := mine[rec.Room]
		next, ok := chat.MembershipChange(rec)
		if !ok || rec.Seq <= m.Member.Rev {
			continue
		}
		if first, err := h.isFirst(ctx, s, e, about); err != nil {
			return err
		} else if !first {
			continue
		}
		switch {
		case next.State == chat.StateJoined && m.Member.State == chat.StateJoined,
			next.State == chat.StateInvited && m.Member.State != chat.StateNone:
		case next.State == chat.StateLeft:
			delete(mine, rec.Room)
		default:
			if m.Room.ID == "" {
				if m.Room, ok, err = h.roomOf(ctx, rec.Room); err != nil {
					return err
				} else if !ok {
					continue
				}
			}
			m.Member = next
			mine[rec.Room] = m
		}
	}
	for _, e := range changes {
		m, ok := mine[e.rec.Room]
		room, changed := chat.RoomChange(m.Room, e.rec)
		if !ok || !changed {
			continue
		}
		if first, err := h.isFirst(ctx, s, e, changes); err != nil {
			return err
		} else if first {
			m.Room = room
			mine[e.rec.Room] = m
		}
	}
	return nil
}

// isFirst says whether e is the first copy of its id. If the store has to be asked, it is asked of all of list that are of e's room.
func (h *History) isFirst(ctx context.Context, s *scan, e *entry, list []*entry) (bool, error) {
	if h.opt.Breaks[NoLookup] {
		return true, nil
	}
	if len(s.unjudged([]*entry{e})) > 0 {
		var same []*entry
		for _, x := range list {
			if x.rec.Room == e.rec.Room {
				same = append(same, x)
			}
		}
		if _, err := h.withoutCopies(ctx, s, e.rec.Room, same); err != nil {
			return false, err
		}
	}
	return len(s.firsts([]*entry{e})) > 0, nil
}

// roomOf gives a room that a membership above W names: from the store, or else from its create record in the log. ok is false where
// neither knows it: a room whose create record could never be stored.
func (h *History) roomOf(ctx context.Context, id chat.RoomID) (room chat.Room, ok bool, err error) {
	for range 2 { // it may go from the log's side to the store's in between
		room, _, err = h.directory.Room(ctx, id)
		if err == nil || !errors.Is(err, chat.ErrNotFound) {
			return room, err == nil, err
		}
		v := chat.NewView(chat.Room{}, nil)
		a, _ := h.alone(ctx, id)
		for _, r := range a.recs {
			v = v.Fold(r)
		}
		if v.Exists() {
			return v.Room(), true, nil
		}
	}
	return room, false, nil
}
