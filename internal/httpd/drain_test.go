package httpd_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestForwardedWebsocketsAreCutSpreadOverTheWindow(t *testing.T) {
	noLeak(t)
	const clients, window = 20, 2 * time.Second
	home, other := newMember(t, setup{}), newMember(t, setup{})
	var ends []time.Time
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range clients {
		p := joined(t, home.url())
		c := p.upgrade(other.url())
		c.send(fmt.Sprintf(`42["say",%d]`, i))
		c.want(fmt.Sprintf(`42["echo",%d]`, i))
		all.Go(func() {
			for {
				if _, _, err := c.read(); err != nil {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ends = append(ends, time.Now())
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := other.forward.Drain(ctx, window); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	slices.SortFunc(ends, time.Time.Compare)
	if d := ends[clients-1].Sub(ends[0]); d < window/2 {
		t.Errorf("all were cut within %v of a window of %v", d, window)
	}
	eventually(t, "their sessions are gone", func() bool { return home.sockets.Connections() == 0 })
	p := joined(t, home.url())
	p.base = other.url()
	if status, _ := p.do(http.MethodPost, "3"); status != 503 {
		t.Errorf("after the window: %d", status)
	}
}

func TestForwardedPollsLeaveADrainingNode(t *testing.T) {
	noLeak(t)
	home, other := newMember(t, setup{}), newMember(t, setup{})
	p, q := joined(t, home.url()), joined(t, home.url())
	p.base, q.base = other.url(), other.url()
	last := make(chan string, 1)
	go func() {
		status, body := p.do(http.MethodGet, "")
		last <- fmt.Sprint(status, " ", string(body))
	}()
	eventually(t, "a poll waits", func() bool { return other.forward.Stats().Open == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- other.forward.Drain(ctx, time.Second) }()
	eventually(t, "answers send the client to another connection", func() bool {
		res, _ := q.answer(http.MethodPost, `42["say",1]`)
		return res.StatusCode == 200 && res.Close
	})
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if got := <-last; got != "200 1" {
		t.Errorf("the poll that was left ended with %q", got)
	}
	eventually(t, "its session is gone", func() bool { return home.sockets.Connections() == 1 })
	q.base = home.url() // and the other one goes on by way of a node that stays
	q.want(`42["echo",1]`)
}
