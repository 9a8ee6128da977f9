package engineio

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
