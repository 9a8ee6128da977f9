package chat_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func change(seq chat.Seq, kind chat.Kind, u chat.UserID) chat.Record {
	b := chat.Body{User: chat.User{ID: u, Name: "n-" + string(u)}, At: 7}
	if kind == chat.KindCreate {
		b.Room = &chat.RoomInfo{Name: "Room", Private: true, Owner: u}
	}
	return chat.Record{Seq: seq, Kind: kind, Room: "r", User: u, Subject: u, Body: b.Encode()}
}

// Members are folded right, whatever the order of the changes, and an old view never changes (copies are cheap, not shared).
func TestFoldAgainstAReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	v := chat.NewView(chat.Room{}, nil).Fold(change(1, chat.KindCreate, "owner"))
	state := map[chat.UserID]chat.MemberState{"owner": chat.StateJoined}
	type shot struct {
		view  *chat.View
		state map[chat.UserID]chat.MemberState
	}
	var shots []shot
	kinds := []chat.Kind{chat.KindJoin, chat.KindJoin, chat.KindJoin, chat.KindLeave, chat.KindInvite, chat.KindMessage}
	for seq := chat.Seq(2); seq < 3000; seq++ {
		u, kind := chat.UserID(strconv.Itoa(rng.IntN(400))), kinds[rng.IntN(len(kinds))]
		v = v.Fold(change(seq, kind, u))
		switch {
		case kind == chat.KindJoin:
			state[u] = chat.StateJoined
		case kind == chat.KindLeave:
			delete(state, u)
		case kind == chat.KindInvite && state[u] == chat.StateNone:
			state[u] = chat.StateInvited
		}
		if seq%500 == 0 {
			copied := map[chat.UserID]chat.MemberState{}
			for k, s := range state {
				copied[k] = s
			}
			shots = append(shots, shot{v, copied})
		}
	}
	for i, s := range append(shots, shot{v, state}) {
		members, all := 0, 0
		s.view.Each(func(m chat.Member) bool {
			all++
			if m.State == chat.StateJoined {
				members++
			}
			if s.state[m.User.ID] != m.State {
				t.Errorf("shot %d: %s is %d, want %d", i, m.User.ID, m.State, s.state[m.User.ID])
			}
			return true
		})
		if all != len(s.state) || members != s.view.Members() || members != s.view.Room().Members {
			t.Errorf("shot %d: %d of %d, %d members, view says %d", i, all, len(s.state), members, s.view.Members())
		}
	}
}

func TestFoldKeepsTheFirstJoin(t *testing.T) {
	v := chat.NewView(chat.Room{}, nil).Fold(change(1, chat.KindCreate, "o")).Fold(change(2, chat.KindJoin, "a"))
	if same := v.Fold(change(3, chat.KindJoin, "a")); same != v || same.Member("a").Joined != 2 {
		t.Error("a member's join changed something")
	}
	if again := v.Fold(change(4, chat.KindLeave, "a")).Fold(change(5, chat.KindJoin, "a")); again.Member("a").Joined != 5 {
		t.Error("a new membership keeps the old beginning")
	}
	if v.Fold(change(9, chat.KindCreate, "x")).Room().Owner != "o" {
		t.Error("a second create took the room over")
	}
}

func TestRulesOfAPrivateRoom(t *testing.T) {
	v := chat.NewView(chat.Room{}, nil).Fold(change(1, chat.KindCreate, "owner")).Fold(change(2, chat.KindInvite, "invited")).
		Fold(change(3, chat.KindJoin, "member")).Fold(change(4, chat.KindJoin, "left")).Fold(change(5, chat.KindLeave, "left"))
	for _, c := range []struct {
		u                            chat.UserID
		see, join, read, sent, alter bool
	}{
		{"owner", true, true, true, true, true},
		{"member", true, true, true, true, false},
		{"invited", true, true, false, false, false},
		{"left", false, false, false, false, false},
		{"stranger", false, false, false, false, false},
	} {
		if v.CanSee(c.u) != c.see || v.CanJoin(c.u) != c.join || v.CanRead(c.u) != c.read || v.CanSend(c.u) != c.sent || v.CanUpdate(c.u) != c.alter {
			t.Errorf("%s: see %v join %v read %v send %v alter %v", c.u, v.CanSee(c.u), v.CanJoin(c.u), v.CanRead(c.u), v.CanSend(c.u), v.CanUpdate(c.u))
		}
	}
	if none := chat.NewView(chat.Room{}, nil); none.Exists() || none.CanSee("owner") {
		t.Error("a room that does not exist may be seen")
	}
}

func BenchmarkFoldJoins(b *testing.B) {
	for b.Loop() {
		v := chat.NewView(chat.Room{}, nil).Fold(change(1, chat.KindCreate, "o"))
		for i := range 10000 {
			v = v.Fold(change(chat.Seq(i+2), chat.KindJoin, chat.UserID(strconv.Itoa(i))))
		}
	}
}
