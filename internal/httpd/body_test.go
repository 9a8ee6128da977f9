package httpd_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/httpd"
)

// oneConn is a listener of a single connection, within a bubble.
type oneConn struct {
	conns chan net.Conn
	over  chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error   { close(l.over); return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A body that nobody reads and that never comes does not keep its connection.
func TestABodyThatNeverComes(t *testing.T) {
	for _, path := range []string{"/", "/readyz", "/metrics"} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			l := oneConn{make(chan net.Conn, 1), make(chan struct{})}
			l.conns <- server
			srv := httpd.NewServer(serve(t, nil), 1000)
			go srv.Serve(l)
			begin := time.Now()
			fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", path)
			answer, err := io.ReadAll(client)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 405") || time.Since(begin) > 30*time.Second {
				t.Errorf("%s: %.80q, %v, after %v", path, answer, err, time.Since(begin))
			}
			client.Close()
			srv.Close()
			synctest.Wait()
		})
	}
}
