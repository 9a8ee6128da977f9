package engineio

import (
	"errors"
	"runtime"
	"sync"
	"syscall"
)

// writers write to the websockets that have something to say. One frame for a
// thousand sockets is a thousand small writes, and a goroutine for each would
// cost nearly as much as the write. So a few goroutines go round, and try each
// connection without waiting; what a socket's buffer does not take is left to
// a goroutine of its own, see wsConn.flush.
type writers struct {
	mu    sync.Mutex
	queue []*wsConn
	busy  int // goroutines at work
}

// round is how many connections a writer takes at a time.
const round = 32

// add puts c at the end of the queue.
func (w *writers) add(c *wsConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, c)
	if w.busy < runtime.GOMAXPROCS(0) && (w.busy == 0 || len(w.queue) > round) {
		w.busy++
		go w.run()
	}
}

// take moves the head of the queue to to; false: there is none, and the
// goroutine is to end.
func (w *writers) take(to []*wsConn) ([]*wsConn, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), round)
	if n == 0 {
		w.queue = nil
		w.busy--
		return nil, false
	}
	to = append(to[:0], w.queue[:n]...)
	clear(w.queue[:n])
	w.queue = w.queue[n:]
	return to, true
}

func (w *writers) run() {
	var conns [round]*wsConn
	var t try
	t.write = t.once
	for {
		taken, ok := w.take(conns[:])
		if !ok {
			return
		}
		for _, c := range taken {
			c.flushNow(&t)
		}
	}
}

// try is one write that does not wait. It is kept by a writer so that a write
// allocates nothing.
type try struct {
	bufs  [][]byte // of the batch being written
	join  []byte   // several small frames as one piece
	write func(fd uintptr) bool
	piece []byte
	n     int
	err   error
}

// all writes t.bufs until they end or the socket takes no more; done is how
// many bytes it took.
func (t *try) all(raw syscall.RawConn) (done int, whole bool, err error) {
	for i := 0; i < len(t.bufs); {
		i = t.next(i)
		if err := raw.Write(t.write); err != nil {
			return done, false, err
		}
		done += max(t.n, 0)
		switch {
		case errors.Is(t.err, syscall.EAGAIN):
			return done, false, nil
		case t.err != nil:
			return done, false, t.err
		case t.n < len(t.piece):
			return done, false, nil
		}
	}
	return done, true, nil
}

// next makes the next piece, from bufs[i] on, and tells where the one after it
// begins. Small frames are joined: to copy them is cheaper than to list them.
func (t *try) next(i int) int {
	t.piece = t.bufs[i]
	if i++; i == len(t.bufs) || len(t.piece)+len(t.bufs[i]) > copyChunk {
		return i
	}
	t.join = append(t.join[:0], t.piece...)
	for ; i < len(t.bufs) && len(t.join)+len(t.bufs[i]) <= copyChunk; i++ {
		t.join = append(t.join, t.bufs[i]...)
	}
	t.piece = t.join
	return i
}

// rest is what of bufs comes behind the first done bytes, in a slice of its own.
func rest(bufs [][]byte, done int) [][]byte {
	var left [][]byte
	for _, b := range bufs {
		if done >= len(b) {
			done -= len(b)
			continue
		}
		left = append(left, b[done:])
		done = 0
	}
	return left
}
