package gateway

import (
	"slices"
	"sync"

	"golang.org/x/time/rate"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// users are those with a socket on this node. Each has one subscription of his channel, and one budget of events.
type users struct {
	g  *Gateway
	mu sync.Mutex
	by map[chat.UserID]*person
}

// person is a connected user.
type person struct {
	id     chat.UserID
	events *rate.Limiter
	stop   func()         // of the subscription
	heard  sync.WaitGroup // until stop is set

	mu    sync.Mutex
	conns []*conn // few, so a slice
}

func (us *users) init(g *Gateway) { us.g, us.by = g, map[chat.UserID]*person{} }

// join counts a socket in; the user's first subscribes his channel.
func (us *users) join(u chat.UserID, c *conn) *person {
	us.mu.Lock()
	p, known := us.by[u]
	if !known {
		limit := us.g.cfg.Limits.EventsPerUser
		p = &person{id: u, events: rate.NewLimiter(rate.Limit(limit), burst(limit))}
		p.heard.Add(1)
		us.by[u] = p
	}
	p.mu.Lock()
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	us.mu.Unlock()
	if !known {
		p.stop = us.g.cfg.Bus.Subscribe(chat.UserChannel(u), p.hear)
		p.heard.Done()
	}
	return p
}

// leave counts a socket out; the user's last ends the subscription.
func (us *users) leave(p *person, c *conn) {
	us.mu.Lock()
	p.mu.Lock()
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
	last := len(p.conns) == 0
	p.mu.Unlock()
	if last && us.by[p.id] == p {
		delete(us.by, p.id)
	}
	us.mu.Unlock()
	if last {
		p.heard.Wait()
		p.stop()
	}
}

func (us *users) count() int {
	us.mu.Lock()
	defer us.mu.Unlock()
	return len(us.by)
}

// hear passes a whisper on to all sockets of the user; encoded once.
func (p *person) hear(data []byte) {
	note, err := chat.ParseNote(data)
	if err != nil {
		return
	}
	w, ok := note.(chat.Whisper)
	if !ok {
		return
	}
	f := Encoder{}.Whisper("", w)
	p.mu.Lock()
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, c := range conns {
		c.push(f)
	}
}
