package hub_test

import (
	"context"
	"errors"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// stormClient is a user with one socket at a time.
type stormClient struct {
	s     *storm
	user  chat.User
	sock  *stormSocket
	rooms map[chat.RoomID]*stormView
}

// stormView is what a client saw of a room.
type stormView struct {
	since   chat.Seq
	live    bool
	last    chat.Seq
	got     map[chat.Seq]bool
	ids     map[chat.MessageID]bool
	streams [][2]chat.Seq // (from, to]; to 0: it goes on
	gaps    [][2]chat.Seq
	shown   map[chat.Seq]bool // whatever came
	early   []chat.Frame      // came before the answer that begins the stream was looked at
}

// stormSocket is one connection.
type stormSocket struct {
	c    *stormClient
	hub  *hub.Hub
	dead bool
	busy map[chat.RoomID]int
}

func newStormClient(s *storm, u chat.UserID) *stormClient {
	c := &stormClient{s: s, user: chat.User{ID: u}, rooms: map[chat.RoomID]*stormView{}}
	for _, r := range stormRooms {
		c.rooms[r] = &stormView{got: map[chat.Seq]bool{}, shown: map[chat.Seq]bool{}, ids: map[chat.MessageID]bool{}}
	}
	return c
}

// step connects, moves, and joins rooms in which the client is not live.
func (c *stormClient) step() {
	s := c.s
	s.mu.Lock()
	if c.sock != nil && !c.sock.dead && s.chance(0.01) && !s.quiet {
		c.sock.dead = true
	}
	old := c.sock
	var fresh *stormSocket
	if old == nil || old.dead && (s.calm || s.chance(0.05)) {
		fresh = &stormSocket{c: c, hub: s.nodes[s.rng.IntN(2)].hub, busy: map[chat.RoomID]int{}}
		c.sock = fresh
	}
	sock := c.sock
	s.mu.Unlock()
	if fresh != nil && old != nil {
		for _, r := range stormRooms {
			old.hub.Detach(r, old)
		}
	}
	for _, r := range stormRooms {
		s.mu.Lock()
		v := c.rooms[r]
		after, busy := chat.AttachHead, sock.busy[r]
		if v.live {
			after = v.since
		}
		resume := fresh != nil && v.live
		join := busy == 0 && !v.live && s.chance(0.1) || resume && s.chance(0.3)
		if fresh != nil {
			v.early = nil
		}
		s.mu.Unlock()
		if resume {
			sock.attach(r, after)
			synctest.Wait() // a join comes after the resume has begun
		}
		if join {
			sock.attach(r, chat.AttachHead)
		}
	}
}

func (k *stormSocket) attach(r chat.RoomID, after chat.Seq) {
	s := k.c.s
	s.mu.Lock()
	k.busy[r]++
	s.mu.Unlock()
	s.log.mu.Lock()
	head := s.log.end(0)
	s.log.mu.Unlock()
	go func() {
		var a chat.Attached
		var err error
		if after == chat.AttachHead { // a join is a record, and is answered from the view at or after it
			_, _, err = k.hub.View(context.Background(), r, head)
		}
		if err == nil {
			a, err = k.hub.Attach(context.Background(), r, k.c.user, after, k)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		k.busy[r]--
		if k.c.sock != k || k.dead {
			return
		}
		switch v := k.c.rooms[r]; {
		case errors.Is(err, chat.ErrNotFound):
			if v.live && after != chat.AttachHead {
				v.end(v.since)
			}
		case err != nil:
			k.dead = true // it comes back
		case !v.live:
			v.live, v.since = true, a.AsOf
			v.last = max(v.last, a.AsOf)
			v.streams = append(v.streams, [2]chat.Seq{a.AsOf, 0})
			early := v.early
			v.early = nil
			for _, f := range early {
				if f.Seq > a.AsOf {
					k.take(f)
				}
			}
		}
	}()
}

func (v *stormView) end(at chat.Seq) {
	v.live = false
	v.streams[len(v.streams)-1][1] = at
}

func (k *stormSocket) Deliver(f chat.Frame) {
	k.c.s.mu.Lock()
	defer k.c.s.mu.Unlock()
	if k.c.sock == k && !k.dead {
		k.take(f)
	}
}

// take is the client's side of a frame.
func (k *stormSocket) take(f chat.Frame) {
	s, v := k.c.s, k.c.rooms[f.Room]
	if _, ok := f.Wire.(chat.Record); ok {
		v.shown[f.Seq] = true
	}
	if !v.live {
		v.early = append(v.early, f)
		return
	}
	switch x := f.Wire.(type) {
	case chat.Gap:
		if x.Reason == chat.GapReset || x.Reason == chat.GapUnavailable && time.Since(s.begun) > 16*second {
			s.fail("%s got %+v", k.c.user.ID, x)
		}
		v.gaps = append(v.gaps, [2]chat.Seq{x.From, x.To})
		v.since = max(v.since, x.To)
	case chat.Record:
		switch {
		case x.Seq <= v.last:
			s.fail("%s got %d of %s after %d", k.c.user.ID, x.Seq.Offset(), f.Room, v.last.Offset())
		case v.ids[x.ID]:
			s.fail("%s got a copy, %d of %s", k.c.user.ID, x.Seq.Offset(), f.Room)
		}
		v.last, v.since, v.got[x.Seq], v.ids[x.ID] = x.Seq, x.Seq, true, true
		if x.Kind == chat.KindLeave && x.Subject == k.c.user.ID {
			v.end(x.Seq)
		}
	}
}

func (k *stormSocket) Ready(ctx context.Context) error {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	k.c.s.mu.Lock()
	defer k.c.s.mu.Unlock()
	if k.dead {
		return errMoved
	}
	return nil
}

func (k *stormSocket) Ended(_ chat.RoomID, why chat.Code) {
	k.c.s.mu.Lock()
	defer k.c.s.mu.Unlock()
	if why == chat.CodeUnavailable {
		k.dead = true
	}
}

// complete says whether the client got exactly what it should have of a room, whose first copies are given.
func (c *stormClient) complete(room chat.RoomID, first []chat.Record) {
	v, member := c.rooms[room], false
	for _, r := range first {
		own := r.Subject == c.user.ID
		member = member || own && r.Kind != chat.KindLeave
		if v.shown[r.Seq] && !member {
			c.s.fail("%s got %d of %s, but is no member there", c.user.ID, r.Seq.Offset(), room)
		}
		if member && !v.got[r.Seq] && within(v.streams, r.Seq) && !within(v.gaps, r.Seq) {
			c.s.fail("%s never got %d of %s (streams %v, gaps %v)", c.user.ID, r.Seq.Offset(), room, v.streams, v.gaps)
		}
		member = member && !(own && r.Kind == chat.KindLeave)
	}
	if len(v.got) > len(first) {
		c.s.fail("%s got more of %s than there is", c.user.ID, room)
	}
}

func within(stretches [][2]chat.Seq, s chat.Seq) bool {
	for _, x := range stretches {
		if s > x[0] && (x[1] == 0 || s <= x[1]) {
			return true
		}
	}
	return false
}
