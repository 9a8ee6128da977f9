package chat

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// CreateRequest asks for a room. Its id follows from the user and the ClientID.
type CreateRequest struct {
	ClientID, Name, Topic string
	Private               bool
}

// Standing is a room as one of its members stands to it after a change.
type Standing struct {
	View   *View
	AsOf   Seq
	Member Member
}

// CreateRoom makes a room, with u as its owner and first member.
func (s *Service) CreateRoom(ctx context.Context, u User, in CreateRequest) (Standing, error) {
	if !ValidClientID(in.ClientID) {
		return Standing{}, errClientID
	}
	name, err := NormaliseName(in.Name, s.limits.NameBytes)
	if err != nil {
		return Standing{}, err
	}
	topic, err := s.topic(in.Topic)
	if err != nil {
		return Standing{}, err
	}
	rec, body := s.record(KindCreate, MakeRoomID(u.ID, in.ClientID), u, in.ClientID)
	rec.Subject = u.ID
	body.Room = &RoomInfo{Name: name, Topic: topic, Private: in.Private, Owner: u.ID}
	rec.Body, rec.Sum = body.Encode(), ContentSum("create", name, topic, strconv.FormatBool(in.Private))
	r, err := s.wait(ctx, submission{rec, in.ClientID, func() error { return s.mayHaveAnother(ctx, u.ID) }})
	if err != nil {
		return Standing{}, err
	}
	v, at, err := s.settle(ctx, rec.Room, r)
	if err != nil {
		return Standing{}, err
	}
	return Standing{v, at, v.Member(u.ID)}, nil
}

func (s *Service) topic(t string) (string, error) {
	return normalise("topic", t, 5*s.limits.NameBytes, 5*maxNameRunes)
}

// mayHaveAnother refuses who is in as many rooms as anybody may be.
func (s *Service) mayHaveAnother(ctx context.Context, u UserID) error {
	if s.standings(ctx, u, StateJoined) >= s.limits.RoomsPerUser {
		return Errorf(CodeRateLimited, "at most %d rooms a user (--rooms-per-user); leave one first", s.limits.RoomsPerUser)
	}
	return nil
}

// standings counts the rooms to which u stands like this. Invitations and memberships each have the same bound, so that invitations
// nobody asked for take no room away. What cannot be told in time is 0: no reason to refuse.
func (s *Service) standings(ctx context.Context, u UserID, state MemberState) (n int) {
	if s.ports.Paused() {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, s.times.Lookup)
	defer cancel()
	rooms, _, err := s.ports.History.RoomsOf(ctx, u, "", s.ownRooms())
	if err != nil {
		return 0
	}
	for _, m := range rooms {
		if m.Member.State == state {
			n++
		}
	}
	return n
}

// ownRooms is how many memberships and invitations a user may have in all; twice over, since the bounds are looked at before the
// append, and requests at the same time may each pass them.
func (s *Service) ownRooms() int { return 4 * s.limits.RoomsPerUser }

// Join makes u a member; ErrNotFound where he may not know of the room. Always a record, a member's too: it then changes nothing, but
// its copies are known by its id. The answer is the view at or after it: `conflict` if that membership has ended since.
func (s *Service) Join(ctx context.Context, u User, room RoomID, clientID string) (Standing, error) {
	return s.JoinAfter(ctx, u, room, clientID, 0)
}

