package gateway

import (
	"container/heap"
	"sync"
	"time"
)

// expiry knows which socket's token runs out next: one heap for all, looked at once a second.
type expiry struct {
	mu sync.Mutex
	h  expiryHeap
}

func (e *expiry) add(c *conn) {
	if c.who.Expires.IsZero() {
		return
	}
	e.mu.Lock()
	heap.Push(&e.h, c)
	e.mu.Unlock()
}

func (e *expiry) remove(c *conn) {
	e.mu.Lock()
	if c.place >= 0 {
		heap.Remove(&e.h, c.place)
	}
	e.mu.Unlock()
}

// due takes out the sockets whose token ran out at t or before.
func (e *expiry) due(t time.Time) []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []*conn
	for len(e.h) > 0 && !e.h[0].who.Expires.After(t) {
		if c, ok := heap.Pop(&e.h).(*conn); ok {
			out = append(out, c)
		}
	}
	return out
}

// expiryHeap is a container/heap of sockets, the one that expires first on top; conn.place is the index.
type expiryHeap []*conn

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].who.Expires.Before(h[j].who.Expires) }
func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push is for package heap.
func (h *expiryHeap) Push(x any) {
	if c, ok := x.(*conn); ok {
		c.place = len(*h)
		*h = append(*h, c)
	}
}

// Pop is for package heap.
func (h *expiryHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	c.place = -1
	return c
}
