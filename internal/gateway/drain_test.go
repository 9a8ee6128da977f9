package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mover is a client as the official ones are: when its connection ends it comes back, elsewhere, with the last seq it received.
type mover struct {
	user   string
	since  int64
	got    []string // clientIds, in the order received
	told   bool     // that the node drains
	closed time.Time
}

// listen reads c until done says so, or it ends.
func (m *mover) listen(c *client, done func() bool) {
	at := 0
	for {
		c.mu.Lock()
		news, over := c.got[at:], c.over
		at = len(c.got)
		c.mu.Unlock()
		for _, p := range news {
			m.told = m.told || strings.HasPrefix(p, `42["status"`) && strings.Contains(p, `"draining":true`)
			if !strings.HasPrefix(p, `42["message:new"`) {
				continue
			}
			_, rest, _ := strings.Cut(p, `"clientId":"`)
			id, _, _ := strings.Cut(rest, `"`)
			_, rest, _ = strings.Cut(p, `"seq":`)
			fmt.Sscanf(rest, "%d", &m.since)
			m.got = append(m.got, id)
		}
		if over || done() {
			return
		}
		select {
		case <-c.news:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Two nodes over one log. One drains under load: its clients leave spread over the window, and miss nothing.
func TestADrainedNodesClientsMoveAndMissNothing(t *testing.T) {
	const clients, window = 40, 2 * time.Second
	old := newRig(t, nil)
	other := newRigOn(t, old.World, nil)
	ann := other.joined("ann")
	movers := make([]*mover, clients)
	conns := make([]*client, clients)
	for i := range movers {
		m := &mover{user: fmt.Sprint("user", i)}
		conns[i] = old.in(m.user)
		j := conns[i].must("room:join", `{"roomId":"lobby"}`)
		m.since = int64(j.Data["asOf"].(float64))
		movers[i] = m
	}
	var sent []string
	stop, sending := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sending)
		for i := 0; ; i++ {
			id := fmt.Sprint("m", i)
			ann.call("message:send", sendOf("lobby", id, "x"))
			sent = append(sent, id)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	var all sync.WaitGroup
	for i, m := range movers {
		all.Go(func() {
			m.listen(conns[i], func() bool { return false })
			m.closed = time.Now()
			c := other.dial(fmt.Sprintf(`{"token":%q,"since":{"lobby":%d}}`, m.user, m.since))
			m.listen(c, func() bool {
				select {
				case <-sending:
					return len(m.got) == len(sent)
				default:
					return false
				}
			})
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := old.g.Drain(ctx, window); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old node is empty", func() bool { return old.g.Stats().Sockets == 0 })
	close(stop)
	<-sending
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("somebody still misses something")
	}
	spread := make([]time.Time, 0, clients)
	for _, m := range movers {
		if !m.told || !slices.Equal(m.got, sent) {
			t.Errorf("%s was told %v, got %d of %d, in order %v", m.user, m.told, len(m.got), len(sent), slices.Equal(m.got, sent))
		}
		spread = append(spread, m.closed)
	}
	slices.SortFunc(spread, time.Time.Compare)
	if d := spread[clients-1].Sub(spread[0]); d < window/2 {
		t.Errorf("all closed within %v of a window of %v", d, window)
	}
	for i := 0; i+clients/2 < clients; i++ { // never half of them within a tenth of the window
		if d := spread[i+clients/2].Sub(spread[i]); d < window/10 {
			t.Errorf("half of them closed within %v", d)
		}
	}
}
