package engineio

import (
	"net/http"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

const (
	// noopDelay is how long a poll that arrives during an upgrade, and for
	// which there is no data, waits for its noop. The reference server looks
	// every 100 ms.
	noopDelay = 20 * time.Millisecond
	// crossing is the age below which a poll counts as sent after the upgrade
	// packet, although it was read before it: the two came on different
	// connections. A client that pauses polling as the protocol asks never has
	// one open then.
	crossing = 5 * time.Millisecond
)

// The two messages of a probe and its answer, see Engine.IO v4 §upgrade.
const (
	probePing = "2probe"
	probePong = "probe"
)

var probeFrame = control(packet.EnginePong, probePong)

// upgrade answers a websocket request for an existing session. If the session
// cannot be taken over (it is on a websocket, being upgraded, or ending) the
// websocket is accepted and closed, and the live transport not touched.
func (s *Session) upgrade(w http.ResponseWriter, r *http.Request) {
	c := &wsConn{s: s}
	s.mu.Lock()
	taken := s.state != stateOpen || s.ws != nil || s.probe != nil
	if !taken {
		s.probe = c
	}
	s.mu.Unlock()

	if err := c.accept(w, r); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.probe == c {
			s.probe = nil
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds++
	if taken || c.ending {
		c.ending = false
		c.abortLocked(closeFrame(0))
	} else {
		c.timeout = time.AfterFunc(s.srv.opts.UpgradeTimeout, c.expire)
		c.kickLocked() // the 101
	}
	go c.run()
}

// expire ends a candidate that did not take over in time.
func (c *wsConn) expire() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.s.probe == c {
		c.s.dropProbeLocked()
	}
}

// dropProbeLocked turns the candidate away, if there is one; polling goes on.
func (s *Session) dropProbeLocked() {
	if c := s.probe; c != nil {
		s.probe = nil
		c.abortLocked(closeFrame(0))
	}
}

// probingLocked tells whether the candidate's probe has been answered, and when.
func (s *Session) probingLocked() (time.Time, bool) {
	if s.probe == nil || s.probe.probedAt.IsZero() {
		return time.Time{}, false
	}
	return s.probe.probedAt, true
}

// handleProbe takes a message of a websocket that is not live: the probe, then
// the upgrade packet. Anything else ends the websocket and nothing more.
func (c *wsConn) handleProbe(data []byte, binary bool) bool {
	text := string(data)
	switch {
	case !binary && text == probePing && c.answerProbe():
		return true
	case !binary && text == string(packet.EngineUpgrade) && c.takeOver():
		return true
	}
	c.end(TransportError, closeFrame(0))
	return false
}

// answerProbe answers the probe. From now on polls do not wait for data.
func (c *wsConn) answerProbe() bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != c || len(c.control) > maxPongs {
		return false
	}
	c.probedAt = time.Now()
	c.control = append(c.control, probeFrame.wire...)
	c.kickLocked()
	if s.poll != nil {
		s.poll.kick()
	}
	return true
}

// takeOver makes the candidate the live transport. What is queued, and has not
// been taken by a poll, goes out on it in order.
func (c *wsConn) takeOver() bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.probingLocked(); !ok || s.probe != c || s.state != stateOpen {
		return false
	}
	c.timeout.Stop()
	s.probe, s.ws, c.live = nil, c, true
	if p := s.poll; p != nil {
		if time.Since(p.since) < crossing {
			p.finishLocked(refusePoll)
		} else {
			p.finishLocked(noopPacket)
		}
	}
	c.kickLocked()
	return true
}
