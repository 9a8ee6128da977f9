package engineio_test

// Each test here has the meaning of one case, or of a polling and websocket
// pair, of the official Engine.IO v4 suite.

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

func suiteOptions() engineio.Options {
	return engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 1_000_000}
}

func TestHandshakeTellsAll(t *testing.T) {
	f := start(t, suiteOptions(), echoApp())
	a := f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil))
	f.want(a, 200, "*")
	byPolling := parseHello(t, a.body)
	_, byWebsocket := f.websocket()
	if !slices.Equal(byPolling.Upgrades, []string{"websocket"}) {
		t.Errorf("polling: upgrades %q", byPolling.Upgrades)
	}
	if byWebsocket.Upgrades == nil || len(byWebsocket.Upgrades) != 0 {
		t.Errorf("websocket: upgrades %v, want an empty list", byWebsocket.Upgrades)
	}
	for _, h := range []hello{byPolling, byWebsocket} {
		if len(h.SID) != 20 || h.PingInterval != 300 || h.PingTimeout != 200 || h.MaxPayload != 1_000_000 {
			t.Errorf("handshake %+v", h)
		}
	}
	if byPolling.SID == byWebsocket.SID {
		t.Error("two sessions with one id")
	}
	if ct := a.header.Get("Content-Type"); ct != "text/plain; charset=UTF-8" {
		t.Errorf("content type %q", ct)
	}
	if cc := a.header.Get("Cache-Control"); cc != "no-store" {
		t.Errorf("cache control %q", cc)
	}
}

func TestHandshakeRefusals(t *testing.T) {
	f := start(t, suiteOptions(), echoApp())
	for _, c := range []struct{ method, query, body string }{
		{"GET", "transport=polling", `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=abc&transport=polling", `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=3&transport=polling", `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=4", `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=abc", `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=webtransport", `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4&transport=__proto__", `{"code":0,"message":"Transport unknown"}`},
		{"POST", "EIO=4&transport=polling", `{"code":2,"message":"Bad handshake method"}`},
		{"PUT", "EIO=4&transport=polling", `{"code":2,"message":"Bad handshake method"}`},
		{"GET", "EIO=4&transport=websocket", `{"code":3,"message":"Bad request"}`},
		{"GET", "EIO=4&transport=polling&sid=nobody", `{"code":1,"message":"Session ID unknown"}`},
		{"POST", "EIO=4&transport=polling&sid=nobody", `{"code":1,"message":"Session ID unknown"}`},
	} {
		a := f.do(f.request(c.method, f.url(c.query), nil))
		f.want(a, 400, c.body)
		if ct := a.header.Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s %s: content type %q", c.method, c.query, ct)
		}
	}
}

func TestWebsocketHandshakeRefusedBefore101(t *testing.T) {
	f := start(t, suiteOptions(), echoApp())
	for _, query := range []string{
		"transport=websocket",
		"EIO=abc&transport=websocket",
		"EIO=4",
		"EIO=4&transport=abc",
		"EIO=4&transport=polling",
		"EIO=4&transport=websocket&sid=nobody",
	} {
		_, err := f.dialErr(query)
		var status ws.StatusError
		if !errors.As(err, &status) || status != 400 {
			t.Errorf("%s: %v, want status 400", query, err)
		}
	}
	if n := f.eio.Sessions(); n != 0 {
		t.Errorf("%d sessions after refusals", n)
	}
}

func TestPollingCarriesTextAndBinary(t *testing.T) {
	f := start(t, suiteOptions(), echoApp())
	for _, body := range []string{"4hello", "4one\x1e4two\x1e4three", "4hello\x1ebAQIDBA=="} {
		sid := f.polling()
		f.want(f.post(sid, body), 200, "ok")
		f.want(f.get(sid), 200, body)
	}
}

func TestWebsocketCarriesTextAndBinary(t *testing.T) {
	f := start(t, suiteOptions(), echoApp())
	c, _ := f.websocket()
	c.send("4hello")
	c.want("4hello")
	c.binary([]byte{1, 2, 3, 4})
	fr, err := c.read()
	if err != nil || fr.Header.OpCode != ws.OpBinary || !slices.Equal(fr.Payload, []byte{1, 2, 3, 4}) {
		t.Fatalf("frame %+v %v (%v)", fr.Header, fr.Payload, err)
	}
}

func TestGarbageEndsTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	for _, body := range []string{"abc", "", "4a\x1e", "\x1e4a", "9", "b!", "2", "4\xff"} {
		sid := f.polling()
		f.want(f.post(sid, body), 400, `{"code":3,"message":"Bad request"}`)
		f.want(f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
	}
	c, _ := f.websocket()
	c.send("abc")
	c.wantEnd()
}

func TestTwoPollsEndTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	first := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	f.want(f.get(sid), 400, "*")
	f.want(receive(t, "the first poll's answer", first), 200, "1")
	f.want(f.get(sid), 400, "*")
	f.wantClosed(engineio.TransportError)
}

func TestCancelledPollEndsTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	ctx, cancel := context.WithCancel(context.Background())
	req := f.request("GET", f.sidURL(sid), nil).WithContext(ctx)
	poll := later(func() answer { return f.do(req) })
	waitForPoll(t, s)
	cancel()
	<-poll
	f.want(f.get(sid), 400, "*")
	f.wantClosed(engineio.TransportError)
}

func TestHeartbeatKeepsASessionAlive(t *testing.T) {
	o := fast()
	o.PingInterval, o.PingTimeout = 30*time.Millisecond, patience
	f := start(t, o, echoApp())
	sid := f.polling()
	c, _ := f.websocket()
	for range 3 {
		f.want(f.get(sid), 200, "2")
		f.want(f.post(sid, "3"), 200, "ok")
		c.want("2")
		c.send("3")
	}
}

func TestSilentClientsTimeOut(t *testing.T) {
	o := fast()
	o.PingInterval, o.PingTimeout = 60*time.Millisecond, 40*time.Millisecond
	f := start(t, o, echoApp())
	born := time.Now()
	sid := f.polling()
	f.wantClosed(engineio.PingTimeout)
	if age := time.Since(born); age < 100*time.Millisecond {
		t.Errorf("timed out after %v, before interval + timeout", age)
	}
	f.want(f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
	c, _ := f.websocket()
	c.wantEnd()
	f.wantClosed(engineio.PingTimeout)
}

func TestClientLeaves(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	poll := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	f.want(f.post(sid, "1"), 200, "ok")
	f.want(receive(t, "the poll's answer", poll), 200, "6")
	f.want(f.get(sid), 400, "*")
	f.wantClosed(engineio.TransportClose)

	c, _ := f.websocket()
	c.send("1")
	c.wantEnd()
	f.wantClosed(engineio.TransportClose)
}

// The poll and the POST with the close packet were sent together; the POST wins.
func TestPollThatCrossesTheClosePacket(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	f.want(f.post(sid, "1"), 200, "ok")
	f.wantClosed(engineio.TransportClose)
	f.want(f.post(sid, "4late"), 400, "*")
	f.want(f.get(sid), 200, "6")
	f.want(f.get(sid), 400, "*")
}

func TestUpgrade(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	c := f.candidate(sid)
	c.send("2probe")
	c.want("3probe")
	f.want(f.get(sid), 200, "6")
	f.want(f.get(sid), 200, "6")
	if s.Transport() != "polling" {
		t.Error("on a websocket before the upgrade packet")
	}
	c.send("5")
	c.send("4hello")
	c.want("4hello")
	if s.Transport() != "websocket" {
		t.Error("on polling after the upgrade")
	}
}

func TestUpgradedSessionIgnoresOthers(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	c := f.upgrade(sid)
	c.send("4there")
	c.want("4there")
	f.want(f.get(sid), 400, `{"code":3,"message":"Bad request"}`)
	f.want(f.post(sid, "4by post"), 400, `{"code":3,"message":"Bad request"}`)
	f.candidate(sid).wantEnd()
	c.send("4hello")
	c.want("4hello")
}

// waitForPoll waits until the session's GET has arrived.
func waitForPoll(t *testing.T, s *engineio.Session) {
	t.Helper()
	eventually(t, "a poll waits", func() bool { return engineio.Polling(s) })
}
