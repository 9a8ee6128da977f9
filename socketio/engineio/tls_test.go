package engineio_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// A client on TLS that has stopped reading is let go, and nobody who sends to it waits: the alert with which TLS says goodbye can not be
// written to it either, and crypto/tls would try for 5 s.
func TestAStuckTLSClientKeepsNobodyWaiting(t *testing.T) {
	o := fast()
	o.MaxQueue = 64 << 20
	o.WriteTimeout = 300 * time.Millisecond
	f := start(t, o, newApp())
	srv := httptest.NewUnstartedServer(f.eio)
	srv.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*tls.Conn).NetConn().(*net.TCPConn).SetWriteBuffer(64 << 10) // with the kernel's own, the alert finds a place now and then
		return ctx
	}
	srv.StartTLS()
	defer srv.Close()
	d := ws.Dialer{Timeout: patience, TLSConfig: &tls.Config{InsecureSkipVerify: true}}
	d.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetReadBuffer(4 << 10)
		}
		return c, err
	}
	conn, _, _, err := d.Dial(context.Background(), "wss"+strings.TrimPrefix(srv.URL, "https")+"/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := f.session()
	big, tiny := text(strings.Repeat("x", 1<<20)), text("y")
	for range 32 { // more than any kernel takes
		if s.Send(big) != nil {
			break
		}
	}
	var longest time.Duration
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		begin := time.Now()
		err := s.Send(tiny)
		longest = max(longest, time.Since(begin))
		if err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the stuck client was never closed")
		}
	}
	if longest > 3*time.Second {
		t.Errorf("a send waited %v for a client that does not read", longest)
	}
	f.wantClosed(engineio.SlowClient)
}
