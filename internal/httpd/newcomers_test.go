package httpd_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/httpd"
)

// request sends a whole request and reads the answer's status.
func request(t *testing.T, c net.Conn, in *bufio.Reader) int {
	t.Helper()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	res.Body.Close()
	return res.StatusCode
}

// A flood of connections that say nothing, or little, costs a bounded number of descriptors, and keeps nobody else out.
func TestSilentConnectionsMakeRoom(t *testing.T) {
	const most = 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := httpd.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }), most)
	go srv.Serve(l)
	defer srv.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	served := dial()
	in := bufio.NewReader(served)
	if got := request(t, served, in); got != 204 {
		t.Fatalf("status %d", got)
	}
	var flood []net.Conn
	for i := range 3 * most {
		c := dial()
		if i%2 == 1 {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: ") // as much as a trickle
		}
		flood = append(flood, c)
	}
	for i, c := range flood[:2*most] { // all but the newest are closed
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatalf("connection %d was answered", i)
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Fatalf("connection %d of %d is still open; at most %d may be", i, len(flood), most)
		}
	}
	if got := request(t, served, in); got != 204 { // who has brought a request is none of them
		t.Errorf("an old client gets %d", got)
	}
	fresh := dial()
	if got := request(t, fresh, bufio.NewReader(fresh)); got != 204 {
		t.Errorf("a new client gets %d", got)
	}
}
