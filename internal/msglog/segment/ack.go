package segment

import "sync"

// ack is one answer to give.
type ack struct {
	done       func(offset, at int64, err error)
	offset, at int64
	err        error
}

// acker gives answers in order, on a goroutine of its own, so that the committer goes on with the next batch and no caller of Append is
// answered inside Append. It holds at most what the queue holds and one answer for each refused Append that has not been run yet.
type acker struct {
	mu      sync.Mutex
	more    *sync.Cond
	list    []ack
	closing bool
	stopped chan struct{}
}

func newAcker() *acker {
	a := &acker{stopped: make(chan struct{})}
	a.more = sync.NewCond(&a.mu)
	go a.run()
	return a
}

func (a *acker) run() {
	defer close(a.stopped)
	var spare []ack
	for {
		a.mu.Lock()
		for len(a.list) == 0 && !a.closing {
			a.more.Wait()
		}
		todo := a.list
		a.list = spare
		a.mu.Unlock()
		if len(todo) == 0 {
			return
		}
		for _, k := range todo {
			k.done(k.offset, k.at, k.err)
		}
		clear(todo)
		spare = todo[:0]
	}
}

func (a *acker) add(ks []ack) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing {
		go func() {
			for _, k := range ks {
				k.done(k.offset, k.at, k.err)
			}
		}()
		return
	}
	a.list = append(a.list, ks...)
	a.more.Signal()
}

// close returns when every answer has been given.
func (a *acker) close() {
	a.mu.Lock()
	a.closing = true
	a.more.Signal()
	a.mu.Unlock()
	<-a.stopped
}
