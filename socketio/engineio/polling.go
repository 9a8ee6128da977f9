package engineio

import (
	"net/http"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// What may end a poll instead of data.
const (
	closePacket = string(packet.EngineClose)
	noopPacket  = string(packet.EngineNoop)
	refusePoll  = "-" // answer 400, code 3: the session is on a websocket now
)

// poll is a GET that waits for data.
type poll struct {
	wake    chan struct{} // of capacity 1: look again
	since   time.Time
	verdict string // set once, under the session's lock, by whatever ends it
}

// kick makes the waiting request look again.
func (p *poll) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// finishLocked ends the poll with v, unless something else already has.
func (p *poll) finishLocked(v string) {
	if p.verdict == "" {
		p.verdict = v
	}
	p.kick()
}

// serveGet holds a poll until there is something to say.
func (s *Session) serveGet(w http.ResponseWriter, r *http.Request) {
	p, refusal := s.startPoll(r)
	if refusal != nil {
		refusal.write(w, r)
		return
	}
	// A poll waits longer than any timeout of the HTTP server.
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{})
	rc.SetWriteDeadline(time.Time{})
	for {
		if r.Context().Err() != nil {
			s.cancelPoll(p)
			// Most likely nobody reads this. If anybody does, it is not an
			// empty payload, nor is the connection good for another request.
			w.Header().Set("Connection", "close")
			unknownSession().write(w, r)
			return
		}
		body, wait := s.answerPoll(p)
		switch {
		case string(body) == refusePoll:
			badRequest().write(w, r)
			return
		case body != nil:
			if err := s.srv.writeBody(w, r, body); err != nil {
				s.abort(TransportError, nil)
			}
			return
		}
		var noop <-chan time.Time
		if wait > 0 {
			noop = time.After(wait)
		}
		select {
		case <-p.wake:
		case <-noop:
		case <-r.Context().Done():
		}
	}
}

// startPoll makes r the poll that waits. A second one at the same time ends
// the session: the first is answered with a close packet, this one refused.
func (s *Session) startPoll(r *http.Request) (*poll, *Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiredLocked() {
		s.abortLocked(PingTimeout, closeFrame(0))
	}
	switch {
	case s.state == stateClosed:
		return nil, unknownSession()
	case s.ws != nil:
		return nil, badRequest()
	case r.ContentLength != 0:
		return nil, badRequest() // its end could not be seen
	case s.poll != nil:
		s.abortLocked(TransportError, nil)
		return nil, badRequest()
	}
	s.poll = &poll{wake: make(chan struct{}, 1), since: time.Now()}
	return s.poll, nil
}

// answerPoll returns the answer for p, or nil if there is none yet. wait, if
// not 0, is the time after which there will be one.
func (s *Session) answerPoll(p *poll) (body []byte, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, wait = s.decidePollLocked(p)
	if body != nil && s.poll == p {
		s.poll = nil
	}
	return body, wait
}

func (s *Session) decidePollLocked(p *poll) (body []byte, wait time.Duration) {
	if p.verdict != "" {
		return []byte(p.verdict), 0
	}
	if s.state == stateFarewell {
		s.goneLocked()
		return []byte(noopPacket), 0
	}
	body, n := s.out.takePackets(nil, maxPollPackets)
	if n > 0 {
		s.drainedLocked()
	}
	if s.state == stateClosing && s.out.empty() && n < maxPollPackets {
		s.goneLocked()
		return appendPacket(body, []byte(closePacket)), 0
	}
	if n > 0 {
		return body, 0
	}
	if probedAt, ok := s.probingLocked(); ok {
		wait = noopDelay - time.Since(p.since)
		if p.since.Before(probedAt) || wait <= 0 {
			return []byte(noopPacket), 0
		}
	}
	return nil, wait
}

// cancelPoll ends the session of a client that hung up on its poll: that is
// how a network cut shows, and a repeated request must not find the session.
func (s *Session) cancelPoll(p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == p {
		s.poll = nil
	}
	s.abortLocked(TransportError, nil)
}

// leave handles a close packet that came by POST. A waiting poll gets a noop;
// if none waits, one that was sent at the same time may still come.
func (s *Session) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || s.ws != nil {
		s.abortLocked(TransportClose, closeFrame(0))
		return
	}
	s.dropProbeLocked()
	s.out.takeAll()
	s.endLocked(stateFarewell, TransportClose)
	if s.poll != nil {
		s.poll.finishLocked(noopPacket)
		s.goneLocked()
		return
	}
	s.lingerLocked(farewellLinger)
}
