package engineio

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// How long what is left of a session may wait for its client.
const (
	// pollLinger: after Close, the next poll collects what is queued and the
	// close packet. The reference server waits as long.
	pollLinger = 30 * time.Second
	// farewellLinger: after a close packet by POST, a poll that was sent at
	// the same time but arrives later still gets its noop.
	farewellLinger = time.Second
	// closeLinger is the time a websocket has to answer a close frame.
	closeLinger = 2 * time.Second
)

type state uint8

const (
	stateOpen     state = iota
	stateClosing        // Handler.Close is due or done; what is queued still goes out
	stateFarewell       // the client left by POST; one poll may still get a noop
	stateClosed         // nothing goes out but a close frame
)

// Session is one client, whatever its transport. Its methods may be called
// from any goroutine, also from within the handler.
//
// Locks, outer first: call, mu, Server.mu.
type Session struct {
	srv     *Server
	id      string
	req     atomic.Pointer[Request]
	release func() // of Options.Admit; may be nil

	// call is held while the handler is called, and from the birth of the
	// session until Open has returned.
	call   sync.Mutex
	opened bool // guarded by call: the handler knows of the session

	mu    sync.Mutex // guards all below
	state state
	gone  bool // no longer in the server's map
	data  any
	holds int // what still lives of it; see hold
	over  bool

	// Output.
	out      queue
	inFlight int           // bytes taken from out and not yet written to the websocket
	drained  chan struct{} // closed when the queue shrinks or the session ends; nil: nobody waits

	// Heartbeat and lingering, one timer for both.
	timer  *time.Timer
	due    time.Time // when the timer means something
	born   time.Time // the opening, or the last pong
	pinged bool      // a ping waits for its pong
	broken bool      // ended by overlapping requests or a panic: a POST gets 400

	// Transports.
	poll  *poll   // the GET that waits
	post  *post   // the POST being read or handled
	ws    *wsConn // the live websocket; nil while polling
	probe *wsConn // a websocket that tries to take over
}

// ID returns the session id. Whoever has it owns the session: never log it,
// never show it to another client.
func (s *Session) ID() string { return s.id }

// Request returns what is kept of the request that opened the session.
func (s *Session) Request() *Request { return s.req.Load() }

// ForgetRequest lets go of the headers and the query of that request, which
// are most of what an idle session would hold.
func (s *Session) ForgetRequest() {
	lean := *s.req.Load()
	lean.Header, lean.Query = nil, nil
	s.req.Store(&lean)
}

// Transport returns "polling" or "websocket".
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws != nil {
		return transportWebsocket
	}
	return transportPolling
}

// Data returns what SetData has stored.
func (s *Session) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// SetData stores a value of the layer above, usually in Handler.Open.
func (s *Session) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = v
}

// Send queues f and never blocks. If the queue is full the client is too slow:
// the session is closed (SlowClient) and ErrClosed returned. A frame larger
// than Options.MaxQueue passes when nothing else waits.
func (s *Session) Send(f *Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.queueLocked(f); err != nil {
		return err
	}
	s.kickLocked()
	return nil
}

// SendSoon is Send of a frame that lets the goroutines that are ready to run go
// first: what they send to the same client goes out with it, in one write.
func (s *Session) SendSoon(f *Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.queueLocked(f); err != nil {
		return err
	}
	if s.ws == nil {
		s.kickLocked()
	} else if !s.ws.writing {
		s.srv.later.add(s)
	}
	return nil
}

func (s *Session) queueLocked(f *Frame) error {
	if s.state != stateOpen {
		return ErrClosed
	}
	if waiting := s.queuedLocked(); waiting > 0 && waiting+f.Size() > s.srv.opts.MaxQueue {
		s.abortLocked(SlowClient, closeFrame(ws.StatusPolicyViolation))
		return ErrClosed
	}
	s.out.push(f)
	return nil
}

// SendVolatile sends f if the transport can write right now (a poll waits, or
// everything before has been written); else f is dropped whole and false
// returned.
func (s *Session) SendVolatile(f *Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || s.queuedLocked() > 0 || (s.ws == nil && s.poll == nil) {
		return false
	}
	s.out.push(f)
	s.kickLocked()
	return true
}

