package chat

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// ListRequest asks for rooms.
type ListRequest struct {
	Query  string // part of the name; empty: all
	Mine   bool   // one's own only; Query is not used then
	Cursor Cursor
	Limit  int
}

// Listed is a room with how the asker stands to it: StateNone, StateInvited or StateJoined.
type Listed struct {
	Room   Room
	State  MemberState
	Joined Seq
}

// List gives public rooms and one's own, by name; or one's own only, by id.
func (s *Service) List(ctx context.Context, u UserID, in ListRequest) ([]Listed, Cursor, error) {
	if in.Mine {
		ms, next, err := s.ports.History.RoomsOf(ctx, u, in.Cursor, s.limit(in.Limit))
		if err != nil {
			return nil, "", refusal(err)
		}
		out := make([]Listed, len(ms))
		for i, m := range ms {
			out[i] = Listed{m.Room, m.Member.State, m.Member.Joined}
		}
		return out, next, nil
	}
	if len(in.Query) > 5*s.limits.NameBytes {
		return nil, "", Errorf(CodeTooLarge, "query: at most %d bytes", 5*s.limits.NameBytes)
	}
	own, _, err := s.ports.History.RoomsOf(ctx, u, "", s.ownRooms())
	if err != nil {
		return nil, "", refusal(err)
	}
	mine := make(map[RoomID]Member, len(own))
	for _, m := range own {
		mine[m.Room.ID] = m.Member
	}
	rooms, next, err := s.ports.Directory.List(ctx, RoomQuery{Asker: u, Text: in.Query, Limit: s.limit(in.Limit)}, in.Cursor)
	if err != nil {
		return nil, "", refusal(err)
	}
	out := make([]Listed, 0, len(rooms))
	for _, r := range rooms {
		m, is := mine[r.ID]
		// The directory is as of the store; his memberships are as of the log. Who has just left a private room sees it no more.
		if r.Private && !is && r.Owner != u {
			continue
		}
		out = append(out, Listed{r, m.State, m.Joined})
	}
	return out, next, nil
}

// RoomsOf gives at most limit of u's memberships and invitations, by room id.
func (s *Service) RoomsOf(ctx context.Context, u UserID, limit int) ([]Membership, error) {
	ms, _, err := s.ports.History.RoomsOf(ctx, u, "", limit)
	if err != nil {
		return nil, refusal(err)
	}
	return ms, nil
}

// MembersRequest asks for a page of a room's members.
type MembersRequest struct {
	Room   RoomID
	Cursor Cursor
	Limit  int
}

// Present is a member and whether he is in the room right now. Here is nil where that is not known.
type Present struct {
	User
	Here *bool `json:"here,omitempty"`
}

// MemberPage is a page of members by id; Count is how many there are in all.
type MemberPage struct {
	Members []Present
	Next    Cursor
	Count   int
}

// Members gives a room's members to one of them.
func (s *Service) Members(ctx context.Context, u UserID, in MembersRequest) (MemberPage, error) {
	after, err := base64.RawURLEncoding.DecodeString(string(in.Cursor))
	if err != nil || len(after) > 256 {
		return MemberPage{}, Errorf(CodeInvalid, "cursor: is not from an earlier answer")
	}
	v, err := s.member(ctx, u, in.Room)
	if err != nil {
		return MemberPage{}, err
	}
	return s.MembersOf(v, UserID(after), s.limit(in.Limit)), nil
}

// MembersOf gives the limit first members of a view behind a user id. Whether the asker may see them is the caller's business.
func (s *Service) MembersOf(v *View, after UserID, limit int) MemberPage {
	var ms []Member
	var beyond UserID // not empty: nobody from here on belongs into the page
	byID := func(a, b Member) int { return cmp.Compare(a.User.ID, b.User.ID) }
	v.Each(func(m Member) bool {
		if m.State == StateJoined && m.User.ID > after && (beyond == "" || m.User.ID < beyond) {
			if ms = append(ms, m); len(ms) >= 4*limit+256 { // keeps a page of a large room cheap
				slices.SortFunc(ms, byID)
				ms = ms[:limit+1]
				beyond = ms[limit].User.ID
			}
		}
		return true
	})
	slices.SortFunc(ms, byID)
	p := MemberPage{Count: v.Members(), Members: []Present{}}
	for i, m := range ms {
		if i == limit {
			p.Next = Cursor(base64.RawURLEncoding.EncodeToString([]byte(ms[i-1].User.ID)))
			break
		}
		who := Present{User: m.User}
		if here, known := s.ports.Here(v.Room().ID, m.User.ID); known {
			who.Here = &here
		}
		p.Members = append(p.Members, who)
	}
	return p
}

