package engineio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Release is told once per session, after Close.
func TestReleaseOncePerSession(t *testing.T) {
	var released, closedFirst atomic.Int32
	a := echoApp()
	o := fast()
	o.Release = func(s *engineio.Session) {
		defer released.Add(1)
		a.mu.Lock()
		defer a.mu.Unlock()
		if calls := a.calls[s]; len(calls) > 0 && calls[len(calls)-1] == "close" {
			closedFirst.Add(1)
		}
	}
	f := start(t, o, a)
	left := f.polling()
	f.want(f.post(left, "1"), 200, "ok")
	c, _ := f.websocket()
	c.conn.Close()
	up := f.upgrade(f.polling())
	up.send("1")
	up.wantEnd()
	up.conn.Close()
	eventually(t, "three releases", func() bool { return released.Load() == 3 })
	if n := closedFirst.Load(); n != 3 {
		t.Errorf("%d sessions were closed before their release, want 3", n)
	}
}

// Many clients come and leave in every way; start checks that no goroutine stays.
func TestClientsComeAndGo(t *testing.T) {
	f := start(t, fast(), echoApp())
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			switch i % 4 {
			case 0:
				f.post(f.polling(), "4a\x1e1")
			case 1:
				c, _ := f.websocket()
				c.send("4a")
				c.want("4a")
				c.conn.Close()
			case 2:
				c := f.upgrade(f.polling())
				c.send("1")
				c.wantEnd()
			case 3:
				sid := f.polling()
				ctx, cancel := context.WithCancel(context.Background())
				req := f.request("GET", f.sidURL(sid), nil).WithContext(ctx)
				poll := later(func() answer { return f.do(req) })
				eventually(t, "a poll waits", func() bool { return engineio.PollingID(f.eio, sid) })
				cancel()
				<-poll
			}
		})
	}
	wg.Wait()
	eventually(t, "all sessions gone", func() bool { return f.eio.Sessions() == 0 })
}

func TestFirstSubprotocolIsSelected(t *testing.T) {
	f := start(t, fast(), echoApp())
	for _, offered := range [][]string{nil, {"chat"}, {"v2.chat", "v1.chat"}} {
		c, err := f.dialErr("EIO=4&transport=websocket", offered...)
		if err != nil {
			t.Fatalf("%q: %v", offered, err)
		}
		want := append(offered, "")[0]
		if c.hs.Protocol != want {
			t.Errorf("%q: selected %q, want %q", offered, c.hs.Protocol, want)
		}
		if len(c.hs.Extensions) != 0 {
			t.Errorf("extensions %v", c.hs.Extensions)
		}
	}
}

func TestBase64Websocket(t *testing.T) {
	f := start(t, fast(), echoApp())
	c := f.dial("EIO=4&transport=websocket&b64=1")
	parseHello(t, c.text())
	c.send("b" + base64.StdEncoding.EncodeToString([]byte{1, 2, 3}))
	c.want("bAQID")
	c.send("4plain")
	c.want("4plain")
	f.session().Send(engineio.NewFrame(engineio.Message{Data: []byte("header")}, engineio.Message{Data: []byte{1, 2, 3}, Binary: true}))
	c.want("4header")
	c.want("bAQID")
}

// raw101 opens a websocket without a library; behind follows the handshake in
// the same write. It returns once the 101 has been read.
func (f *fixture) raw101(behind []byte) *wsClient {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.http.Listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	request := "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	conn.Write(append([]byte(request), behind...))
	conn.SetReadDeadline(time.Now().Add(patience))
	var answer []byte
	for one := make([]byte, 1); !bytes.HasSuffix(answer, []byte("\r\n\r\n")); answer = append(answer, one...) {
		if _, err := conn.Read(one); err != nil {
			f.t.Fatalf("%q: %v", answer, err)
		}
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) {
		f.t.Fatalf("answer %q", answer)
	}
	return &wsClient{t: f.t, conn: conn, r: conn}
}

// A client may send its first frames right behind the handshake.
func TestFramesBehindTheHandshake(t *testing.T) {
	f := start(t, fast(), echoApp())
	early := strings.Repeat("x", 2000)
	c := f.raw101(append(maskedText("4"+early), maskedText("4second")...))
	parseHello(t, c.text())
	c.want("4" + early)
	c.want("4second")
}

func TestBrokenWebsocketHandshakes(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	for _, query := range []string{"EIO=4&transport=websocket", "EIO=4&transport=websocket&sid=" + sid} {
		for name, header := range map[string]string{
			"no key":      "Sec-WebSocket-Version: 13\r\n",
			"old version": "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		} {
			conn, err := net.Dial("tcp", f.http.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n", query, header)
			conn.SetReadDeadline(time.Now().Add(patience))
			b := make([]byte, 12)
			if _, err := conn.Read(b); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 4") {
				t.Errorf("%s, %s: %q (%v)", query, name, b, err)
			}
			conn.Close()
		}
	}
	// The polling session is still there and can be upgraded, once the last broken attempt has let go of it: it answers before it does.
	f.want(f.post(sid, "4still there"), 200, "ok")
	f.want(f.get(sid), 200, "4still there")
	eventually(t, "the broken attempt is over", func() bool { return !engineio.Probing(f.eio, sid) })
	c := f.upgrade(sid)
	c.send("4x")
	c.want("4x")
	if n := len(f.app.opened); n != 1 {
		t.Errorf("the handler heard of %d sessions, want 1", n)
	}
}

func TestTLS(t *testing.T) {
	a := echoApp()
	f := start(t, fast(), a)
	srv := httptest.NewTLSServer(f.eio)
	defer srv.Close()
	d := ws.Dialer{Timeout: patience, TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, br, _, err := d.Dial(context.Background(), "wss"+strings.TrimPrefix(srv.URL, "https")+"/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &wsClient{t: t, conn: conn, r: conn}
	if br != nil {
		c.r = br
	}
	parseHello(t, c.text())
	s := f.session()
	if !s.Request().TLS {
		t.Error("TLS not noticed")
	}
	for range 100 {
		s.Send(text(strings.Repeat("x", 3000)))
	}
	for range 100 {
		c.want("4" + strings.Repeat("x", 3000))
	}
	s.Close(engineio.ForcedClose)
	c.wantEnd()
}

// An idle websocket session keeps at most 10 kB.
func TestIdleWebsocketsAreSmall(t *testing.T) {
	const n = 400
	f := start(t, fast(), newApp())
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	clients := make([]*wsClient, 0, n)
	before := memory()
	for range n {
		c := f.raw101(nil)
		parseHello(t, c.text())
		clients = append(clients, c)
	}
	// Both ends live in this process; the client's is counted too.
	per := int64(memory()-before) / n
	t.Logf("%d bytes per idle websocket, client included", per)
	if per > 10_000 {
		t.Errorf("%d bytes per idle websocket", per)
	}
	runtime.KeepAlive(clients)
}
