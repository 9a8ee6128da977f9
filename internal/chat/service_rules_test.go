package chat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/chat/chattest"
)

// silent is an encoder for tests without sockets.
type silent struct{}

func (silent) Record(chat.Record) chat.Frame                { return chat.Frame{} }
func (silent) Gap(chat.Gap) chat.Frame                      { return chat.Frame{} }
func (silent) Whisper(chat.RoomID, chat.Whisper) chat.Frame { return chat.Frame{} }

// house is a service on a world of memory.
type house struct {
	t *testing.T
	*chattest.World
	*chat.Service
}

func newHouse(t *testing.T, l chat.Limits) house {
	w := chattest.New(silent{})
	return house{t, w, chat.NewService(w.Ports(), l, chat.DefaultTimes(), nil)}
}

// in runs f in a bubble of fake time.
func in(t *testing.T, l chat.Limits, f func(t *testing.T, h house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newHouse(t, l)) })
}

func user(id string) chat.User { return chat.User{ID: chat.UserID(id), Name: "N" + id} }

func fresh() string { return chat.NewUUIDv7(time.Now()) }

// send sends and waits.
func (h house) send(u chat.User, in chat.SendRequest) (chat.Sent, error) {
	type answer struct {
		s   chat.Sent
		err error
	}
	ch := make(chan answer, 2)
	h.Send(context.Background(), u, in, func(s chat.Sent, err error) { ch <- answer{s, err} })
	a := <-ch
	synctest.Wait()
	if len(ch) > 0 {
		h.t.Error("answered twice")
	}
	return a.s, a.err
}

func (h house) create(u chat.User, name string, private bool) chat.RoomID {
	h.t.Helper()
	st, err := h.CreateRoom(context.Background(), u, chat.CreateRequest{ClientID: fresh(), Name: name, Private: private})
	if err != nil {
		h.t.Fatalf("create %s: %v", name, err)
	}
	return st.View.Room().ID
}

