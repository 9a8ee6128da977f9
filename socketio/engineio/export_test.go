package engineio

import (
	"maps"
	"slices"
	"time"
)

// Polling tells tests whether a poll of s waits.
func Polling(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll != nil
}

// Posting tells tests whether a POST of s is being read or handled.
func Posting(s *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.post != nil
}

// PollingID is Polling for a session id.
func PollingID(srv *Server, sid string) bool {
	s := srv.lookup(sid)
	return s != nil && Polling(s)
}

// Probing tells tests whether a websocket tries to take over a session.
func Probing(srv *Server, sid string) bool {
	s := srv.lookup(sid)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probe != nil
}

// AgePoll makes the waiting poll, if there is one, as old as age.
func AgePoll(s *Session, age time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == nil {
		return false
	}
	s.poll.since = time.Now().Add(-age)
	return true
}

// Abandon ends all sessions without waiting for their clients.
func Abandon(srv *Server) {
	srv.mu.Lock()
	all := slices.Collect(maps.Values(srv.sessions))
	srv.mu.Unlock()
	for _, s := range all {
		s.abort(ForcedServerClose, nil)
	}
}
