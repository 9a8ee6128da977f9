package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const (
	maxOrders   = 4096            // channels in one round of commands
	maxCommand  = 256             // channels in one command
	sessionWait = 5 * time.Second // for the answers of one round
)

// order is a command for channels of one partition.
type order struct {
	part      *part
	subscribe bool
	channels  []*wanted
}

// session is one connection's life: it connects, and brings the subscriptions to what is wanted, until the connection ends; nil: the home
// has no partition left.
func (e *ears) session(h *home) error {
	conn, release, err := e.dial(h.addr)
	if err != nil {
		return err
	}
	defer release()
	life := e.begin(h)
	gone := conn.SetPubSubHooks(rueidis.PubSubHooks{
		OnMessage: func(m rueidis.PubSubMessage) { e.bus.hear(m.Channel, m.Message) },
		OnSubscription: func(s rueidis.PubSubSubscription) {
			if s.Kind == "sunsubscribe" {
				e.cut(h, life, s.Channel)
			}
		},
	})
	ctx, cancel := context.WithTimeout(e.ctx, sessionWait)
	err = conn.Do(ctx, conn.B().Ping().Build()).Error()
	cancel()
	if err != nil {
		return err
	}
	for connected := false; ; {
		orders := e.take(h)
		if len(orders) > 0 {
			if err := e.send(h, conn, orders); err != nil {
				return err
			}
			continue
		}
		if !connected {
			connected = true
			e.connected(h)
		}
		select {
		case <-h.wake:
		case err := <-gone:
			if err == nil {
				err = errors.New("the connection ended")
			}
			return err
		case <-e.ctx.Done():
			return e.ctx.Err()
		}
		if e.cluster && e.empty(h) {
			return nil
		}
	}
}

// dial gives a connection for subscriptions alone.
func (e *ears) dial(addr string) (rueidis.DedicatedClient, func(), error) {
	client, done := e.bus.client, func() {}
	if e.cluster {
		o := e.bus.opt.client()
		o.InitAddress, o.ForceSingleClient = []string{addr}, true
		own, err := rueidis.NewClient(o)
		if err != nil {
			return nil, nil, err
		}
		client, done = own, own.Close
	}
	conn, cancel := client.Dedicate()
	return conn, func() {
		conn.Close()
		cancel()
		done()
	}, nil
}

// begin makes all channels of a home dirty, for its new connection.
func (e *ears) begin(h *home) (life int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	h.life++
	for p := range h.parts {
		for w := range p.keys {
			w.on = false
			h.dirty[w] = struct{}{}
		}
	}
	return h.life
}

func (e *ears) empty(h *home) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(h.parts) == 0
}

// connected says that all that was wanted has been subscribed.
func (e *ears) connected(h *home) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h.fault != errNotYet {
		e.bus.log.Info("the bus hears again", "redis", e.bus.opt.String(), "node", h.addr)
	}
	h.fault = nil
	delete(e.fails, h.addr)
}

// take gives the next commands of a home. Channels count as subscribed from here on, so that a word of the server that ends a
// subscription at once is not overlooked; an error takes it back.
func (e *ears) take(h *home) []order {
	e.mu.Lock()
	defer e.mu.Unlock()
	type group struct {
		part      *part
		subscribe bool
	}
	groups := map[group][]*wanted{}
	n := 0
	for w := range h.dirty {
		if n == maxOrders {
			break
		}
		delete(h.dirty, w)
		if w.refs == 0 {
			e.forget(w)
		}
		if (w.refs > 0) == w.on {
			continue
		}
		w.on = w.refs > 0
		g := group{w.part, w.on}
		groups[g] = append(groups[g], w)
		n++
	}
	var out []order
	for g, ws := range groups {
		for chunk := range slices.Chunk(ws, maxCommand) {
			out = append(out, order{g.part, g.subscribe, chunk})
		}
	}
	return out
}

// send gives the commands to the server in one round trip. An error means that the connection is of no more use.
func (e *ears) send(h *home, conn rueidis.DedicatedClient, orders []order) error {
	ctx, cancel := context.WithTimeout(e.ctx, sessionWait)
	defer cancel()
	cmds := make(rueidis.Commands, len(orders))
	for i, o := range orders {
		keys := make([]string, len(o.channels))
		for j, w := range o.channels {
			keys[j] = w.key
		}
		if o.subscribe {
			cmds[i] = conn.B().Ssubscribe().Channel(keys...).Build()
		} else {
			cmds[i] = conn.B().Sunsubscribe().Channel(keys...).Build()
		}
	}
	var refused error
	for i, res := range conn.DoMulti(ctx, cmds...) {
		err := res.Error()
		if err == nil {
			continue
		}
		said, ok := rueidis.IsRedisErr(err)
		if !ok {
			return err
		}
		if !orders[i].subscribe {
			continue // it has none, then
		}
		if addr, moved := said.IsMoved(); moved && e.cluster {
			e.moved(h, orders[i].part, addr)
			continue
		}
		refused = fmt.Errorf("%w: %w", errRefused, err)
	}
	return refused
}

// moved sends a partition to the node that serves it now.
func (e *ears) moved(h *home, p *part, addr string) {
	if strings.HasPrefix(addr, ":") { // the node does not know its own name: it is the one that we called
		if host, _, err := net.SplitHostPort(h.addr); err == nil {
			addr = net.JoinHostPort(host, addr[1:])
		}
	}
	e.mu.Lock()
	hasty := time.Since(p.moved) < 100*time.Millisecond
	e.mu.Unlock()
	if hasty { // two nodes do not agree yet
		e.pause(100 * time.Millisecond)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.home != h {
		return
	}
	p.moved = time.Now()
	if addr == h.addr { // it is about to be here
		addr = e.seed(h.addr)
	}
	e.settle(p, e.home(addr))
}
