package socketio

import (
	"container/list"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// waiting holds the sessions that have joined no namespace yet, the oldest first. All have the same time to do so, so one timer, for
// the first of the list, serves them all.
type waiting struct {
	timeout time.Duration
	mu      sync.Mutex
	list    list.List // of *session
	timer   *time.Timer
	stopped bool
}

func (w *waiting) add(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	s.due = time.Now().Add(w.timeout)
	s.place = w.list.PushBack(s)
	if w.list.Len() == 1 {
		w.arm(w.timeout)
	}
}

// count is how many wait.
func (w *waiting) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list.Len()
}

// remove forgets s; it may be called more than once.
func (w *waiting) remove(s *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.place != nil {
		w.list.Remove(s.place)
		s.place = nil
	}
	if w.list.Len() == 0 && w.timer != nil {
		w.timer.Stop()
	}
}

func (w *waiting) arm(d time.Duration) {
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.sweep)
		return
	}
	w.timer.Reset(d)
}

// sweep closes those whose time is over.
func (w *waiting) sweep() {
	for _, s := range w.due() {
		s.eio.Close(engineio.ForcedServerClose)
	}
}

func (w *waiting) due() []*session {
	w.mu.Lock()
	defer w.mu.Unlock()
	var over []*session
	for first := w.list.Front(); first != nil && !w.stopped; first = w.list.Front() {
		s := first.Value.(*session)
		if left := time.Until(s.due); left > 0 {
			w.arm(left)
			break
		}
		w.list.Remove(first)
		s.place = nil
		over = append(over, s)
	}
	return over
}

func (w *waiting) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
