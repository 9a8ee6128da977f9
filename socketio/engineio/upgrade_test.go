package engineio_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Thousands of messages in both directions while the session moves from
// polling to a websocket, as a client that pauses polling does it.
func TestUpgradeUnderLoadKeepsOrder(t *testing.T) {
	const total = 4000
	a := newApp()
	up := make(chan string, 2*total)
	a.onMessage = func(s *engineio.Session, data []byte, binary bool) { up <- string(data) }
	started := make(chan struct{})
	a.onOpen = func(s *engineio.Session) { go sendCounted(s, started, total) }
	f := start(t, fast(), a)
	sid := f.polling()
	close(started)

	var down []string
	sent := 0
	body := func(n int) string {
		var packets []string
		for range n {
			packets = append(packets, fmt.Sprintf("4u%d", sent))
			sent++
		}
		return strings.Join(packets, "\x1e")
	}
	poll := func() {
		got := f.get(sid)
		f.want(got, 200, "*")
		for _, p := range strings.Split(got.body, "\x1e") {
			if d, ok := strings.CutPrefix(p, "4"); ok {
				down = append(down, d)
			}
		}
	}
	for range 20 {
		f.want(f.post(sid, body(50)), 200, "ok")
		poll()
	}
	c := f.candidate(sid)
	c.send("2probe")
	posts := later(func() answer { return f.post(sid, body(200)) })
	poll()
	c.want("3probe")
	poll()
	f.want(receive(t, "the POST's answer", posts), 200, "ok") // nothing is open any more: polling is paused
	c.send("5")
	go func() {
		for ; sent < total; sent++ {
			c.raw(maskedText(fmt.Sprintf("4u%d", sent)))
		}
	}()
	for len(down) < total {
		if d, ok := strings.CutPrefix(c.text(), "4"); ok {
			down = append(down, d)
		}
	}
	wantCounted(t, "d", down)
	var arrived []string
	for range total {
		arrived = append(arrived, receive(t, "message to the server", up))
	}
	wantCounted(t, "u", arrived)
}

// sendCounted sends d0, d1 and so on, as fast as the client takes them.
func sendCounted(s *engineio.Session, started <-chan struct{}, total int) {
	<-started
	for i := range total {
		if s.Ready(context.Background(), 16<<10) != nil || s.Send(text(fmt.Sprint("d", i))) != nil {
			return
		}
	}
}

// wantCounted checks that got is prefix0, prefix1 and so on.
func wantCounted(t *testing.T, prefix string, got []string) {
	t.Helper()
	for i, m := range got {
		if m != fmt.Sprint(prefix, i) {
			t.Fatalf("message %d is %q, want %s%d", i, m, prefix, i)
		}
	}
}

func TestUpgradeReleasesTheWaitingPoll(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	poll := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	c := f.candidate(sid)
	c.send("2probe")
	c.want("3probe")
	f.want(receive(t, "the poll's answer", poll), 200, "6")
	c.send("5")
	c.send("4x")
	c.want("4x")
}

// A poll still open at the upgrade packet is let go; one so young that it must
// have been sent after that packet is told that the session has moved.
func TestPollOpenAtTheSwitch(t *testing.T) {
	for _, c := range []struct {
		age    time.Duration
		status int
		body   string
	}{
		{time.Hour, 200, "6"},
		{-time.Hour, 400, `{"code":3,"message":"Bad request"}`},
	} {
		f := start(t, fast(), echoApp())
		sid := f.polling()
		s := f.session()
		ws := f.candidate(sid)
		ws.send("2probe")
		ws.want("3probe")
		poll := later(func() answer { return f.get(sid) })
		eventually(t, "a poll of the wanted age", func() bool {
			select {
			case a := <-poll: // its noop was faster
				f.want(a, 200, "6")
				poll = later(func() answer { return f.get(sid) })
			default:
			}
			return engineio.AgePoll(s, c.age)
		})
		ws.send("5")
		f.want(receive(t, "the poll's answer", poll), c.status, c.body)
		ws.send("4x")
		ws.want("4x")
	}
}

// Until the upgrade packet comes, output goes out by polling.
func TestOutputDuringUpgrade(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	c := f.candidate(sid)
	c.send("2probe")
	c.want("3probe")
	s.Send(text("by polling"))
	f.want(f.get(sid), 200, "4by polling")
	s.Send(text("by websocket"))
	c.send("5")
	c.want("4by websocket")
}

