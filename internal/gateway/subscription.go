package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// subscription is one socket's hearing of one room; it implements chat.Listener. One that holds keeps what is delivered until the
// answer that announces it is out.
type subscription struct {
	c      *conn
	joined chat.Seq // the beginning of the membership it is for
	ended  atomic.Bool
	grant  int // of the piece that a replay is at; of the goroutine that attaches

	mu      sync.Mutex
	holding bool
	held    []chat.Frame
	bytes   int
}

var _ chat.Listener = (*subscription)(nil)

// Deliver passes a frame on, or keeps it; a socket for which too much is kept is closed, and comes back.
func (s *subscription) Deliver(f chat.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holding {
		s.c.push(f)
		return
	}
	s.bytes += f.Size
	if s.c.holding.Add(int64(f.Size)) > int64(s.c.g.holdMost()) {
		s.held = nil
		s.c.sock.CloseTransport(engineio.SlowClient)
		return
	}
	s.held = append(s.held, f)
}

// Ready waits until the socket has taken most of what it was given, and there is a place for one more piece.
func (s *subscription) Ready(ctx context.Context) error {
	s.settle()
	if err := s.c.grant(ctx, pieceMost); err != nil {
		return err
	}
	s.grant = pieceMost
	return nil
}

// settle gives back the place of the last piece: it is out.
func (s *subscription) settle() {
	if s.grant > 0 {
		s.c.settle(s.grant)
		s.grant = 0
	}
}

// Ended forgets the subscription. Where the room had to be closed, so is the socket: it comes back and resumes.
func (s *subscription) Ended(room chat.RoomID, why chat.Code) {
	s.ended.Store(true)
	s.c.mu.Lock()
	if s.c.subs[room] == s {
		delete(s.c.subs, room)
	}
	s.c.mu.Unlock()
	if why != chat.CodeNotFound {
		s.c.sock.CloseTransport(engineio.TransportClose)
	}
}

// release sends what was held, in order, and passes on what comes from now on.
func (s *subscription) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.held {
		s.c.push(f)
	}
	s.c.holding.Add(-int64(s.bytes))
	s.holding, s.held, s.bytes = false, nil, 0
}

// errGone says that the socket left in the middle.
var errGone = errors.New("the socket is gone")

// attach subscribes the socket to a room, after a place. The room must be this goroutine's by its place in the executor, so that there
// is one subscription per room. What finishes after the socket is gone undoes itself.
func (c *conn) attach(ctx context.Context, room chat.RoomID, after chat.Seq, hold bool) (*subscription, chat.Attached, error) {
	done, err := c.reserve(room)
	if err != nil {
		return nil, chat.Attached{}, err
	}
	defer done()
	c.detach(room)
	ctx, cancel := c.whileThere(ctx)
	defer cancel()
	s := &subscription{c: c, holding: hold}
	defer s.settle()
	at, err := c.g.cfg.Rooms.Attach(ctx, room, c.who.User, after, s)
	if err != nil {
		return nil, at, err
	}
	s.joined = at.View.Member(c.who.User.ID).Joined
	c.mu.Lock()
	gone := c.gone
	if !gone && !s.ended.Load() {
		if c.subs == nil {
			c.subs = map[chat.RoomID]*subscription{}
		}
		c.subs[room] = s
	}
	c.mu.Unlock()
	if gone {
		c.g.cfg.Rooms.Detach(room, s)
		return nil, at, errGone
	}
	return s, at, nil
}

// detach ends a subscription, if there is one.
func (c *conn) detach(room chat.RoomID) {
	c.mu.Lock()
	s := c.subs[room]
	delete(c.subs, room)
	c.mu.Unlock()
	if s != nil {
		c.g.cfg.Rooms.Detach(room, s)
	}
}
