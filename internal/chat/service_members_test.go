package chat_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/chat/chattest"
)

// crowd is the view of a room with n members and as many invited, and the ids of the members in order.
func crowd(n int) (v *chat.View, ids []chat.UserID) {
	var ms []chat.Member
	for i := range n {
		id := chat.UserID(fmt.Sprintf("u%06d", i))
		ids = append(ids, id)
		ms = append(ms, chat.Member{User: chat.User{ID: id}, State: chat.StateJoined, Joined: 1},
			chat.Member{User: chat.User{ID: id + "-invited"}, State: chat.StateInvited})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
	return chat.NewView(chat.Room{ID: "r", Seq: 1}, ms), ids
}

func plain() *chat.Service {
	return chat.NewService(chattest.New(silent{}).Ports(), chat.Limits{}, chat.DefaultTimes(), nil)
}

// The first members of a crowd are found without sorting it all; they are the first all the same, on every page.
func TestMembersOfACrowd(t *testing.T) {
	v, want := crowd(5000)
	s := plain()
	for _, limit := range []int{1, 7, 100} {
		for _, after := range []int{-1, 0, 2499, 4890, 4998, 4999} {
			behind := chat.UserID("")
			if after >= 0 {
				behind = want[after]
			}
			p := s.MembersOf(v, behind, limit)
			var got []chat.UserID
			for _, m := range p.Members {
				got = append(got, m.ID)
			}
			rest := want[after+1:]
			if !slices.Equal(got, rest[:min(limit, len(rest))]) || (p.Next != "") != (len(rest) > limit) || p.Count != 5000 {
				t.Errorf("%d behind %q: %v, next %q, of %d", limit, behind, got, p.Next, p.Count)
			}
		}
	}
}

// BenchmarkMembersOf is the first page of a full room: each answer to a join holds one.
func BenchmarkMembersOf(b *testing.B) {
	v, _ := crowd(10_000)
	s := plain()
	for b.Loop() {
		s.MembersOf(v, "", 100)
	}
}
