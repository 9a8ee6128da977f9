package chat

// Room is what is known of a room.
type Room struct {
	ID      RoomID `json:"id"`
	Name    string `json:"name"`
	Topic   string `json:"topic,omitempty"`
	Private bool   `json:"private"`
	Owner   UserID `json:"owner"`
	Created int64  `json:"createdAt"` // ms since 1970
	Members int    `json:"members"`
	Seq     Seq    `json:"-"` // of its create record; 0: there is no such room
	Rev     Seq    `json:"-"` // of its last change
}

// MemberState says how a user stands to a room.
type MemberState uint8

// The states. Their numbers are in the store: never renumber.
const (
	StateNone    MemberState = 0
	StateInvited MemberState = 1
	StateJoined  MemberState = 2
	StateLeft    MemberState = 3 // in the store and in changes only; a view forgets who left
)

// Member is how a user stands to a room, since when.
type Member struct {
	Room   RoomID
	User   User
	State  MemberState
	Joined Seq // of the record that began the membership, while it lasts
	Rev    Seq // of the last change of State
}

// MembershipChange says what a record does to somebody's membership; ok is false if nothing. Whether it takes effect is for the fold:
// a join of one who is a member changes nothing, nor does an invitation of one, nor a leave of one who is none.
func MembershipChange(r Record) (m Member, ok bool) {
	if r.Subject == "" { // the lobby's create: the system owns it, and is in no room
		return Member{}, false
	}
	m = Member{Room: r.Room, User: User{ID: r.Subject}, Rev: r.Seq}
	switch r.Kind {
	case KindJoin, KindCreate:
		m.State, m.Joined = StateJoined, r.Seq
		if b, err := ParseBody(r.Body); err == nil {
			m.User = b.User
		}
		m.User.ID = r.Subject
	case KindLeave:
		m.State = StateLeft
	case KindInvite:
		m.State = StateInvited
	default:
		return m, false
	}
	return m, true
}

// RoomChange says what a record does to the room itself; ok is false if nothing. A create of a room that exists changes nothing.
// prev is the room as it was (Seq 0: there was none).
func RoomChange(prev Room, r Record) (room Room, ok bool) {
	if r.Kind != KindCreate && r.Kind != KindUpdate {
		return prev, false
	}
	b, err := ParseBody(r.Body)
	switch {
	case err != nil:
		return prev, false
	case r.Kind == KindCreate && prev.Seq == 0 && b.Room != nil:
		return Room{ID: r.Room, Name: b.Room.Name, Topic: b.Room.Topic, Private: b.Room.Private, Owner: b.Room.Owner,
			Created: b.At, Seq: r.Seq, Rev: r.Seq}, true
	case r.Kind == KindUpdate && prev.Seq != 0 && r.Seq > prev.Rev:
		if b.Name != nil {
			prev.Name = *b.Name
		}
		if b.Topic != nil {
			prev.Topic = *b.Topic
		}
		prev.Rev = r.Seq
		return prev, true
	}
	return prev, false
}