// Queued returns the bytes that wait, as Frame.Size counts them. On a
// websocket what is just being written counts until it is.
func (s *Session) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queuedLocked()
}

func (s *Session) queuedLocked() int { return s.out.bytes + s.inFlight }

// Ready waits until at most max bytes wait. It returns ErrClosed when the
// session has ended and ctx.Err() when ctx has.
func (s *Session) Ready(ctx context.Context, max int) error {
	for {
		s.mu.Lock()
		if s.state != stateOpen {
			s.mu.Unlock()
			return ErrClosed
		}
		if s.queuedLocked() <= max {
			s.mu.Unlock()
			return nil
		}
		if s.drained == nil {
			s.drained = make(chan struct{})
		}
		drained := s.drained
		s.mu.Unlock()
		select {
		case <-drained:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Session) drainedLocked() {
	if s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// Close ends the session for the given reason: nothing more is sent or
// handed up, and Handler.Close is called soon, on another goroutine. What was
// queued before still goes out, followed by a close packet on polling or a
// close frame on a websocket, for as long as the client takes it: 30 s, on a
// websocket no more than Options.WriteTimeout without progress. Closing twice
// does nothing.
func (s *Session) Close(r Reason) { s.closeWithin(r, pollLinger) }

// closeWithin is Close with another bound for polling. It also shortens the
// wait of a session that is closing already.
func (s *Session) closeWithin(r Reason, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateOpen:
		s.dropProbeLocked()
		s.endLocked(stateClosing, r)
		s.lingerLocked(pollLinger) // the heartbeat is over: a websocket too may still be at what was queued
	case stateClosed:
		return
	}
	if s.ws != nil {
		s.ws.closeLocked(closeFrame(0))
		return
	}
	s.lingerLocked(wait)
	s.kickLocked()
}

// abort ends the session without waiting for anybody. final, if not nil, is
// the close frame for a websocket.
func (s *Session) abort(r Reason, final []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abortLocked(r, final)
}

func (s *Session) abortLocked(r Reason, final []byte) {
	if s.state == stateClosed {
		return
	}
	if s.state == stateOpen {
		s.endLocked(stateClosed, r)
	}
	s.state = stateClosed
	s.out.takeAll()
	if s.poll != nil {
		s.poll.finishLocked(closePacket)
	}
	if s.post != nil {
		s.post.interruptLocked()
	}
	s.dropProbeLocked()
	if s.ws != nil {
		s.ws.abortLocked(final)
	}
	s.goneLocked()
}

// endLocked takes the session from the layer above.
func (s *Session) endLocked(next state, r Reason) {
	s.state = next
	s.drainedLocked()
	s.holds++
	go s.finish(r)
}

// finish calls Handler.Close, after whatever the handler is doing now.
func (s *Session) finish(r Reason) {
	defer s.unhold()
	s.call.Lock()
	defer s.call.Unlock()
	defer s.rescue("close")
	if !s.opened {
		return
	}
	s.srv.handler.Close(s, r)
}

// deliver hands one message up, unless the session has ended.
func (s *Session) deliver(data []byte, binary bool) {
	s.call.Lock()
	defer s.call.Unlock()
	if !s.isOpen() {
		return
	}
	defer s.rescue("message")
	s.srv.handler.Message(s, data, binary)
}

// open calls Handler.Open and lets go of call, which the session was born with.
func (s *Session) open() {
	defer s.call.Unlock()
	defer s.rescue("open")
	s.opened = true
	s.srv.handler.Open(s)
}

// rescue turns a panic of the handler into the end of this session.
func (s *Session) rescue(where string) {
	if v := recover(); v != nil {
		s.srv.logPanic(where, v)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = true
		s.abortLocked(ForcedServerClose, closeFrame(ws.StatusInternalServerError))
	}
}

func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen
}

// kickLocked sees to it that what is queued gets written.
func (s *Session) kickLocked() {
	if s.ws != nil {
		s.ws.kickLocked()
	} else if s.poll != nil {
		s.poll.kick()
	}
}
