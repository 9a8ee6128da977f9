package auth

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// GateLimits bound the sockets of a node.
type GateLimits struct {
	Sockets    int // in all: --sockets
	PerAddress int // per address: --sockets-per-address
	Handshakes int // that have not sent CONNECT: --handshakes
}

// Gate counts sockets and refuses those above the limits. An address of IPv6 counts as its /64, which is what one customer is given: he
// could take another address of it for every socket. Loopback has no limit per address, so that a local load test is stopped by
// the node's own bounds only; a forwarded request never counts as loopback.
type Gate struct {
	limits  GateLimits
	proxies Proxies
	waiting func() int

	mu    sync.Mutex
	total int
	by    map[netip.Addr]int
}

// NewGate makes a Gate. waiting tells how many sockets have not sent CONNECT.
func NewGate(l GateLimits, p Proxies, waiting func() int) *Gate {
	return &Gate{limits: l, proxies: p, waiting: waiting, by: map[netip.Addr]int{}}
}

// Pass is one admitted socket's place in the counts.
type Pass struct {
	gate    *Gate
	addr    netip.Addr
	counted bool
	once    sync.Once
}

// Admit counts a new socket in, or refuses it with a *chat.Error: rate_limited or overloaded, naming the flag.
func (g *Gate) Admit(r *http.Request) (*Pass, error) {
	p := &Pass{gate: g, addr: counted(g.proxies.Client(r)), counted: !g.proxies.Loopback(r)}
	waiting := g.waiting()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.total >= g.limits.Sockets:
		return nil, refusal(chat.CodeOverloaded, "this node has all the sockets it takes (--sockets %d)", g.limits.Sockets)
	case waiting >= g.limits.Handshakes:
		return nil, refusal(chat.CodeOverloaded, "too many sockets have not sent CONNECT (--handshakes %d)", g.limits.Handshakes)
	case p.counted && g.by[p.addr] >= g.limits.PerAddress:
		return nil, refusal(chat.CodeRateLimited, "too many sockets from this address (--sockets-per-address %d)", g.limits.PerAddress)
	}
	g.total++
	if p.counted {
		g.by[p.addr]++
	}
	return p, nil
}

// counted gives the address under which a client is counted.
func counted(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	return netip.PrefixFrom(a, 64).Masked().Addr()
}

func refusal(code chat.Code, format string, limit int) error {
	e := chat.Errorf(code, format, limit)
	e.RetryAfter = 5 * time.Second
	return e
}

// Release counts the socket out. Only the first call counts.
func (p *Pass) Release() {
	p.once.Do(func() {
		g := p.gate
		g.mu.Lock()
		defer g.mu.Unlock()
		g.total--
		if p.counted {
			if g.by[p.addr]--; g.by[p.addr] <= 0 {
				delete(g.by, p.addr)
			}
		}
	})
}

// Sockets is the number of sockets counted in.
func (g *Gate) Sockets() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total
}
