package engineio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

func TestCORS(t *testing.T) {
	o := fast()
	o.CORS = func(r *http.Request, origin string) bool { return origin == "https://good.example" }
	f := start(t, o, echoApp())
	ask := func(method, query, origin string) answer {
		req := f.request(method, f.url(query), nil)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Headers", "x-token")
		return f.do(req)
	}
	for _, c := range []struct {
		method, query string
		status        int
	}{
		{"GET", "EIO=4&transport=polling", 200},
		{"GET", "EIO=4&transport=polling&sid=nobody", 400}, // errors too: browsers hide them otherwise
		{"OPTIONS", "EIO=4&transport=polling", 204},
	} {
		good, bad := ask(c.method, c.query, "https://good.example"), ask(c.method, c.query, "https://bad.example")
		f.want(good, c.status, "*")
		f.want(bad, c.status, "*")
		if o := good.header.Get("Access-Control-Allow-Origin"); o != "https://good.example" {
			t.Errorf("%s %s: allowed origin %q", c.method, c.query, o)
		}
		if good.header.Get("Access-Control-Allow-Credentials") != "true" || good.header.Get("Vary") == "" {
			t.Errorf("%s %s: headers %v", c.method, c.query, good.header)
		}
		if o := bad.header.Get("Access-Control-Allow-Origin"); o != "" {
			t.Errorf("%s %s: a foreign origin was allowed as %q", c.method, c.query, o)
		}
	}
	pre := ask("OPTIONS", "EIO=4&transport=polling", "https://good.example")
	if m := pre.header.Get("Access-Control-Allow-Methods"); m != "GET,HEAD,PUT,PATCH,POST,DELETE" {
		t.Errorf("preflight methods %q", m)
	}
	if h := pre.header.Get("Access-Control-Allow-Headers"); h != "x-token" {
		t.Errorf("preflight headers %q", h)
	}
}

func TestWithoutCORSNoHeaders(t *testing.T) {
	f := start(t, fast(), echoApp())
	req := f.request("GET", f.url("EIO=4&transport=polling"), nil)
	req.Header.Set("Origin", "https://any.example")
	a := f.do(req)
	f.want(a, 200, "*")
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("header %s", name)
		}
	}
}

func TestAllowGuardsEveryRequest(t *testing.T) {
	var deny atomic.Bool
	o := fast()
	o.Allow = func(*http.Request) error {
		if deny.Load() {
			return errors.New("secret reason")
		}
		return nil
	}
	f := start(t, o, echoApp())
	sid := f.polling()
	deny.Store(true)
	f.want(f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil)), 403, `{"code":4,"message":"Forbidden"}`)
	f.want(f.get(sid), 403, `{"code":4,"message":"Forbidden"}`)
	f.want(f.post(sid, "4x"), 403, `{"code":4,"message":"Forbidden"}`)
	for _, q := range []string{"", "&sid=" + sid} {
		_, err := f.dialErr("EIO=4&transport=websocket" + q)
		var status ws.StatusError
		if !errors.As(err, &status) || status != 403 {
			t.Errorf("websocket%s: %v, want status 403", q, err)
		}
	}
	deny.Store(false)
	f.want(f.post(sid, "4x"), 200, "ok") // a refusal does not end the session
	f.want(f.get(sid), 200, "4x")
}

func TestRefusalChoosesTheAnswer(t *testing.T) {
	o := fast()
	o.Allow = func(*http.Request) error {
		return fmt.Errorf("gateway: %w", &engineio.Refusal{Status: 503, Code: 9, Message: "full", RetryAfter: 1500 * time.Millisecond})
	}
	f := start(t, o, echoApp())
	a := f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil))
	f.want(a, 503, `{"code":9,"message":"full"}`)
	if ra := a.header.Get("Retry-After"); ra != "2" {
		t.Errorf("retry after %q, want 2", ra)
	}
}

func TestForeignSessionIsHandedOver(t *testing.T) {
	o := fast()
	o.Foreign = func(w http.ResponseWriter, r *http.Request, sid string) bool {
		if !strings.HasPrefix(sid, "other-node") {
			return false
		}
		fmt.Fprintf(w, "forwarded %s %s", r.Method, sid)
		return true
	}
	f := start(t, o, echoApp())
	f.want(f.get("other-node-1"), 200, "forwarded GET other-node-1")
	f.want(f.post("other-node-1", "4x"), 200, "forwarded POST other-node-1")
	f.want(f.get("nobody"), 400, `{"code":1,"message":"Session ID unknown"}`)
}

