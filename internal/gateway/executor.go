package gateway

import (
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/workers"
)

// job is a request whose turn has come; size is what it holds while it waits, bytes.
type job struct {
	run  func()
	size int
	due  time.Time // its turn may come no later: else late is run in its place, then. Zero: it waits for as long as it takes
	late func()

	timer *time.Timer // of late, for one that waits
}

// executor makes the requests of one socket for one room take effect in the order they came, while those for other rooms go their own
// way. A room has a goroutine only while something is to be done for it.
type executor struct {
	workers *workers.Pool

	mu     sync.Mutex
	queues map[chat.RoomID][]job // an entry: something runs; its list: what waits behind it
	jobs   int
	bytes  int
}

// do runs j after everything that was given for the room before; false: too much is waiting.
func (e *executor) do(room chat.RoomID, j job, most, mostBytes int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs >= most || e.jobs > 0 && e.bytes+j.size > mostBytes {
		return false
	}
	e.jobs++
	e.bytes += j.size
	if waiting, busy := e.queues[room]; busy {
		if !j.due.IsZero() {
			j.timer = time.AfterFunc(time.Until(j.due), j.late)
		}
		e.queues[room] = append(waiting, j)
		return true
	}
	e.take(room)
	e.workers.Do(func() { e.work(room, j) })
	return true
}

// claim makes later jobs of the room wait until release; false: something runs already.
func (e *executor) claim(room chat.RoomID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, busy := e.queues[room]; busy {
		return false
	}
	e.take(room)
	return true
}

// release lets the jobs behind a claim go on.
func (e *executor) release(room chat.RoomID) {
	if j, ok := e.next(room); ok {
		e.workers.Do(func() { e.work(room, j) })
	}
}

func (e *executor) take(room chat.RoomID) {
	if e.queues == nil {
		e.queues = map[chat.RoomID][]job{}
	}
	e.queues[room] = nil
}

func (e *executor) work(room chat.RoomID, j job) {
	for ok := true; ok; j, ok = e.next(room) {
		if j.timer == nil || j.timer.Stop() {
			j.run()
		}
		e.done(j)
	}
}

func (e *executor) done(j job) {
	e.mu.Lock()
	e.jobs--
	e.bytes -= j.size
	e.mu.Unlock()
}

// next takes the room's next job; when there is none the room is idle.
func (e *executor) next(room chat.RoomID) (job, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting := e.queues[room]
	if len(waiting) == 0 {
		delete(e.queues, room)
		return job{}, false
	}
	j := waiting[0]
	waiting[0] = job{}
	e.queues[room] = waiting[1:]
	return j, true
}
