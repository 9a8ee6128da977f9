package hub

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// maxNames is how many users of a room are told by name; above that, only how many there are (DESIGN.md §4, Presence).
const maxNames = 200

// whoIsHere is a room's part of the presence: this node's users, those of other nodes, and what the listeners were told. The truth is
// the union; joins and leaves come of comparing it with what was told.
type whoIsHere struct {
	users  map[chat.UserID]*hereUser
	others []chat.Here // of other nodes, by node
	asked  bool        // others is what they say now: they were asked since the room opened, and the engine answers
	far    *far        // others by user; nil: not looked at since they changed
	told   census
}

// far is who is in a room by way of other nodes. Without all, there are more, of whom only the number is known.
type far struct {
	names map[chat.UserID]bool
	all   bool
}

// hereUser is a user with sockets on this node.
type hereUser struct {
	user    chat.User
	sockets int
}

// census is who is in a room; names is nil above maxNames.
type census struct {
	names map[chat.UserID]chat.User
	count int
	stale bool
}

// enter counts a socket; true: its user was not here before.
func (w *whoIsHere) enter(u chat.User) bool {
	if h := w.users[u.ID]; h != nil {
		h.sockets++
		return false
	}
	if w.users == nil {
		w.users = map[chat.UserID]*hereUser{}
	}
	w.users[u.ID] = &hereUser{u, 1}
	return true
}

// exit takes a socket away; true: its user is here no more.
func (w *whoIsHere) exit(u chat.UserID) bool {
	h := w.users[u]
	if h == nil {
		return false
	}
	if h.sockets--; h.sockets > 0 {
		return false
	}
	delete(w.users, u)
	return true
}

// own gives this node's entry.
func (w *whoIsHere) own(room chat.RoomID, node string) chat.Here {
	h := chat.Here{Room: room, Node: node, Count: len(w.users)}
	if h.Count > maxNames {
		return h
	}
	for _, u := range w.users {
		h.Users = append(h.Users, u.user)
	}
	sortUsers(h.Users)
	return h
}

// count gives the union of all nodes. Where only counts are known, a user on two nodes counts twice.
func (w *whoIsHere) count(stale bool) census {
	c := census{names: map[chat.UserID]chat.User{}, stale: stale}
	unnamed := 0
	if len(w.users) > maxNames {
		unnamed = len(w.users)
	} else {
		for id, u := range w.users {
			c.names[id] = u.user
		}
	}
	for _, h := range w.others {
		if h.Users == nil {
			unnamed += h.Count
		}
		for _, u := range h.Users {
			c.names[u.ID] = u
		}
	}
	if c.count = len(c.names) + unnamed; unnamed > 0 || c.count > maxNames {
		c.names = nil
	}
	return c
}

// has says whether a user is here; false, false: that is not known. This node's users are known one by one however many they are; of
// others it is not known before the other nodes were asked, while the engine is away, and where a node tells only how many it has. What the
// nodes say is gone through once for all who ask: the answer to a join asks of each of a hundred members.
func (w *whoIsHere) has(u chat.UserID) (here, known bool) {
	if w.users[u] != nil {
		return true, true
	}
	if w.far == nil {
		w.far = &far{names: map[chat.UserID]bool{}, all: true}
		for _, h := range w.others {
			for _, x := range h.Users {
				w.far.names[x.ID] = true
			}
			w.far.all = w.far.all && len(h.Users) >= h.Count
		}
	}
	here = w.far.names[u]
	return here, here || w.asked && w.far.all
}

// news gives the presence event that leads from what was told to now; false: nothing has changed.
func (old census) news(room chat.RoomID, now census) (chat.Whisper, bool) {
	ev := struct {
		RoomID chat.RoomID `json:"roomId"`
		Joined []chat.User `json:"joined"`
		Left   []chat.User `json:"left"`
		Count  int         `json:"count"`
		Stale  bool        `json:"stale,omitempty"`
	}{RoomID: room, Joined: []chat.User{}, Left: []chat.User{}, Count: now.count, Stale: now.stale}
	if now.names != nil {
		ev.Joined = missing(now.names, old.names)
		ev.Left = missing(old.names, now.names)
	}
	if old.count == now.count && old.stale == now.stale && len(ev.Joined)+len(ev.Left) == 0 {
		return chat.Whisper{}, false
	}
	body, err := json.Marshal(ev)
	return chat.Whisper{Name: "presence", Body: body}, err == nil
}

// missing gives who is in a and not in b, by id.
func missing(a, b map[chat.UserID]chat.User) []chat.User {
	out := []chat.User{}
	for id, u := range a {
		if _, ok := b[id]; !ok {
			out = append(out, u)
		}
	}
	sortUsers(out)
	return out
}

func sortUsers(us []chat.User) {
	slices.SortFunc(us, func(a, b chat.User) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

func sameHere(a, b []chat.Here) bool {
	return slices.EqualFunc(a, b, func(a, b chat.Here) bool {
		return a.Node == b.Node && a.Count == b.Count && slices.Equal(a.Users, b.Users)
	})
}