func TestOwnSessionIDs(t *testing.T) {
	next := "first-id"
	o := fast()
	o.NewID = func() string { return next }
	f := start(t, o, echoApp())
	if sid := f.polling(); sid != "first-id" {
		t.Errorf("sid %q", sid)
	}
	f.want(f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil)), 400, `{"code":3,"message":"Bad request"}`) // taken
	next = ""
	f.want(f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil)), 400, `{"code":3,"message":"Bad request"}`)
}

func TestRequestAndData(t *testing.T) {
	f := start(t, fast(), echoApp())
	req := f.request("GET", f.url("EIO=4&transport=polling&room=blue&t=abc"), nil)
	req.Header.Set("X-Test", "yes")
	f.want(f.do(req), 200, "*")
	s := f.session()
	r := s.Request()
	if r.Query.Get("room") != "blue" || r.Header.Get("X-Test") != "yes" || r.RemoteAddr == "" || r.Host == "" || r.TLS || r.Time.IsZero() {
		t.Errorf("request %+v", r)
	}
	if s.Data() != nil {
		t.Errorf("data %v before it was set", s.Data())
	}
	s.SetData(42)
	if s.Data() != 42 {
		t.Errorf("data %v", s.Data())
	}
}

func TestEmptyFrameSaysNothing(t *testing.T) {
	f := start(t, fast(), newApp())
	c, _ := f.websocket()
	s := f.session()
	s.Send(engineio.NewFrame())
	s.Send(text("next"))
	c.want("4next")
}

// What Open sends follows the open packet.
func TestSendInOpen(t *testing.T) {
	a := newApp()
	a.onOpen = func(s *engineio.Session) { s.Send(text("welcome")) }
	f := start(t, fast(), a)
	f.want(f.get(f.polling()), 200, "4welcome")
	c, _ := f.websocket()
	c.want("4welcome")
}

func TestCloseInOpen(t *testing.T) {
	a := newApp()
	a.onOpen = func(s *engineio.Session) { s.Send(text("sorry")); s.Close(engineio.ForcedClose) }
	f := start(t, fast(), a)
	f.want(f.get(f.polling()), 200, "4sorry\x1e1")
	f.wantClosed(engineio.ForcedClose)
	c, _ := f.websocket()
	c.want("4sorry")
	c.wantEnd()
	f.wantClosed(engineio.ForcedClose)
}

func TestPanicEndsOneSession(t *testing.T) {
	a := echoApp()
	echo := a.onMessage
	a.onMessage = func(s *engineio.Session, data []byte, binary bool) {
		if string(data) == "panic" {
			panic("as asked")
		}
		echo(s, data, binary)
	}
	f := start(t, fast(), a)
	neighbour, _ := f.websocket()
	c, _ := f.websocket()
	c.send("4panic")
	if status := c.wantEnd(); status != 1011 {
		t.Errorf("status %d, want 1011", status)
	}
	f.wantClosed(engineio.ForcedServerClose)
	sid := f.polling()
	f.want(f.post(sid, "4panic\x1e4never"), 400, "*")
	f.wantClosed(engineio.ForcedServerClose)
	f.want(f.get(sid), 400, "*")
	neighbour.send("4fine")
	neighbour.want("4fine")
}

func TestPanicInOpen(t *testing.T) {
	a := newApp()
	a.onOpen = func(*engineio.Session) { panic("as asked") }
	f := start(t, fast(), a)
	f.want(f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil)), 400, "*")
	f.wantClosed(engineio.ForcedServerClose)
	f.dial("EIO=4&transport=websocket").wantEnd()
	f.wantClosed(engineio.ForcedServerClose)
}

func TestServerClose(t *testing.T) {
	f := start(t, fast(), newApp())
	idle := f.polling()
	f.session()
	waiting := f.polling()
	s := f.session()
	poll := later(func() answer { return f.get(waiting) })
	waitForPoll(t, s)
	c, _ := f.websocket()
	wsSession := f.session()
	wsSession.Send(text("last words"))
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- f.eio.Close(ctx)
	}()
	f.want(receive(t, "the poll's answer", poll), 200, "1")
	c.want("4last words")
	c.wantEnd()
	c.conn.Close()
	if err := receive(t, "end of Close", done); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.wantClosed(engineio.ShuttingDown)
	}
	f.want(f.get(idle), 400, "*")
	f.want(f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil)), 503, "*")
}

func TestServerCloseCutsWhenItsTimeIsUp(t *testing.T) {
	block := make(chan struct{})
	a := newApp()
	a.onMessage = func(*engineio.Session, []byte, bool) { <-block }
	f := start(t, fast(), a)
	c, _ := f.websocket()
	c.send("4x")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := f.eio.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	close(block)
	f.wantClosed(engineio.ShuttingDown)
}
