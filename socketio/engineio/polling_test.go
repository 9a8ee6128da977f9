package engineio_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Python clients refuse answers of more than 16 packets.
func TestBurstIsCappedPerAnswer(t *testing.T) {
	f := start(t, fast(), newApp())
	sid := f.polling()
	s := f.session()
	for i := range 60 {
		s.Send(text(fmt.Sprint("m", i)))
	}
	next := 0
	for _, want := range []int{16, 16, 16, 12} {
		a := f.get(sid)
		f.want(a, 200, "*")
		packets := strings.Split(a.body, "\x1e")
		if len(packets) != want {
			t.Errorf("%d packets, want %d", len(packets), want)
		}
		for _, p := range packets {
			if p != fmt.Sprint("4m", next) {
				t.Fatalf("packet %q, want m%d", p, next)
			}
			next++
		}
	}
}

func TestLargePollingBodies(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	for _, n := range []int{4095, 65_536, 400_000, 999_999} {
		m := "4" + strings.Repeat("€", (n)/3)
		f.want(f.post(sid, m), 200, "ok")
		f.want(f.get(sid), 200, m)
	}
}

func TestBodyLimitCountsBytesAlsoChunked(t *testing.T) {
	const max = 100_000
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"with length": func(r io.Reader) io.Reader { return r },
		"chunked":     func(r io.Reader) io.Reader { return struct{ io.Reader }{r} },
	} {
		t.Run(name, func(t *testing.T) {
			a := echoApp()
			o := fast()
			o.MaxPayload = max
			f := start(t, o, a)
			sid := f.polling()
			euros := strings.Repeat("€", max/3) // a third of the limit in characters
			over := "4first\x1e4" + euros
			f.want(f.do(f.request("POST", f.sidURL(sid), wrap(strings.NewReader(over)))), 413, `{"code":3,"message":"Payload too large"}`)
			f.want(f.do(f.request("POST", f.sidURL(sid), wrap(strings.NewReader("4"+strings.Repeat("x", max))))), 413, "*") // one byte
			// Nothing of it was handled, and the session lives.
			f.want(f.post(sid, "4second"), 200, "ok")
			f.want(f.get(sid), 200, "4second")
			exact := "4" + strings.Repeat("x", max-1)
			f.want(f.do(f.request("POST", f.sidURL(sid), wrap(strings.NewReader(exact)))), 200, "ok")
			f.want(f.get(sid), 200, exact)
		})
	}
}

func TestOctetStreamEndsTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	req := f.request("POST", f.sidURL(sid), strings.NewReader("4hello"))
	req.Header.Set("Content-Type", "application/octet-stream")
	f.want(f.do(req), 400, "*")
	f.want(f.get(sid), 400, `{"code":1,"message":"Session ID unknown"}`)
	f.wantClosed(engineio.TransportError)
}

// slowPost starts a POST whose body is still open.
func (f *fixture) slowPost(sid, first string) (*io.PipeWriter, <-chan answer) {
	r, w := io.Pipe()
	c := later(func() answer { return f.do(f.request("POST", f.sidURL(sid), r)) })
	io.WriteString(w, first)
	return w, c
}

func TestTwoPostsEndTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	w, first := f.slowPost(sid, "4half a mess")
	defer w.Close()
	eventually(t, "a POST is read", func() bool { return engineio.Posting(s) })
	f.want(f.post(sid, "4other"), 400, "*")
	f.wantClosed(engineio.TransportError)
	w.Close()
	if a := receive(t, "the first POST's answer", first); a.err == nil && a.status != 400 {
		t.Errorf("the first POST got %d", a.status)
	}
	f.want(f.get(sid), 400, "*")
}

// A second POST while the first is in the handler.
func TestTwoPostsWhileHandling(t *testing.T) {
	a := newApp()
	entered, leave := make(chan struct{}), make(chan struct{})
	a.onMessage = func(*engineio.Session, []byte, bool) { close(entered); <-leave }
	f := start(t, fast(), a)
	sid := f.polling()
	first := later(func() answer { return f.post(sid, "4a\x1e4b") })
	receive(t, "the message", entered)
	f.want(f.post(sid, "4other"), 400, "*")
	close(leave)
	f.want(receive(t, "the first POST's answer", first), 400, "*")
	f.wantClosed(engineio.TransportError)
}

func TestPollBesidePostIsFine(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	s := f.session()
	poll := later(func() answer { return f.get(sid) })
	waitForPoll(t, s)
	f.want(f.post(sid, "4hello"), 200, "ok")
	f.want(receive(t, "the poll's answer", poll), 200, "4hello")
}

