package engineio_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// What was queued before Close goes out to a client that takes its time, however soon the next ping would have been.
func TestClosingOutlivesTheHeartbeat(t *testing.T) {
	const n = 16
	o := fast()
	o.MaxQueue = 64 << 20
	o.PingInterval, o.PingTimeout = 500*time.Millisecond, patience
	f := start(t, o, newApp())
	c, _ := f.websocket()
	s := f.session()
	m := strings.Repeat("x", 1<<20)
	frame := text(m) // so many are more than any kernel takes
	for range n {
		if err := s.Send(frame); err != nil {
			t.Fatal(err)
		}
	}
	s.Close(engineio.ForcedClose)
	f.wantClosed(engineio.ForcedClose)
	<-time.After(time.Second) // in which a ping would be due
	for got := 0; got < n; {
		if p := c.text(); p == "4"+m {
			got++
		} else if p != "2" {
			t.Fatalf("packet %.20q", p)
		}
	}
	if status := c.wantEnd(); status != 0 {
		t.Errorf("close status %d, want none", status)
	}
}
