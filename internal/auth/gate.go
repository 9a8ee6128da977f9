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
	Pending    int // that have not sent CONNECT: --handshakes
}

// Gate counts sockets and refuses those above the limits. Loopback has no limit per address, so that a local load test is stopped by
// the node's own bounds only, and a proxy on this machine is not counted as one client.
type Gate struct {
	limits  GateLimits
	proxies Proxies

	mu      sync.Mutex
	total   int
	pending int
	by      map[netip.Addr]int
}

// NewGate makes a Gate.
func NewGate(l GateLimits, p Proxies) *Gate {
	return &Gate{limits: l, proxies: p, by: map[netip.Addr]int{}}
}

// Pass is one admitted socket's place in the counts.
type Pass struct {
	gate    *Gate
	addr    netip.Addr
	counted bool
	once    sync.Once
	connect sync.Once
}

// Admit counts a new socket in, or refuses it with a *chat.Error: rate_limited or overloaded, naming the flag.
func (g *Gate) Admit(r *http.Request) (*Pass, error) {
	p := &Pass{gate: g, addr: g.proxies.Client(r), counted: !g.proxies.Loopback(r)}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.total >= g.limits.Sockets:
		return nil, refusal(chat.CodeOverloaded, "this node has all the sockets it takes (--sockets %d)", g.limits.Sockets)
	case g.pending >= g.limits.Pending:
		return nil, refusal(chat.CodeOverloaded, "too many sockets are waiting to connect (--handshakes %d)", g.limits.Pending)
	case p.counted && g.by[p.addr] >= g.limits.PerAddress:
		return nil, refusal(chat.CodeRateLimited, "too many sockets from this address (--sockets-per-address %d)", g.limits.PerAddress)
	}
	g.total++
	g.pending++
	if p.counted {
		g.by[p.addr]++
	}
	return p, nil
}

func refusal(code chat.Code, format string, limit int) error {
	e := chat.Errorf(code, format, limit)
	e.RetryAfter = 5 * time.Second
	return e
}

// Connected says that the socket has sent CONNECT. Only the first call counts.
func (p *Pass) Connected() {
	p.connect.Do(func() {
		p.gate.mu.Lock()
		p.gate.pending--
		p.gate.mu.Unlock()
	})
}

// Release counts the socket out. Only the first call counts.
func (p *Pass) Release() {
	p.once.Do(func() {
		p.Connected()
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

// Counts gives the sockets in all and those that have not sent CONNECT.
func (g *Gate) Counts() (total, pending int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total, g.pending
}
