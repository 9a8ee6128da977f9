package engineio_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDrainRefusesNewSessionsOnly(t *testing.T) {
	released := make(chan struct{}, 10)
	o := fast()
	o.Admit = func(*http.Request) (func(), error) { return func() { released <- struct{}{} }, nil }
	f := start(t, o, echoApp())
	sid := f.polling()
	f.eio.Drain()
	a := f.do(f.request("GET", f.url("EIO=4&transport=polling"), nil))
	f.want(a, 503, `{"code":4,"message":"Server shutting down"}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	receive(t, "the refused session's place back", released)
	f.want(f.post(sid, "4still here"), 200, "ok")
	f.want(f.get(sid), 200, "4still here")
}

func TestAllowJudgesForeignSessionsToo(t *testing.T) {
	o := fast()
	o.Allow = func(r *http.Request) error {
		if r.Header.Get("Origin") != "" {
			return errors.New("no")
		}
		return nil
	}
	o.Foreign = func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		fmt.Fprint(w, "forwarded")
		return true
	}
	f := start(t, o, echoApp())
	f.want(f.get("elsewhere"), 200, "forwarded")
	req := f.request("GET", f.sidURL("elsewhere"), nil)
	req.Header.Set("Origin", "https://evil.example")
	f.want(f.do(req), 403, `{"code":4,"message":"Forbidden"}`)
}

// net/http reads the rest of a body before it answers; a client that keeps it waiting must not keep the connection.
func TestABodyThatStopsEndsItsConnection(t *testing.T) {
	o := fast()
	o.WriteTimeout = 100 * time.Millisecond
	f := start(t, o, echoApp())
	sid := f.polling()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.http.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n4", sid)
	conn.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Errorf("got %.80q, %v", answer, err)
	}
}
