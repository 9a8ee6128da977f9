package httpd

import (
	"sync"
	"time"
)

// saidMax bounds what said remembers.
const saidMax = 100

// said keeps warnings that clients or other machines can cause to one a minute each.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

// first says whether this warning is to be logged now.
func (s *said) first(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.at[key]; ok && time.Since(at) < time.Minute {
		return false
	}
	if s.at == nil || len(s.at) >= saidMax {
		s.at = map[string]time.Time{}
	}
	s.at[key] = time.Now()
	return true
}
