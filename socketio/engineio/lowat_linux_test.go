package engineio_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// talker sends to whoever comes until that one is closed, and tells how many bytes were taken and why it ended.
type talker struct {
	taken  chan int
	reason chan engineio.Reason
}

func (t talker) Open(s *engineio.Session) {
	go func() {
		f := engineio.NewFrame(engineio.Message{Data: []byte(strings.Repeat("x", 16<<10))})
		n := 0
		for s.Send(f) == nil {
			if n += 16 << 10; n > 64<<20 || s.Ready(context.Background(), 64<<10) != nil {
				break
			}
		}
		t.taken <- n
	}()
}

func (t talker) Message(*engineio.Session, []byte, bool) {}

func (t talker) Close(_ *engineio.Session, reason engineio.Reason) { t.reason <- reason }

// What the kernel takes for a client that reads nothing is bounded far below the megabytes that it would like to.
func TestTheKernelKeepsLittle(t *testing.T) {
	told := talker{make(chan int, 1), make(chan engineio.Reason, 1)}
	srv := engineio.New(engineio.Options{WriteTimeout: time.Second}, told)
	web := httptest.NewServer(srv)
	defer web.Close()
	conn, _, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(web.URL, "http")+"/engine.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case n := <-told.taken:
		if n > 1<<20 { // the client's own buffer, what waits here, and one frame
			t.Errorf("%d KiB were taken", n>>10)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it never ended")
	}
	if reason := <-told.reason; reason != engineio.SlowClient {
		t.Errorf("it ended by %q", reason)
	}
}
