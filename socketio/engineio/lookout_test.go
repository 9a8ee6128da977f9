package engineio_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// lastByte is a body that tells when its end has been read, before its reader
// hears of it.
type lastByte struct {
	io.ReadCloser
	reached func()
}

func (b lastByte) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.reached()
	}
	return n, err
}

// A session may end in the very moment in which the body of its POST has been
// read. The connection, perhaps one of a proxy, must still be good for others.
func TestAnInterruptedPostSpoilsNoConnection(t *testing.T) {
	f := start(t, fast(), echoApp())
	var reached func()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Tell") != "" {
			r.Body = lastByte{r.Body, reached}
		}
		f.eio.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	f.http.URL = front.URL
	proxy := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}
	t.Cleanup(proxy.CloseIdleConnections)
	ask := func(method, url, body, tell string) answer {
		req := f.request(method, url, strings.NewReader(body))
		req.Header.Set("Tell", tell)
		by := *f
		by.hc = proxy
		return by.do(req)
	}
	for range 5 {
		sid := f.polling()
		reached = func() { _ = f.do(f.request("POST", f.sidURL(sid), strings.NewReader("4other"))) } // which ends the session
		a := ask("POST", f.sidURL(sid), "4a", "the end")
		f.want(a, 400, "*")
		f.wantClosed(engineio.TransportError)
		open := ask("GET", f.url("EIO=4&transport=polling"), "", "")
		f.want(open, 200, "*")
		other := parseHello(t, open.body).SID
		f.want(ask("POST", f.sidURL(other), "4b", ""), 200, "ok")
		f.want(ask("GET", f.sidURL(other), "", ""), 200, "4b")
	}
}

// A poll of which net/http believes that its client has gone is not answered
// with nothing, which would look like an empty payload.
func TestAPollWithoutItsClientIsAnUnknownSession(t *testing.T) {
	f := start(t, fast(), echoApp())
	sid := f.polling()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	f.eio.ServeHTTP(w, httptest.NewRequest("GET", f.sidURL(sid), nil).WithContext(gone))
	if w.Code != 400 || w.Body.String() != `{"code":1,"message":"Session ID unknown"}` || w.Header().Get("Connection") != "close" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	f.wantClosed(engineio.TransportError)
}