func (h house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func code(err error) chat.Code {
	if err == nil {
		return "ok"
	}
	return chat.AsError(err).Code
}

// requests are all that may be asked of one room.
func requests(h house) map[string]func(u chat.User, room chat.RoomID) error {
	ctx := context.Background()
	return map[string]func(u chat.User, room chat.RoomID) error{
		"send": func(u chat.User, room chat.RoomID) error {
			_, err := h.send(u, chat.SendRequest{Room: room, ClientID: fresh(), Text: "hello"})
			return err
		},
		"list": func(u chat.User, room chat.RoomID) error {
			_, err := h.Messages(ctx, u.ID, room, chat.Range{}, 0)
			return err
		},
		"members": func(u chat.User, room chat.RoomID) error {
			_, err := h.Members(ctx, u.ID, chat.MembersRequest{Room: room})
			return err
		},
		"open":   func(u chat.User, room chat.RoomID) error { _, err := h.View(ctx, u.ID, room); return err },
		"typing": func(u chat.User, room chat.RoomID) error { return h.Typing(ctx, u, room, true) },
		"invite": func(u chat.User, room chat.RoomID) error { return h.Invite(ctx, u, room, "", "nobody") },
		"update": func(u chat.User, room chat.RoomID) error {
			topic := "new"
			_, err := h.Update(ctx, u, chat.UpdateRequest{Room: room, ClientID: fresh(), Topic: &topic})
			return err
		},
		"leave": func(u chat.User, room chat.RoomID) error { return h.Leave(ctx, u, room, "") },
		"join":  func(u chat.User, room chat.RoomID) error { _, err := h.Join(ctx, u, room, ""); return err },
	}
}

// roles brings a room into being in which each of the users stands in another way.
func roles(h house, private bool) chat.RoomID {
	ctx := context.Background()
	room := h.create(user("owner"), "Room", private)
	for _, u := range []string{"invited", "member", "left"} {
		h.must(h.Invite(ctx, user("owner"), room, "", chat.UserID(u)))
	}
	for _, u := range []string{"member", "left"} {
		_, err := h.Join(ctx, user(u), room, "")
		h.must(err)
	}
	h.must(h.Leave(ctx, user("left"), room, ""))
	return room
}

func TestWhoMayDoWhat(t *testing.T) {
	const ok, no, nf = "ok", "forbidden", "not_found"
	order := []string{"stranger", "left", "invited", "member", "owner"}
	want := map[string]map[bool][]string{ // request → private → by role in that order
		"send":    {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"list":    {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"members": {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"open":    {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"typing":  {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"invite":  {true: {nf, nf, no, ok, ok}, false: {no, no, no, ok, ok}},
		"update":  {true: {nf, nf, no, no, ok}, false: {no, no, no, no, ok}},
		"leave":   {true: {nf, nf, ok, ok, ok}, false: {no, no, ok, ok, ok}},
		"join":    {true: {nf, nf, ok, ok, ok}, false: {ok, ok, ok, ok, ok}},
	}
	for request := range want {
		for private, codes := range want[request] {
			for i, role := range order {
				t.Run(fmt.Sprintf("%s/private=%v/%s", request, private, role), func(t *testing.T) {
					in(t, chat.Limits{}, func(t *testing.T, h house) {
						room := roles(h, private)
						before := len(h.Records())
						err := requests(h)[request](user(role), room)
						if got := string(code(err)); got != codes[i] {
							t.Fatalf("got %v, want %s", err, codes[i])
						}
						if after := len(h.Records()); err != nil && after != before {
							t.Errorf("a refused request wrote %d records", after-before)
						}
					})
				})
			}
		}
	}
}

// A private room and one that is not there must look alike to whoever may not know of it.
func TestPrivateAndMissingRoomsLookAlike(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		room := roles(h, true)
		for name, ask := range requests(h) {
			for _, role := range []string{"stranger", "left"} {
				there, missing := ask(user(role), room), ask(user(role), "noSuchRoom")
				if there == nil || missing == nil || *chat.AsError(there) != *chat.AsError(missing) {
					t.Errorf("%s as %s: private room %v, missing room %v", name, role, there, missing)
				}
			}
		}
	})
}

func TestListShowsPublicRoomsAndOnesOwn(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		ctx := context.Background()
		h.must(h.EnsureLobby(ctx))
		secret := roles(h, true)
		for role, want := range map[string]string{
			"stranger": "Lobby/0", "left": "Lobby/0", "invited": "Lobby/0 Room/1", "member": "Lobby/0 Room/2", "owner": "Lobby/0 Room/2",
		} {
			rooms, _, err := h.List(ctx, chat.UserID(role), chat.ListRequest{})
			h.must(err)
			got := map[string]bool{}
			for _, r := range rooms {
				got[fmt.Sprintf("%s/%d", r.Room.Name, r.State)] = true
				if r.Room.ID == secret && r.State == chat.StateNone {
					t.Errorf("%s sees the private room", role)
				}
			}
			for _, w := range strings.Fields(want) {
				if !got[w] || len(got) != len(strings.Fields(want)) {
					t.Errorf("%s sees %v, want %s", role, got, want)
				}
			}
		}
		mine, _, err := h.List(ctx, "member", chat.ListRequest{Mine: true})
		h.must(err)
		if len(mine) != 1 || mine[0].Room.ID != secret || mine[0].Joined == 0 {
			t.Errorf("mine: %+v", mine)
		}
		h.SetStoreDown(true)
		if _, _, err := h.List(ctx, "member", chat.ListRequest{}); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("list without a store: %v", err)
		}
	})
}

func TestLobbyIsMadeOnceAndHasNoMembers(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		ctx := context.Background()
		for range 2 {
			h.must(h.EnsureLobby(ctx))
		}
		rs := h.Records()
		if len(rs) != 1 || rs[0].ID != chat.MakeMessageID(chat.LobbyID, chat.SystemUser, "lobby") || rs[0].Subject != "" {
			t.Fatalf("records: %+v", rs)
		}
		st, err := h.Join(ctx, user("ann"), chat.LobbyID, "")
		h.must(err)
		if st.View.Members() != 1 || st.View.Room().Owner != chat.SystemUser {
			t.Errorf("lobby: %+v", st.View.Room())
		}
	})
}

func TestLobbyWaitsForTheLog(t *testing.T) {
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		h.SetFail(chat.ErrUnavailable)
		time.AfterFunc(3*time.Second, func() { h.SetFail(nil) })
		h.must(h.EnsureLobby(context.Background()))
		h.SetFail(chat.ErrUnavailable)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		other := newHouse(t, chat.Limits{})
		other.SetFail(chat.ErrUnavailable)
		if err := other.EnsureLobby(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a log: %v", err)
		}
	})
}

func TestRoomLimits(t *testing.T) {
	in(t, chat.Limits{RoomMembers: 2, RoomsPerUser: 2}, func(t *testing.T, h house) {
		ctx := context.Background()
		room := h.create(user("owner"), "Small", false)
		_, err := h.Join(ctx, user("b"), room, "")
		h.must(err)
		if _, err = h.Join(ctx, user("c"), room, ""); code(err) != chat.CodeForbidden || !strings.Contains(err.Error(), "--room-members") {
			t.Errorf("third member: %v", err)
		}
		if _, err = h.Join(ctx, user("b"), room, ""); err != nil {
			t.Errorf("a member joins a full room again: %v", err)
		}
		h.create(user("owner"), "Second", false)
		_, err = h.CreateRoom(ctx, user("owner"), chat.CreateRequest{ClientID: fresh(), Name: "Third"})
		if code(err) != chat.CodeRateLimited || !strings.Contains(err.Error(), "--rooms-per-user") {
			t.Errorf("third room: %v", err)
		}
		for i := range 3 {
			err = h.Invite(ctx, user("b"), room, "", chat.UserID(fmt.Sprint("guest", i)))
		}
		if code(err) != chat.CodeForbidden {
			t.Errorf("too many invited: %v", err)
		}
	})
}