// maxAcked bounds the rooms of which the newest acked seq is remembered. Forgetting one only lets a page come a moment too early.
const maxAcked = 4096

// remember keeps the newest seq of a room that was acked here. The caller holds mu.
func (s *Service) remember(room RoomID, seq Seq) {
	if len(s.acked) >= maxAcked && s.acked[room] == 0 {
		clear(s.acked)
	}
	s.acked[room] = max(s.acked[room], seq)
}

// catchUp waits until the open room stands at what this node has acked in it, so that who reads after an ack finds his message. The live
// path is a moment behind the log; if it is longer than that, the page is given as it is, and its AsOf says so.
func (s *Service) catchUp(ctx context.Context, room RoomID) {
	s.mu.Lock()
	seq := s.acked[room]
	s.mu.Unlock()
	if seq == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.times.Resume/2)
	defer cancel()
	_, _, _ = s.ports.Rooms.View(ctx, room, seq)
}

// Messages gives a page of a room's messages to a member. It holds whatever this node has acked before.
func (s *Service) Messages(ctx context.Context, u UserID, room RoomID, r Range, limit int) (Page, error) {
	if _, err := s.member(ctx, u, room); err != nil {
		return Page{}, err
	}
	s.catchUp(ctx, room)
	r.All = false
	p, err := s.ports.Rooms.Page(ctx, room, r, s.limit(limit))
	if err != nil {
		return Page{}, refusal(err)
	}
	if _, err := s.member(ctx, u, room); err != nil { // he may have left meanwhile, and the page hold what was said after that
		return Page{}, err
	}
	return p, nil
}

// View gives a room's view and position to a member.
func (s *Service) View(ctx context.Context, u UserID, room RoomID) (Standing, error) {
	if _, err := s.member(ctx, u, room); err != nil {
		return Standing{}, err
	}
	v, at, err := s.ports.Rooms.View(ctx, room, 0)
	if err != nil {
		return Standing{}, refusal(err)
	}
	return Standing{v, at, v.Member(u)}, memberOnly(v, u)
}

const (
	maxTypists    = 10_000
	typingBetween = 2 * time.Second // less often than the 6 s for which clients show it
)

// typist is a user in a room.
type typist struct {
	room RoomID
	user UserID
}

// Typing tells the room's other members that u types, or has stopped: at most once in 2 s each; what is more is dropped.
func (s *Service) Typing(ctx context.Context, u User, room RoomID, is bool) error {
	if _, err := s.member(ctx, u.ID, room); err != nil {
		return err
	}
	if s.typingPasses(typist{room, u.ID}, is) {
		s.tell(ctx, RoomChannel(room), room, "typing", u.ID, typingBody{room, u, is})
	}
	return nil
}

type typingBody struct {
	Room     RoomID `json:"roomId"`
	User     User   `json:"user"`
	IsTyping bool   `json:"isTyping"`
}

// typingPasses lets a first notice through, then one in 2 s; a stop only where a start went before, once.
func (s *Service) typingPasses(t typist, is bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	last, ok := s.typing[t]
	if !is {
		delete(s.typing, t)
		return ok
	}
	if ok && now.Sub(last) < typingBetween {
		return false
	}
	if !ok && len(s.typing) >= maxTypists && now.Sub(s.swept) >= typingBetween { // not at every one of those that are too many
		s.swept = now
		for k, at := range s.typing {
			if now.Sub(at) > 3*typingBetween {
				delete(s.typing, k)
			}
		}
	}
	if !ok && len(s.typing) >= maxTypists {
		return false
	}
	s.typing[t] = now
	return true
}

// tell publishes a whisper. It may be lost, so an error is not the caller's trouble.
func (s *Service) tell(ctx context.Context, ch Channel, slot RoomID, name string, from UserID, body any) {
	data, err := json.Marshal(body)
	if err != nil { // plain structs always encode
		panic(err)
	}
	n := Note{Partition: PartitionOf(slot, s.ports.Partitions), Channel: ch, Data: Whisper{Name: name, From: from, Body: data}.Encode()}
	if err := s.ports.Bus.Publish(ctx, []Note{n}); err != nil {
		s.log.Debug("publish a whisper", "event", name, "error", err)
	}
}
