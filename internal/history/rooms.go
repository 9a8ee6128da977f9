package history

import (
	"cmp"
	"context"
	"encoding/base64"
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
	for p, s := range h.parts {
		w := chat.Mark{}
		if p < len(st.W) {
			w = st.W[p]
		}
		if err := s.extend(ctx, w); err != nil {
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

// overlay folds what lies above w of one partition over a user's memberships.
func (h *History) overlay(ctx context.Context, s *scan, w chat.Seq, u chat.UserID, mine map[chat.RoomID]chat.Membership) error {
	changes, rooms, err := s.ofSubject(u, w, mine)
	if err != nil {
		return err
	}
	for _, e := range changes {
		m := mine[e.rec.Room]
		next, ok := chat.MembershipChange(e.rec)
		if !ok || e.rec.Seq <= m.Member.Rev {
			continue
		}
		if first, err := h.withoutCopies(ctx, s, e.rec.Room, []*entry{e}); err != nil {
			return err
		} else if len(first) == 0 {
			continue
		}
		switch {
		case next.State == chat.StateJoined && m.Member.State == chat.StateJoined,
			next.State == chat.StateInvited && m.Member.State != chat.StateNone:
		case next.State == chat.StateLeft:
			delete(mine, e.rec.Room)
		default:
			if m.Room.ID == "" {
				if m.Room, err = h.roomOf(ctx, e.rec.Room); err != nil {
					return err
				}
			}
			m.Member = next
			mine[e.rec.Room] = m
		}
	}
	for _, e := range rooms {
		m, ok := mine[e.rec.Room]
		if room, changed := chat.RoomChange(m.Room, e.rec); ok && changed {
			m.Room = room
			mine[e.rec.Room] = m
		}
	}
	return nil
}

// ofSubject gives what lies above w and is about a user, and of the rooms named what changes the rooms themselves.
func (s *scan) ofSubject(u chat.UserID, w chat.Seq, mine map[chat.RoomID]chat.Membership) (about, rooms []*entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.from.Seq > w {
		return nil, nil, errOvertaken
	}
	about = since(s.bySubject[u], w)
	named := map[chat.RoomID]bool{}
	for room := range mine {
		named[room] = true
	}
	for _, e := range about {
		named[e.rec.Room] = true
	}
	for _, e := range since(s.list, w) {
		if named[e.rec.Room] && (e.rec.Kind == chat.KindCreate || e.rec.Kind == chat.KindUpdate) {
			rooms = append(rooms, e)
		}
	}
	return about, rooms, nil
}

// roomOf gives a room that a membership above W names: from the store, or from its create record in the log.
func (h *History) roomOf(ctx context.Context, id chat.RoomID) (chat.Room, error) {
	room, _, err := h.directory.Room(ctx, id)
	if err == nil {
		return room, nil
	}
	if list, _, ok := h.bornAbove(ctx, id); ok {
		v := chat.NewView(chat.Room{}, nil)
		for _, r := range list {
			v = v.Fold(r)
		}
		return v.Room(), nil
	}
	return chat.Room{ID: id}, err
}
