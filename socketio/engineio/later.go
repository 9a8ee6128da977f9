package engineio

import (
	"runtime"
	"sync"
)

// later kicks the sessions whose frames can wait until the goroutines that are
// ready have run. An answer and the event that it tells of are the case: they
// are made a moment apart, and a write for each costs nearly twice as much as
// one for both. It waits for nothing but a turn, so a server with nothing else
// to do writes at once.
type later struct {
	mu   sync.Mutex
	list []*Session
	busy bool // a goroutine is at it
}

// turns is how often it lets the others go first: what is ready, and what that
// makes ready.
const turns = 3

func (l *later) add(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
	if !l.busy {
		l.busy = true
		go l.run()
	}
}

func (l *later) run() {
	var list []*Session
	for {
		for range turns {
			runtime.Gosched()
		}
		l.mu.Lock()
		clear(list)
		list, l.list = l.list, list[:0]
		l.busy = len(list) > 0
		l.mu.Unlock()
		if len(list) == 0 {
			return
		}
		for _, s := range list {
			s.kick()
		}
	}
}

// kick writes what is still queued. A session that is over has its own way of
// getting rid of that.
func (s *Session) kick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateOpen {
		s.kickLocked()
	}
}
