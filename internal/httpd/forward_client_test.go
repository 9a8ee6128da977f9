package httpd_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/httpd"
)

func TestTheSecondNodeKnowsTheClientAndNothingElseOfIt(t *testing.T) {
	home, other := newMember(t, setup{proxies: "127.0.0.1"}), newMember(t, setup{proxies: "127.0.0.1"})
	p := joined(t, home.url())
	p.base = other.url()
	status, body := p.do(http.MethodPost, "3", "X-Forwarded-For", "203.0.113.7", "Cookie", "a=b", "Authorization", "Bearer x")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	all := home.requests()
	last := all[len(all)-1]
	if last.remote != "203.0.113.7:0" || last.cookie != "" || last.origin != "" {
		t.Errorf("the node saw %+v", last)
	}
	// The same through a websocket.
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"X-Forwarded-For": {"203.0.113.8"}})}
	c, err := dialWS(t, other.url(), p.sid, d)
	if err != nil {
		t.Fatal(err)
	}
	c.send("2probe")
	c.want("3probe")
	all = home.requests()
	if last = all[len(all)-1]; last.remote != "203.0.113.8:0" {
		t.Errorf("the node saw %+v", last)
	}
}

func TestAForwardedRequestIsNeverLoopback(t *testing.T) {
	var proxies auth.Proxies
	for _, mark := range []string{"", "x"} {
		r, _ := http.NewRequest(http.MethodGet, "/metrics", nil)
		r.RemoteAddr = "127.0.0.1:1"
		if mark != "" {
			r.Header.Set(auth.HopHeader, mark)
		}
		if proxies.Loopback(r) != (mark == "") {
			t.Errorf("mark %q: loopback %v", mark, proxies.Loopback(r))
		}
	}
}

func TestOriginsAreJudgedOnceAndAlike(t *testing.T) {
	const page = "https://page.example"
	home, other := newMember(t, setup{}), newMember(t, setup{origins: page}) // only the first node's word counts
	p := joined(t, home.url())
	p.base = other.url()
	res, body := p.answer(http.MethodPost, "3", "Origin", page)
	if res.StatusCode != 200 || len(res.Header.Values("Access-Control-Allow-Origin")) != 1 || res.Header.Get("Access-Control-Allow-Origin") != page ||
		len(res.Header.Values("Vary")) != 1 || len(res.Header.Values("X-Content-Type-Options")) != 1 {
		t.Errorf("%d %s %v", res.StatusCode, body, res.Header)
	}
	if res.Header.Get(auth.HopHeader) != "" {
		t.Error("the proof between nodes reached the client")
	}
	for _, origin := range []string{"https://evil.example", "null"} {
		if status, body := p.do(http.MethodPost, "3", "Origin", origin); status != 403 || refusal(t, body) != 4 {
			t.Errorf("%s: %d %s", origin, status, body)
		}
		_, err := dialWS(t, other.url(), p.sid, ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {origin}})})
		if status, ok := err.(ws.StatusError); !ok || int(status) != 403 {
			t.Errorf("%s, websocket: %v", origin, err)
		}
	}
	if _, err := dialWS(t, other.url(), p.sid, ws.Dialer{Header: ws.HandshakeHeaderHTTP(http.Header{"Origin": {page}})}); err != nil {
		t.Errorf("websocket: %v", err)
	}
	if st := other.forward.Stats(); st.Forwarded != 2 {
		t.Errorf("%+v", st)
	}
}

// A client that is gone before it took its answer may be a library that repeats the request: it must not go on behind the loss.
func TestAnAnswerThatWasNotTakenEndsItsSession(t *testing.T) {
	home, other := newMember(t, setup{}), newMember(t, setup{forward: quick, tight: true})
	p := joined(t, home.url())
	_ = home.sockets.Of("/").Emit("much", strings.Repeat("x", 900_000)) // more than fits on the way to the client, not on that between the nodes
	conn, err := (&net.Dialer{Control: smallReceiveBuffer}).Dial("tcp", other.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", p.sid)
	eventually(t, "the node in between gives up", func() bool { return other.forward.Stats().Forwarded == 1 && other.forward.Stats().Open == 0 })
	p.gone()
}

// smallReceiveBuffer leaves little room for what a client does not read.
func smallReceiveBuffer(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
}

func TestASlowPostIsGivenUp(t *testing.T) {
	noLeak(t)
	home, other := newMember(t, setup{}), newMember(t, setup{forward: quick})
	p := joined(t, home.url())
	conn, err := net.Dial("tcp", other.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n4", p.sid)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	answer, _ := io.ReadAll(conn) // the server closes: the body was not read
	if !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Errorf("got %.100q", answer)
	}
	eventually(t, "the session is gone", func() bool { return home.sockets.Connections() == 0 && other.forward.Stats().Open == 0 })
}

func TestForwardsAreBounded(t *testing.T) {
	home, other := newMember(t, setup{}), newMember(t, setup{forward: func(c *httpd.Forwarding) { c.MaxOpen = 1 }})
	p, q := joined(t, home.url()), joined(t, home.url())
	c := p.upgrade(other.url())
	c.send(`42["say",1]`)
	c.want(`42["echo",1]`)
	q.base = other.url()
	if res, body := q.answer(http.MethodPost, "3"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	c.conn.Close()
	eventually(t, "room again", func() bool { return other.forward.Stats().Open == 0 })
	q.post(`42["say",2]`)
	q.want(`42["echo",2]`)
}

func TestNothingIsLeftOf200Clients(t *testing.T) {
	noLeak(t)
	nodes := []*member{newMember(t, setup{}), newMember(t, setup{})}
	base := roundRobin(t, nodes...)
	const clients = 200
	work := make(chan int, clients)
	for i := range clients {
		work <- i
	}
	close(work)
	var crowd sync.WaitGroup
	for range 8 {
		crowd.Go(func() {
			for i := range work {
				one(t, base, nodes, i)
			}
		})
	}
	crowd.Wait()
	if t.Failed() { // what a client broke off with is still there
		return
	}
	for _, m := range nodes {
		eventually(t, "no session and no forward is left", func() bool { return m.sockets.Connections() == 0 && m.forward.Stats().Open == 0 })
		if st := m.forward.Stats(); st.Forwarded < 100 || st.Refused > 0 {
			t.Errorf("%+v", st)
		}
	}
}

// one is a client's visit: half of them upgrade, and they leave in three ways. What goes wrong ends the goroutine.
func one(t *testing.T, base string, nodes []*member, i int) {
	p := joined(t, base)
	p.post(fmt.Sprintf(`42["say",%d]`, i))
	p.want(fmt.Sprintf(`42["echo",%d]`, i))
	if i%2 == 0 {
		c := p.upgrade(nodes[i/2%2].url())
		c.send(`42["say","ws"]`)
		c.want(`42["echo","ws"]`)
		if i%4 == 0 {
			c.send("1")
			c.wantEnd()
		}
		c.conn.Close()
	} else {
		if i%3 == 0 {
			ctx, cancel := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, p.url(), nil)
			time.AfterFunc(10*time.Millisecond, cancel)
			if res, err := p.http.Do(req); err == nil {
				res.Body.Close()
			}
		}
		_, _ = p.do(http.MethodPost, "1") // 400 when hanging up was quicker
	}
	p.http.CloseIdleConnections()
}
