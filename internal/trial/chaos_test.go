package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// attemptOf is an attempt with a calm of 10 s, a fault of 30 s, and what one person saw then.
func attemptOf(calm, fault, after time.Duration) *attempt {
	began := time.Now().Add(-2 * time.Minute)
	r := &attempt{o: options{floor: 50 * time.Millisecond}, c: &crowd.Crowd{}, calm: [2]time.Time{began, began.Add(10 * time.Second)},
		fault: [2]time.Time{began.Add(10 * time.Second), began.Add(40 * time.Second)}}
	p := &crowd.Person{Name: "ann", Seen: crowd.NewWitness("ann")}
	r.c.People = []*crowd.Person{p}
	for i := range 80 { // one message a second
		at := began.Add(time.Duration(i) * time.Second)
		took := calm
		switch {
		case i >= 40:
			took = after
		case i >= 10:
			took = fault
		}
		if took >= 0 {
			p.Seen.Took(at, took)
		}
	}
	return r
}

func TestLatencyMustComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		calm, after time.Duration
		says        string
	}{
		"as in the calm":       {10 * time.Millisecond, 10 * time.Millisecond, ""},
		"twice the calm":       {100 * time.Millisecond, 200 * time.Millisecond, ""},
		"below the floor":      {time.Millisecond, 49 * time.Millisecond, ""},
		"slow for ever":        {100 * time.Millisecond, 210 * time.Millisecond, "p99 is not back"},
		"slow above the floor": {time.Millisecond, 60 * time.Millisecond, "p99 is not back"},
		"nothing comes":        {time.Millisecond, -1, "p99 is not back"},
		"no calm":              {-1, time.Millisecond, "in the calm 0 sends were acked"},
	} {
		t.Run(name, func(t *testing.T) {
			r := attemptOf(c.calm, time.Second, c.after)
			r.latency(r.fault[1])
			if said := fmt.Sprint(r.bad); c.says == "" && len(r.bad) > 0 || !strings.Contains(said, c.says) {
				t.Errorf("it says %s, wanted %q", said, c.says)
			}
		})
	}
}

func TestWhatGoesOnIsHeldAgainstEveryStretch(t *testing.T) {
	for name, c := range map[string]struct {
		during time.Duration
		says   string
	}{
		"it goes on":       {2 * time.Second, ""},
		"a pause too long": {6 * time.Second, "was seen live only after 6s"},
		"nothing at all":   {-1, "0 were acked and 0 seen"},
	} {
		t.Run(name, func(t *testing.T) {
			r := attemptOf(time.Millisecond, c.during, time.Millisecond)
			r.goesOn(r.fault[0], r.fault[1], livePause)
			if said := fmt.Sprint(r.bad); c.says == "" && len(r.bad) > 0 || !strings.Contains(said, c.says) {
				t.Errorf("it says %s, wanted %q", said, c.says)
			}
		})
	}
}

// Chat that stops while the store is away, and catches up later, has not gone on.
func TestAnOutageIsHeldAgainstEveryStretch(t *testing.T) {
	for name, c := range map[string]struct {
		during time.Duration
		says   string
	}{
		"it goes on":              {2 * time.Second, ""},
		"it stops and catches up": {25 * time.Second, "0s to 4s into the outage 4 were acked (p50 25s)"},
		"nothing at all":          {-1, "0 were acked"},
	} {
		t.Run(name, func(t *testing.T) {
			r := attemptOf(time.Millisecond, c.during, time.Millisecond)
			if said := fmt.Sprint(goesOn(r.c, r.fault[0], r.fault[1])); c.says == "" && said != "<nil>" || !strings.Contains(said, c.says) {
				t.Errorf("it says %s, wanted %q", said, c.says)
			}
		})
	}
}

// A server that has ended by itself is not taken for one that was killed, and what it said last is told.
func TestAnEndOfItsOwnIsTold(t *testing.T) {
	s := &server{exited: make(chan struct{}), logs: []string{"panic: why not"}}
	if err := s.lives(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	close(s.exited)
	if err := s.lives(); err == nil || !strings.Contains(err.Error(), "panic: why not") {
		t.Errorf("it says %v", err)
	}
}

// A server that is killed must find its address free again: it is none that the kernel gives to outgoing connections.
func TestTheAddressStaysFree(t *testing.T) {
	for range 20 {
		s, err := newServer(options{dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if _, port, err := net.SplitHostPort(s.addr); err != nil || len(port) != 5 || port >= "30000" {
			t.Fatalf("%s, %v", s.addr, err)
		}
	}
}

func TestEveryNodeMustSayWhatIsDown(t *testing.T) {
	node := func(body string) *server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Cleanup(s.Close)
		return &server{addr: s.Listener.Addr().String()}
	}
	d := &deployment{nodes: []*server{node(`{"state":"degraded","log":"ok","bus":"down","store":"ok"}`), node(`{"state":"ok","log":"ok","bus":"ok","store":"ok"}`)}}
	down := func(h health) bool { return h.Bus != "ok" }
	if _, err := d.awaitAll(t.Context(), -noise, down); err == nil || !strings.Contains(err.Error(), "node 2") || strings.Contains(err.Error(), "node 1") {
		t.Errorf("it says %v", err)
	}
	d.nodes = d.nodes[:1]
	if _, err := d.awaitAll(t.Context(), -noise, down); err != nil {
		t.Error(err)
	}
}

// An unknown fault and an unknown trial are refused, and the known ones named.
func TestWhatIsNotKnownIsRefused(t *testing.T) {
	if err := chaos(t.Context(), options{fault: "meteor"}); err == nil || !strings.Contains(err.Error(), "redis-killed") {
		t.Errorf("it says %v", err)
	}
	if err := run([]string{"meteor"}); err == nil || !strings.Contains(err.Error(), "chaos") {
		t.Errorf("it says %v", err)
	}
}
