package engineio

import (
	"time"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// hold notes that something (a request, a connection, a goroutine) uses the
// session. It fails once the session has been released.
func (s *Session) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.holds++
	return true
}

func (s *Session) unhold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unholdLocked()
}

func (s *Session) unholdLocked() {
	s.holds--
	if s.holds == 0 && !s.over {
		s.over = true
		go s.srv.released(s)
	}
}

// goneLocked takes the session out of the map; later requests are told that it
// is unknown. It gives back the hold that the session was born with.
func (s *Session) goneLocked() {
	if s.gone {
		return
	}
	s.gone = true
	s.state = stateClosed
	s.timer.Stop()
	s.srv.forget(s.id)
	s.unholdLocked()
}

// lingerLocked lets what is left of the session go after d, if not before.
func (s *Session) lingerLocked(d time.Duration) {
	s.due = time.Now().Add(d)
	s.timer.Reset(d)
}

// The ping packet; one for all, since frames are immutable.
var pingFrame = control(packet.EnginePing, "")

// startHeartbeat sets the time of the first ping.
func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.born = time.Now()
	s.due = s.born.Add(s.srv.opts.PingInterval)
	s.timer = time.AfterFunc(s.srv.opts.PingInterval, s.tick)
}

// tick is the session's only timer: the next ping, the end of the time for a
// pong, or the end of lingering. Nothing but a pong counts as life (see
// Engine.IO v4 §heartbeat).
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return
	}
	if early := time.Until(s.due); early > 0 {
		s.timer.Reset(early) // it was moved while this call was on its way
		return
	}
	switch {
	case s.state != stateOpen:
		s.abortLocked(TransportClose, nil)
	case s.pinged:
		s.abortLocked(PingTimeout, closeFrame(0))
	default:
		s.pinged = true
		s.due = time.Now().Add(s.srv.opts.PingTimeout)
		s.timer.Reset(s.srv.opts.PingTimeout)
		s.out.push(pingFrame)
		s.kickLocked()
	}
}

// pong starts the time to the next ping anew.
func (s *Session) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return
	}
	s.born = time.Now()
	s.pinged = false
	s.due = s.born.Add(s.srv.opts.PingInterval)
	s.timer.Reset(s.srv.opts.PingInterval)
}

// expiredLocked tells whether a client that polls now comes too late: it has
// not fetched its ping within PingInterval + PingTimeout. The timer may be a
// little behind on a busy machine; a client that did fetch its ping gets the
// whole PingTimeout after it.
func (s *Session) expiredLocked() bool {
	if s.state != stateOpen || s.ws != nil || (s.pinged && !s.out.has(pingFrame)) {
		return false
	}
	return time.Since(s.born) >= s.srv.opts.PingInterval+s.srv.opts.PingTimeout
}