func TestStalledBodyEndsRequestAndSession(t *testing.T) {
	o := fast()
	o.WriteTimeout = 100 * time.Millisecond
	f := start(t, o, echoApp())
	sid := f.polling()
	w, first := f.slowPost(sid, "4half a mess")
	defer w.Close()
	f.wantClosed(engineio.TransportError)
	w.Close()
	if a := receive(t, "the POST's answer", first); a.err == nil && a.status != 400 {
		t.Errorf("the POST got %d", a.status)
	}
}

func TestHangUpInABodyEndsTheSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	conn, err := net.Dial("tcp", f.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4half", sid)
	conn.Close()
	f.wantClosed(engineio.TransportError)
}

// Text that holds the separator of polling bodies must not become packets.
func TestSeparatorCannotForgePackets(t *testing.T) {
	a := newApp()
	sessions := make(chan *engineio.Session, 2)
	a.onOpen = func(s *engineio.Session) { sessions <- s }
	f := start(t, fast(), a)
	victim := f.polling()
	to := <-sessions
	a.onMessage = func(_ *engineio.Session, data []byte, binary bool) {
		to.Send(engineio.NewFrame(engineio.Message{Data: data, Binary: binary}))
	}
	attacker, _ := f.websocket()
	attacker.send("4\"a\x1e4forged\x1e1\"")
	f.want(f.get(victim), 200, `4"a\u001e4forged\u001e1"`)
	attacker.binary([]byte("\x1e1\x1e"))
	f.want(f.get(victim), 200, "bHjEe")
}

func TestGzip(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	large, small := "4"+strings.Repeat("abc", 1000), "4"+strings.Repeat("a", 900)
	for _, c := range []struct {
		accept, body string
		zipped       bool
	}{
		{"gzip", large, true}, {"br, gzip;q=0.5", large, true}, {"gzip", small, false},
		{"gzip;q=0", large, false}, {"identity", large, false},
	} {
		f.want(f.post(sid, c.body), 200, "ok")
		req := f.request("GET", f.sidURL(sid), nil)
		req.Header.Set("Accept-Encoding", c.accept)
		a := f.do(req)
		if zipped := a.header.Get("Content-Encoding") == "gzip"; zipped != c.zipped {
			t.Errorf("%q, %d bytes: gzip is %v", c.accept, len(c.body), zipped)
		} else if zipped {
			z, err := gzip.NewReader(strings.NewReader(a.body))
			if err != nil {
				t.Fatal(err)
			}
			plain, _ := io.ReadAll(z)
			a.body = string(plain)
		}
		f.want(a, 200, c.body)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	for _, m := range []string{"PUT", "DELETE", "PATCH", "OPTIONS"} {
		a := f.do(f.request(m, f.sidURL(sid), nil))
		f.want(a, http.StatusMethodNotAllowed, "*")
	}
	f.want(f.do(f.request("GET", f.sidURL(sid), strings.NewReader("4x"))), 400, "*")
	f.want(f.post(sid, "4alive"), 200, "ok")
	f.want(f.get(sid), 200, "4alive")
}

// A header and its attachment with a heartbeat answer in between, by POST and
// on a websocket.
func TestPongBetweenHeaderAndAttachment(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	f.want(f.post(sid, "4header"), 200, "ok")
	f.want(f.post(sid, "3\x1ebAQI="), 200, "ok")
	f.want(f.get(sid), 200, "4header\x1ebAQI=")
	c, _ := f.websocket()
	c.send("4header")
	c.send("3")
	c.binary([]byte{1, 2})
	c.want("4header")
	if fr, err := c.read(); err != nil || string(fr.Payload) != "\x01\x02" {
		t.Fatalf("%q (%v)", fr.Payload, err)
	}
}

// HTTP server timeouts, meant for ordinary requests, must not cut a poll.
func TestPollOutlivesServerTimeouts(t *testing.T) {
	a := echoApp()
	f := start(t, fast(), a)
	srv := &http.Server{Handler: f.eio, ReadTimeout: 80 * time.Millisecond, WriteTimeout: 80 * time.Millisecond}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()
	sid := f.polling()
	s := f.session()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /engine.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", sid)
	waitForPoll(t, s)
	<-time.After(300 * time.Millisecond) // both timeouts have to pass, on the real clock
	s.Send(text("late"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	f.want(answer{status: resp.StatusCode, body: string(body)}, 200, "4late")
}
