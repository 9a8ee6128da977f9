package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/auth"
)

// A node's answer may be lost on its way to the node in between. Asked again, it would answer with what comes after.
func TestAPollIsNeverRepeated(t *testing.T) {
	s, err := auth.NewSecret(secretText)
	if err != nil {
		t.Fatal(err)
	}
	var polls, reused atomic.Int64
	tr := newTrap(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for n := 0; ; n++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body) // a body may come later than its head
			if req.Method == http.MethodGet {
				polls.Add(1)
				if n > 0 {
					reused.Add(1)
				}
				c.Close() // on a connection that had been in use, a usual client repeats a GET
				return
			}
			mark := req.Header.Get(auth.HopHeader)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: %s\r\nContent-Length: 2\r\n\r\nok", auth.HopHeader, auth.NewHops(s, nil).Answer(mark))
		}
	})
	m := newMember(t, setup{})
	p := stranger(t, m, sidOf(t, secretText, tr.Addr().String()))
	const tries = 20 // a connection may not be back in the pool when its poll comes
	for range tries {
		p.post("40")
		p.gone()
	}
	if polls.Load() != tries || reused.Load() == 0 {
		t.Errorf("%d polls were sent %d times, %d of them where a usual client repeats one", tries, polls.Load(), reused.Load())
	}
}

// A node may answer before a POST has come to its end. What stops the reading then may not touch a later request on the same connection,
// which may be one that a proxy uses for all its clients.
func TestAPostThatWasNotTakenSpoilsNoConnection(t *testing.T) {
	s, err := auth.NewSecret(secretText)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTrap(t, func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		mark := req.Header.Get(auth.HopHeader)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s: %s\r\nContent-Length: 2\r\n\r\nok", auth.HopHeader, auth.NewHops(s, nil).Answer(mark))
		_, _ = io.Copy(io.Discard, c)
	})
	m := newMember(t, setup{})
	p := joined(t, m.url())
	q := *p // another client on the same connections
	q.sid = sidOf(t, secretText, tr.Addr().String())
	for range 5 {
		body, unfinished := io.Pipe()
		req, err := http.NewRequest(http.MethodPost, q.url(), body)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(unfinished, "4") }() // it ends with the answer
		res, err := q.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != 200 || !res.Close {
			t.Errorf("%s, closed %v", res.Status, res.Close)
		}
		unfinished.Close()
		p.post(`42["say",1]`)
		p.want(`42["echo",1]`)
	}
	q.post("3") // one that is taken whole
	p.post(`42["say",2]`)
	p.want(`42["echo",2]`)
}
