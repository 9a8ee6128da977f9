package chat_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

// Who leaves while a page of the room is being read for him gets none of it: it may hold what was said after he left.
func TestNoPageForOneWhoHasLeft(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		ctx, bob := context.Background(), user("bob")
		_, err := h.Join(ctx, bob, chat.LobbyID, "")
		h.must(err)
		h.SetPageTime(time.Second)
		type answer struct {
			p   chat.Page
			err error
		}
		got := make(chan answer, 1)
		go func() {
			p, err := h.Messages(ctx, bob.ID, chat.LobbyID, chat.Range{}, 0)
			got <- answer{p, err}
		}()
		time.Sleep(500 * time.Millisecond)
		h.must(h.Leave(ctx, bob, chat.LobbyID, ""))
		_, err = h.send(ann, hello(fresh()))
		h.must(err)
		if a := <-got; code(a.err) != chat.CodeForbidden || len(a.p.Rows) > 0 {
			t.Errorf("%d rows, %v", len(a.p.Rows), a.err)
		}
	})
}

// countingBus counts what is published, and hands on nothing.
type countingBus struct {
	chat.Bus
	notes int
}

func (b *countingBus) Publish(_ context.Context, ns []chat.Note) error {
	b.notes += len(ns)
	return nil
}

// Ten thousand who type at once are as many as are remembered; what more there are is dropped, until those have stopped.
func TestTypistsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, bus := chattest.New(silent{}), &countingBus{}
		ports := w.Ports()
		ports.Bus = bus
		s := chat.NewService(ports, chat.Limits{}, chat.DefaultTimes(), nil)
		say := func(room int, want int) {
			t.Helper()
			before := bus.notes
			if err := s.Typing(context.Background(), user("ann"), chat.RoomID(fmt.Sprint(room)), true); err != nil || bus.notes-before != want {
				t.Errorf("in %d: %d notes, want %d; %v", room, bus.notes-before, want, err)
			}
		}
		const most = 10_000
		for i := range most + 1 {
			room := chat.RoomID(fmt.Sprint(i))
			b := chat.Body{RoomID: room, User: user("ann"), Room: &chat.RoomInfo{Name: "x", Owner: "ann"}}
			ports.Log.Append(chat.Record{Kind: chat.KindCreate, Room: room, ID: chat.MessageID(room), User: "ann", Subject: "ann", Body: b.Encode()},
				func(chat.Seq, error) {})
		}
		for i := range most {
			say(i, 1)
		}
		say(most, 0)
		time.Sleep(3 * time.Second)
		say(most, 0) // they may be typing still
		say(0, 1)
		time.Sleep(4 * time.Second)
		say(most, 1)
	})
}
