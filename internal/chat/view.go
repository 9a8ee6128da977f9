package chat

import "maps"

// View is a room as the fold of its records through some place in the log: who owns it, who is in it, who is invited. It is immutable;
// Fold gives the next one. Its methods are the rules of who may do what.
type View struct {
	room    Room
	base    map[UserID]Member // shared with earlier views, never written
	delta   map[UserID]Member // what differs from base; StateNone: gone. Small, copied by every fold that changes it
	members int               // of StateJoined
}

// NewView builds a view from what the store keeps: the room (Seq 0: none yet) and its members and invited.
func NewView(room Room, members []Member) *View {
	v := &View{room: room, base: make(map[UserID]Member, len(members))}
	for _, m := range members {
		if m.State == StateJoined || m.State == StateInvited {
			v.base[m.User.ID] = m
		}
		if m.State == StateJoined {
			v.members++
		}
	}
	return v
}

// Room gives the room, with the number of its members.
func (v *View) Room() Room {
	r := v.room
	r.Members = v.members
	return r
}

// Exists says whether the room has been created.
func (v *View) Exists() bool { return v.room.Seq != 0 }

// Members is the number of members.
func (v *View) Members() int { return v.members }

// Member gives how u stands to the room: StateNone, StateInvited or StateJoined.
func (v *View) Member(u UserID) Member {
	if m, ok := v.delta[u]; ok {
		return m
	}
	return v.base[u]
}

// Each calls f for every member and invited user, in no order, until f says false.
func (v *View) Each(f func(Member) bool) {
	for _, m := range v.delta {
		if m.State != StateNone && !f(m) {
			return
		}
	}
	for u, m := range v.base {
		if _, changed := v.delta[u]; !changed && !f(m) {
			return
		}
	}
}

// IsMember says whether u is in the room now.
func (v *View) IsMember(u UserID) bool { return v.Member(u).State == StateJoined }

// CanSee says whether u may know that the room exists.
func (v *View) CanSee(u UserID) bool {
	return v.Exists() && (!v.room.Private || v.room.Owner == u || v.Member(u).State != StateNone)
}

// CanRead says whether u may read and hear what is said, and see who is there. CanSend and CanInvite are the same today: members may.
func (v *View) CanRead(u UserID) bool { return v.Exists() && v.IsMember(u) }

// CanSend says whether u may send messages and be seen typing.
func (v *View) CanSend(u UserID) bool { return v.CanRead(u) }

// CanInvite says whether u may invite others.
func (v *View) CanInvite(u UserID) bool { return v.CanRead(u) }

// CanJoin says whether u may join: anybody who may see the room.
func (v *View) CanJoin(u UserID) bool { return v.CanSee(u) }

// CanUpdate says whether u may change name and topic.
func (v *View) CanUpdate(u UserID) bool { return v.Exists() && v.room.Owner == u && v.IsMember(u) }

// Fold gives the view after r. Repeated in log order over a view that knows some of the later records already, it is right once it has
// passed those (model/store.go, fold). A record that changes nothing gives v itself.
func (v *View) Fold(r Record) *View {
	if r.Kind == KindMessage || r.Kind == KindTombstone {
		return v
	}
	next := v
	if room, ok := RoomChange(v.room, r); ok {
		next = next.clone()
		next.room = room
	}
	m, ok := MembershipChange(r)
	if !ok {
		return next
	}
	old := v.Member(m.User.ID)
	switch {
	case m.State == StateJoined && old.State == StateJoined,
		m.State == StateInvited && old.State != StateNone,
		m.State == StateLeft && old.State == StateNone:
		return next
	}
	if next == v {
		next = v.clone()
	}
	next.set(m, old.State)
	return next
}

func (v *View) clone() *View {
	n := &View{room: v.room, base: v.base, members: v.members}
	if size := len(v.delta); size > 32 && size*size > len(v.base) { // keeps a fold at O(sqrt n)
		n.base = make(map[UserID]Member, len(v.base)+size)
		v.Each(func(m Member) bool { n.base[m.User.ID] = m; return true })
		n.delta = map[UserID]Member{}
		return n
	}
	n.delta = maps.Clone(v.delta)
	if n.delta == nil {
		n.delta = map[UserID]Member{}
	}
	return n
}

func (v *View) set(m Member, was MemberState) {
	if was == StateJoined {
		v.members--
	}
	switch m.State {
	case StateLeft:
		m.State, m.Joined = StateNone, 0
	case StateJoined:
		v.members++
	}
	v.delta[m.User.ID] = m
}
