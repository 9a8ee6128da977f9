package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// ears keeps the wanted channels subscribed. Every partition has a home: the one connection of a single Redis or of a Sentinel's master,
// or that of the cluster node which, by the latest word (MOVED), serves its slot. A home's goroutine alone speaks on its connection; what
// it has to do is the set of its dirty channels. After a loss all channels of its partitions are dirty again.
type ears struct {
	bus     *Redis
	cluster bool
	seeds   []string // where partitions of a cluster begin, and where they ask when their home is gone
	ctx     context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*wanted
	parts    map[int]*part
	homes    map[string]*home
	fails    map[string]int // sessions in a row that came to nothing, by address; bounded by the cluster's nodes
	turn     int            // of the seeds
	closed   bool
}

// wanted is a channel that somebody listens to, or did until a moment ago. Guarded by ears.mu, as are part and home.
type wanted struct {
	key  string
	part *part
	refs int
	on   bool // subscribed, or about to be, on the home's present connection
}

// part is what is wanted of a partition.
type part struct {
	number int
	home   *home
	moved  time.Time
	keys   map[*wanted]struct{}
}

// home is a connection that listens.
type home struct {
	addr  string // empty unless in a cluster
	parts map[*part]struct{}
	dirty map[*wanted]struct{}
	wake  chan struct{}
	life  int   // counts connections, so that word of an old one is not taken for the new one's
	fault error // nil: connected, and the last commands were taken
}

var (
	errNotYet  = errors.New("not connected yet")
	errRefused = errors.New("a subscription was refused")
)

func newEars(bus *Redis, cluster bool, seeds []string) *ears {
	e := &ears{bus: bus, cluster: cluster, seeds: seeds, channels: map[string]*wanted{}, parts: map[int]*part{},
		homes: map[string]*home{}, fails: map[string]int{}}
	e.ctx, e.end = context.WithCancel(context.Background())
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range max(1, bus.opt.Partitions) {
		e.part(p)
	}
	return e
}

// close ends the connections. No goroutine of ears is left when it returns.
func (e *ears) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.end()
	e.running.Wait()
}

// part gives a partition, at its first home if it is new. The caller holds mu.
func (e *ears) part(n int) *part {
	p := e.parts[n]
	if p == nil {
		p = &part{number: n, keys: map[*wanted]struct{}{}}
		e.parts[n] = p
		e.settle(p, e.home(e.seed("")))
	}
	return p
}

// seed gives the next address at which a partition may ask, other than not if there is another. The caller holds mu.
func (e *ears) seed(not string) string {
	if !e.cluster {
		return ""
	}
	for addr, h := range e.homes {
		if addr != not && h.fault == nil {
			return addr
		}
	}
	for range e.seeds {
		e.turn++
		if addr := e.seeds[e.turn%len(e.seeds)]; addr != not {
			return addr
		}
	}
	return e.seeds[0]
}

// home gives the home at an address, a new one if need be. The caller holds mu.
func (e *ears) home(addr string) *home {
	h := e.homes[addr]
	if h == nil {
		h = &home{addr: addr, parts: map[*part]struct{}{}, dirty: map[*wanted]struct{}{}, wake: make(chan struct{}, 1), fault: errNotYet}
		e.homes[addr] = h
		if !e.closed {
			e.running.Go(func() { e.run(h) })
		}
	}
	return h
}

// settle moves a partition to a home. The caller holds mu.
func (e *ears) settle(p *part, to *home) {
	if p.home != nil {
		delete(p.home.parts, p)
	}
	for w := range p.keys {
		if p.home != nil {
			delete(p.home.dirty, w)
		}
		w.on = false
		to.dirty[w] = struct{}{}
	}
	p.home = to
	to.parts[p] = struct{}{}
	to.nudge()
}

func (h *home) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// want says that somebody listens to a channel.
func (e *ears) want(key string, p int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	w := e.channels[key]
	if w == nil {
		w = &wanted{key: key, part: e.part(p)}
		e.channels[key] = w
		w.part.keys[w] = struct{}{}
	}
	if w.refs++; w.refs == 1 {
		w.soil()
	}
}

// unwant takes one want back. What is not subscribed is forgotten at once: its home may be away for long, and rooms come and go.
func (e *ears) unwant(key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.channels[key]
	if w == nil || w.refs == 0 {
		return
	}
	switch w.refs--; {
	case w.refs > 0:
	case w.on:
		w.soil()
	default:
		delete(w.part.home.dirty, w)
		e.forget(w)
	}
}

// forget takes out a channel that nobody wants. The caller holds mu.
func (e *ears) forget(w *wanted) {
	delete(e.channels, w.key)
	delete(w.part.keys, w)
}

// soil has the home look at the channel. The caller holds mu.
func (w *wanted) soil() {
	w.part.home.dirty[w] = struct{}{}
	w.part.home.nudge()
}

// cut says that the server ended a subscription by itself: the slot goes to another node.
func (e *ears) cut(h *home, life int, key string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.channels[key]; w != nil && w.on && w.part.home == h && h.life == life {
		w.on = false
		w.soil()
	}
}

// representatives gives a partition of each home.
func (e *ears) representatives() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []int
	for _, h := range e.homes {
		for p := range h.parts {
			out = append(out, p.number)
			break
		}
	}
	return out
}

// deaf says why a part of the subscriptions is not in place.
func (e *ears) deaf() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.homes {
		if h.fault != nil && len(h.parts) > 0 {
			return fmt.Errorf("nothing is heard%s: %w", h.at(), h.fault)
		}
	}
	return nil
}

// settled says that no channel waits to be subscribed.
func (e *ears) settled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, h := range e.homes {
		if len(h.dirty) > 0 {
			return false
		}
	}
	return true
}

func (h *home) at() string {
	if h.addr == "" {
		return ""
	}
	return " from " + h.addr
}

// run keeps a home connected until it has no partition left or ears is closed.
func (e *ears) run(h *home) {
	for e.ctx.Err() == nil {
		if e.left(h) {
			return
		}
		began := time.Now()
		err := e.session(h)
		if e.ctx.Err() != nil {
			return
		}
		if err == nil {
			continue
		}
		e.pause(e.lost(h, err, time.Since(began) > 5*time.Second))
		if e.cluster {
			e.scatter(h)
		}
	}
}

// left removes a home that has nothing to listen to.
func (e *ears) left(h *home) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.cluster || len(h.parts) > 0 {
		return false
	}
	delete(e.homes, h.addr)
	return true
}

// lost notes the end of a connection, and says how long to wait before the next.
func (e *ears) lost(h *home, err error, lasted bool) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h.fault == nil {
		e.bus.log.Warn("the bus hears nothing; it connects again", "redis", e.bus.opt.String(), "node", h.addr, "error", err)
	}
	h.fault = err
	h.life++
	if len(e.fails) > 10_000 {
		clear(e.fails)
	}
	if lasted {
		delete(e.fails, h.addr)
	}
	e.fails[h.addr]++
	return min(time.Second, 25*time.Millisecond<<min(e.fails[h.addr], 10))
}

// pause waits for between half of d and d.
func (e *ears) pause(d time.Duration) {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.ctx.Done():
	}
}

// scatter sends the partitions of a home that is lost to ask another node of the cluster, which tells where they are now.
func (e *ears) scatter(h *home) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range h.parts {
		if addr := e.seed(h.addr); addr != h.addr {
			e.settle(p, e.home(addr))
		}
	}
}