// JoinAfter is Join for one who has seen the room before, up to a place: he is answered from a view at or after it. Else a node that is
// behind could answer an old join that it remembers as if a leave, which he has seen since, had never been.
func (s *Service) JoinAfter(ctx context.Context, u User, room RoomID, clientID string, after Seq) (Standing, error) {
	clientID, err := datedClientID(clientID)
	if err != nil {
		return Standing{}, err
	}
	view, err := s.view(ctx, room)
	if err != nil {
		return Standing{}, err
	}
	rec, body := s.record(KindJoin, room, u, clientID)
	rec.Subject = u.ID
	rec.Body, rec.Sum = body.Encode(), ContentSum("join")
	r, err := s.wait(ctx, submission{rec, clientID, func() error { return s.mayJoin(ctx, view, u.ID) }})
	if err != nil {
		return Standing{}, err
	}
	view, at, err := s.settle(ctx, room, r)
	if err == nil && at < after {
		if view, at, err = s.ports.Rooms.View(ctx, room, after); err != nil {
			err = ErrUnknown // the record is made; how the room stands is not to be had
		}
	}
	switch {
	case err != nil:
		return Standing{}, err
	case !view.CanSee(u.ID):
		return Standing{}, ErrNotFound
	case !view.IsMember(u.ID):
		return Standing{}, Errorf(CodeConflict, "clientId: the membership that began with it has ended; ask anew with a new one")
	}
	return Standing{view, at, view.Member(u.ID)}, nil
}

func (s *Service) mayJoin(ctx context.Context, v *View, u UserID) error {
	switch {
	case !v.CanJoin(u):
		return ErrNotFound
	case v.IsMember(u):
		return nil
	case v.Members() >= s.limits.RoomMembers:
		return Errorf(CodeForbidden, "the room is full: at most %d members (--room-members)", s.limits.RoomMembers)
	}
	return s.mayHaveAnother(ctx, u)
}

// Leave ends u's membership, or turns an invitation down.
func (s *Service) Leave(ctx context.Context, u User, room RoomID, clientID string) error {
	clientID, err := datedClientID(clientID)
	if err != nil {
		return err
	}
	view, err := s.view(ctx, room)
	if err != nil {
		return err
	}
	rec, body := s.record(KindLeave, room, u, clientID)
	rec.Subject = u.ID
	rec.Body, rec.Sum = body.Encode(), ContentSum("leave")
	r, err := s.wait(ctx, submission{rec, clientID, func() error {
		if view.Member(u.ID).State == StateInvited {
			return nil
		}
		return memberOnly(view, u.ID)
	}})
	if err != nil {
		return err
	}
	_, _, err = s.settle(ctx, room, r)
	return err
}

// datedClientID makes the clientId of a join or leave that has none, and refuses one without a time in it.
func datedClientID(id string) (string, error) {
	if id == "" {
		return NewUUIDv7(time.Now()), nil
	}
	if _, ok := UUIDv7Time(id); !ok {
		return "", Errorf(CodeInvalid, "clientId: must be a UUIDv7 here")
	}
	return id, nil
}

// Invite lets another user see and join the room, and tells all his sockets.
func (s *Service) Invite(ctx context.Context, u User, room RoomID, clientID string, invitee UserID) error {
	switch {
	case clientID == "":
		clientID = NewUUIDv7(time.Now())
	case !ValidClientID(clientID):
		return errClientID
	}
	if !validUserID(invitee) {
		return Errorf(CodeInvalid, "userId: must be the id of a user")
	}
	view, err := s.view(ctx, room)
	if err != nil {
		return err
	}
	rec, body := s.record(KindInvite, room, u, clientID)
	rec.Subject, body.Invitee = invitee, invitee
	rec.Body, rec.Sum = body.Encode(), ContentSum("invite", string(invitee))
	r, err := s.wait(ctx, submission{rec, clientID, func() error { return s.mayInvite(ctx, view, u.ID, invitee) }})
	if err != nil {
		return err
	}
	view, _, err = s.settle(ctx, room, r)
	if err != nil {
		return err
	}
	if view.Member(invitee).State == StateInvited {
		s.tell(ctx, UserChannel(invitee), RoomID(invitee), "room:invited", "", invitation{view.Room(), u, r.Sent})
	}
	return nil
}

// invitation is what the invited user hears: he is no member, so it has no seq.
type invitation struct {
	Room Room  `json:"room"`
	User User  `json:"user"`
	At   int64 `json:"at"`
}

