package logtest

import (
	"sync"
	"time"
)

// Watched guards a state that a test waits for. Its zero value is ready.
type Watched struct {
	sync.Mutex
	moved chan struct{} // closed at the next change; nil: nobody waits
}

// Change calls how under the lock, and lets those that wait look again.
func (w *Watched) Change(how func()) {
	w.Lock()
	defer w.Unlock()
	how()
	if w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}

// Until waits until ok, which is called under the lock, holds; false: it did not come about in time.
func (w *Watched) Until(within time.Duration, ok func() bool) bool {
	timeout := time.After(within)
	for {
		w.Lock()
		done := ok()
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		moved := w.moved
		w.Unlock()
		if done {
			return true
		}
		select {
		case <-moved:
		case <-timeout:
			return false
		}
	}
}
