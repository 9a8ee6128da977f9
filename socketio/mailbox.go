package socketio

import (
	"runtime/debug"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// mailbox makes the work of one session serial without a goroutine of its own. Whoever posts to an idle session works until the
// queue is empty; whoever posts to a busy one leaves the item behind. What may take long (a CONNECT with its middleware) is moved
// to a fresh goroutine, which goes on with the queue. Guarded by session.mu.
type mailbox struct {
	busy  bool
	queue []item
	bytes int           // held by the queue
	space chan struct{} // closed when the queue has shrunk; made by the reader that waits for it
}

// item is a piece of work: one of the three is set.
type item struct {
	packet *incoming
	gone   *Socket // disconnected by the server
	over   bool    // the connection has ended
	reason string
}

// slow tells whether the item may block.
func (it item) slow() bool { return it.packet != nil && it.packet.Type == packet.SocketConnect }

// post does the item, or leaves it to the one who is at work. inline allows to do it on the caller's goroutine.
func (s *session) post(it item, inline bool) {
	s.mu.Lock()
	if it.packet != nil && !s.awaitSpace(it.packet.size) {
		s.mu.Unlock()
		s.fail(errStalled)
		return
	}
	if s.box.busy {
		s.box.queue = append(s.box.queue, it)
		if it.packet != nil {
			s.box.bytes += it.packet.size
		}
		s.mu.Unlock()
		return
	}
	s.box.busy = true
	s.mu.Unlock()
	s.work(it, !inline)
}

// work does it and what is queued behind it. hand: on a goroutine of its own. On the reading goroutine nothing slow can be met in
// the queue: while it works here, it posts no packets.
func (s *session) work(it item, hand bool) {
	if hand || it.slow() {
		s.srv.spawn(func() { s.drain(it) })
		return
	}
	s.drain(it)
}

// drain does it and works the queue off.
func (s *session) drain(it item) {
	for ok := true; ok; it, ok = s.take() {
		s.run(it)
	}
}

// take removes the head of the queue; when there is none the session is idle.
func (s *session) take() (item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.box.queue) == 0 {
		s.box.busy = false
		s.box.queue = nil
		return item{}, false
	}
	it := s.box.queue[0]
	s.box.queue[0] = item{}
	s.box.queue = s.box.queue[1:]
	if it.packet != nil {
		s.box.bytes -= it.packet.size
	}
	if s.box.space != nil {
		close(s.box.space)
		s.box.space = nil
	}
	return it, true
}

// awaitSpace waits, with s.mu held on entry and return, until a packet of size bytes fits. Only the reading goroutine posts
// packets, so waiting here is what slows the client down. False: it took longer than the ping timeout.
func (s *session) awaitSpace(size int) bool {
	var timeout *time.Timer
	for s.box.busy && len(s.box.queue) > 0 &&
		(len(s.box.queue) >= s.srv.opt.MaxPending || s.box.bytes+size > s.srv.opt.MaxEvent) {
		if timeout == nil {
			timeout = time.NewTimer(s.srv.opt.Engine.PingTimeout)
			defer timeout.Stop()
		}
		if s.box.space == nil {
			s.box.space = make(chan struct{})
		}
		space := s.box.space
		s.mu.Unlock()
		select {
		case <-space:
			s.mu.Lock()
		case <-timeout.C:
			s.mu.Lock()
			return false
		}
	}
	return true
}

func (s *session) run(it item) {
	s.guard(func() {
		switch {
		case it.packet != nil:
			s.handle(it.packet)
		case it.gone != nil:
			it.gone.disconnected(it.reason)
		case it.over:
			s.over(it.reason)
		}
	})
}

// guard keeps a panic of the application's code to this one connection.
func (s *session) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.broken.Store(true)
			s.srv.opt.Engine.Logger.Error("socketio: a handler panicked", "panic", p, "stack", string(debug.Stack()))
			s.eio.Close(engineio.ForcedServerClose)
		}
	}()
	f()
}
