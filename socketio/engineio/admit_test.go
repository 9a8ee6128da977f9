package engineio_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

type silent struct{}

func (silent) Open(*engineio.Session)                   {}
func (silent) Message(*engineio.Session, []byte, bool)  {}
func (silent) Close(*engineio.Session, engineio.Reason) {}

// Admit counts each session in once and out once, also those that never came to be.
func TestAdmitCountsInAndOut(t *testing.T) {
	var inside, refused atomic.Int32
	srv := engineio.New(engineio.Options{Admit: func(*http.Request) (func(), error) {
		if inside.Load() >= 2 {
			refused.Add(1)
			return nil, &engineio.Refusal{Status: http.StatusTooManyRequests, Message: "full (--sockets)", RetryAfter: 3 * time.Second}
		}
		inside.Add(1)
		return func() { inside.Add(-1) }, nil
	}}, silent{})
	web := httptest.NewServer(srv)
	defer web.Close()
	open := func() *http.Response {
		res, err := http.Get(web.URL + "/?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	if a, b := open(), open(); a.StatusCode != 200 || b.StatusCode != 200 {
		t.Fatalf("%d, %d", a.StatusCode, b.StatusCode)
	}
	if c := open(); c.StatusCode != http.StatusTooManyRequests || c.Header.Get("Retry-After") != "3" {
		t.Errorf("%d, %v", c.StatusCode, c.Header)
	}
	if err := srv.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
		t.Fatal(err)
	}
	if open(); inside.Load() != 0 || refused.Load() != 1 {
		t.Errorf("%d inside, %d refused", inside.Load(), refused.Load())
	}
}