// A frame of which polling has taken the first packets goes on where it was.
func TestUpgradeInTheMiddleOfAFrame(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	var ms []engineio.Message
	var first, rest []string
	for i := range 20 {
		m := fmt.Sprint("part", i)
		ms = append(ms, engineio.Message{Data: []byte(m)})
		if i < 16 {
			first = append(first, "4"+m)
		} else {
			rest = append(rest, "4"+m)
		}
	}
	s.Send(engineio.NewFrame(ms...))
	f.want(f.get(sid), 200, strings.Join(first, "\x1e"))
	c := f.upgrade(sid)
	for _, m := range rest {
		c.want(m)
	}
	eventually(t, "nothing queued", func() bool { return s.Queued() == 0 })
}

// Whatever a candidate does wrong costs it its connection, and nothing else.
func TestFailedUpgradesLeavePollingAlone(t *testing.T) {
	for name, try := range map[string]func(f *fixture, c *wsClient){
		"message first":       func(f *fixture, c *wsClient) { c.send("4hello") },
		"upgrade first":       func(f *fixture, c *wsClient) { c.send("5") },
		"plain ping":          func(f *fixture, c *wsClient) { c.send("2") },
		"binary probe":        func(f *fixture, c *wsClient) { c.binary([]byte("2probe")) },
		"garbage after probe": func(f *fixture, c *wsClient) { c.send("2probe"); c.want("3probe"); c.send("zzz") },
		"message after probe": func(f *fixture, c *wsClient) { c.send("2probe"); c.want("3probe"); c.send("4early") },
		"broken frame":        func(f *fixture, c *wsClient) { c.raw(bytes.Repeat([]byte{0xff}, 14)) },
		"hangs up":            func(f *fixture, c *wsClient) { c.conn.Close() },
		"dies after probe":    func(f *fixture, c *wsClient) { c.send("2probe"); c.want("3probe"); c.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, fast(), echoApp())
			sid := f.polling()
			c := f.candidate(sid)
			try(f, c)
			c.wantEnd()
			f.want(f.post(sid, "4still here"), 200, "ok")
			f.want(f.get(sid), 200, "4still here")
			// Once the server has noticed, another try may succeed.
			eventually(t, "an upgrade after the failed one", func() bool {
				again := f.candidate(sid)
				again.send("2probe")
				fr, err := again.read()
				if err != nil || string(fr.Payload) != "3probe" {
					return false
				}
				again.send("5")
				again.send("4moved")
				again.want("4moved")
				return true
			})
		})
	}
}

func TestUpgradeTimesOut(t *testing.T) {
	o := fast()
	o.UpgradeTimeout = 50 * time.Millisecond
	f := start(t, o, echoApp())
	sid := f.polling()
	silent := f.candidate(sid)
	silent.wantEnd()
	probed := f.candidate(sid)
	probed.send("2probe")
	probed.want("3probe")
	probed.wantEnd()
	f.want(f.post(sid, "4still here"), 200, "ok")
	f.want(f.get(sid), 200, "4still here")
}

func TestSecondCandidateIsTurnedAway(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	first := f.candidate(sid)
	first.send("2probe")
	first.want("3probe")
	f.candidate(sid).wantEnd()
	first.send("5")
	first.send("4mine")
	first.want("4mine")
}

// The session's end takes the candidate along.
func TestEndDuringUpgrade(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	c := f.candidate(sid)
	c.send("2probe")
	c.want("3probe")
	s.Close(engineio.ForcedClose)
	c.wantEnd()
	f.wantClosed(engineio.ForcedClose)
	f.want(f.get(sid), 200, "1")
}

// A ping sent by polling may be answered on the websocket.
func TestHeartbeatSurvivesTheUpgrade(t *testing.T) {
	o := fast()
	o.PingInterval, o.PingTimeout = 50*time.Millisecond, patience
	f := start(t, o, echoApp())
	sid := f.polling()
	f.want(f.get(sid), 200, "2")
	c := f.upgrade(sid)
	c.send("3")
	c.want("2")
	c.send("3")
	c.want("2")
}