// mayInvite bounds the invited together with the members: a view holds both; and the invitations of one user.
func (s *Service) mayInvite(ctx context.Context, v *View, u, invitee UserID) error {
	if err := memberOnly(v, u); err != nil {
		return err
	}
	if v.Member(invitee).State != StateNone { // changes nothing
		return nil
	}
	known := 0
	v.Each(func(Member) bool { known++; return known < 2*s.limits.RoomMembers })
	if known >= 2*s.limits.RoomMembers {
		return Errorf(CodeForbidden, "too many are invited: at most %d members (--room-members)", s.limits.RoomMembers)
	}
	if s.standings(ctx, invitee, StateInvited) >= s.limits.RoomsPerUser {
		return Errorf(CodeRateLimited, "the user has all the invitations that one may have (--rooms-per-user %d)", s.limits.RoomsPerUser)
	}
	return nil
}

// UpdateRequest asks for another name or topic; nil leaves it.
type UpdateRequest struct {
	Room        RoomID
	ClientID    string
	Name, Topic *string
}

// Update changes what a room is called; its owner may.
func (s *Service) Update(ctx context.Context, u User, in UpdateRequest) (Room, error) {
	if !ValidClientID(in.ClientID) {
		return Room{}, errClientID
	}
	if in.Name == nil && in.Topic == nil {
		return Room{}, Errorf(CodeInvalid, "name or topic must be given")
	}
	var err error
	if in.Name, err = mapped(in.Name, func(t string) (string, error) { return NormaliseName(t, s.limits.NameBytes) }); err != nil {
		return Room{}, err
	}
	if in.Topic, err = mapped(in.Topic, s.topic); err != nil {
		return Room{}, err
	}
	view, err := s.view(ctx, in.Room)
	if err != nil {
		return Room{}, err
	}
	rec, body := s.record(KindUpdate, in.Room, u, in.ClientID)
	body.Name, body.Topic = in.Name, in.Topic
	rec.Body, rec.Sum = body.Encode(), sumOf("update", in.Name, in.Topic)
	r, err := s.wait(ctx, submission{rec, in.ClientID, func() error { return mayUpdate(view, u.ID) }})
	if err != nil {
		return Room{}, err
	}
	if view, _, err = s.settle(ctx, in.Room, r); err != nil {
		return Room{}, err
	}
	return view.Room(), nil
}

func mayUpdate(v *View, u UserID) error {
	switch {
	case v.CanUpdate(u):
		return nil
	case v.CanSee(u):
		return Errorf(CodeForbidden, "only the room's owner, as a member, may do this")
	}
	return ErrNotFound
}

func mapped(s *string, f func(string) (string, error)) (*string, error) {
	if s == nil {
		return nil, nil
	}
	out, err := f(*s)
	return &out, err
}

// lobbyClientID makes the id of the lobby's create record the same wherever it is made.
const lobbyClientID = "lobby"

// EnsureLobby makes the lobby unless it is there, and tries until it is or ctx ends. Nodes that start together may each append its
// record: the copies change nothing.
func (s *Service) EnsureLobby(ctx context.Context) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		_, err := s.view(ctx, LobbyID)
		if errors.Is(err, ErrNotFound) {
			err = s.createLobby(ctx)
		}
		if err == nil {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (s *Service) createLobby(ctx context.Context) error {
	rec, body := s.record(KindCreate, LobbyID, User{ID: SystemUser, Name: "Hubbub"}, lobbyClientID)
	body.Room = &RoomInfo{Name: "Lobby", Owner: SystemUser}
	rec.Body, rec.Sum = body.Encode(), ContentSum("create", "Lobby", "", "false")
	r, err := s.wait(ctx, submission{rec, NewUUIDv7(time.Now()), func() error { return nil }})
	if err != nil {
		return err
	}
	_, _, err = s.settle(ctx, LobbyID, r)
	return err
}
