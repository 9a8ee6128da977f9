package hub

import (
	"github.com/hubbub-chat/hubbub/internal/chat"
)

// sub is one subscription: a socket of a member.
type sub struct {
	l    chat.Listener
	user chat.User
}

// subscribe adds a listener at the room's position. Under mu.
func (r *room) subscribe(l chat.Listener, u chat.User) {
	r.at[l] = len(r.subs)
	r.subs = append(r.subs, &sub{l, u})
	r.hub.count.listeners.Add(1)
	if r.who.enter(u) {
		r.hub.who.mark(r.id)
	}
}

// unsubscribe takes a listener out. The last one moves to its place: listeners have no order among each other. Under mu.
func (r *room) unsubscribe(l chat.Listener) {
	i, ok := r.at[l]
	if !ok {
		return
	}
	u, last := r.subs[i].user, len(r.subs)-1
	r.subs[i] = r.subs[last]
	r.at[r.subs[i].l] = i
	r.subs[last] = nil
	r.subs = r.subs[:last]
	delete(r.at, l)
	r.hub.count.listeners.Add(-1)
	if r.who.exit(u.ID) {
		r.hub.who.mark(r.id)
	}
}

// drop ends the subscriptions of a user whose membership has ended. Under mu.
func (r *room) drop(u chat.UserID) {
	if r.who.users[u] == nil {
		return
	}
	var gone []chat.Listener
	for _, s := range r.subs {
		if s.user.ID == u {
			gone = append(gone, s.l)
		}
	}
	for _, l := range gone {
		r.unsubscribe(l)
		l.Ended(r.id, chat.CodeNotFound)
	}
}

// whisper hands an ephemeral event to all listeners but those of its sender. Under mu.
func (r *room) whisper(w chat.Whisper) {
	if len(r.subs) == 0 {
		return
	}
	f, n := r.hub.cfg.Encoder.Whisper(r.id, w), 0
	for _, s := range r.subs {
		if w.From == "" || s.user.ID != w.From {
			s.l.Deliver(f)
			n++
		}
	}
	r.hub.count.delivered.Add(int64(n))
}

// onNote takes what came over the room's channel of the bus.
func (r *room) onNote(data []byte) {
	note, err := chat.ParseNote(data)
	if err == nil {
		switch n := note.(type) {
		case chat.Span:
			if sound(n, r.id) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.accept(n, 0)
				return
			}
		case chat.Whisper:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.whisper(n)
			return
		}
	}
	r.hub.count.malformed.Add(1)
}

// sound says whether a span is one: in order, within its bounds, and of this room.
func sound(s chat.Span, id chat.RoomID) bool {
	last := s.From
	for _, r := range s.Records {
		if r.Seq <= last || r.Room != id {
			return false
		}
		last = r.Seq
	}
	return last <= s.To
}
