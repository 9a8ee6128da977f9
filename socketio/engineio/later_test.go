package engineio_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// A frame that can wait comes also when nothing follows it, whatever the transport.
func TestSendSoonNeedsNoFollower(t *testing.T) {
	f := start(t, fast(), newApp())
	c, _ := f.websocket()
	s := f.session()
	for i := range 100 {
		if err := s.SendSoon(text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		c.want(fmt.Sprintf("4%d", i))
	}
	sid := f.polling()
	s = f.session()
	poll := later(func() answer { return f.get(sid) })
	if err := s.SendSoon(text("by polling")); err != nil {
		t.Fatal(err)
	}
	f.want(receive(t, "a poll", poll), 200, "4by polling")
}

// Frames keep the order in which they were sent, whoever could wait, on many sessions at once.
func TestSendSoonKeepsTheOrder(t *testing.T) {
	const sessions, frames = 20, 300
	f := start(t, fast(), newApp())
	var wg sync.WaitGroup
	for n := range sessions {
		c, _ := f.websocket()
		s := f.session()
		wg.Go(func() {
			for i := range frames {
				send := s.Send
				if (i+n)%3 != 0 {
					send = s.SendSoon
				}
				if err := send(text(fmt.Sprint(i))); err != nil {
					t.Errorf("session %d, frame %d: %v", n, i, err)
					return
				}
			}
		})
		wg.Go(func() {
			for i := range frames {
				if got, want := c.text(), fmt.Sprintf("4%d", i); got != want {
					t.Errorf("session %d: %s came, not %s", n, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What waits goes out before a session is closed, and is counted as waiting; afterwards nothing is taken.
func TestSendSoonAndTheEnd(t *testing.T) {
	f := start(t, fast(), newApp())
	for range 50 {
		c, _ := f.websocket()
		s := f.session()
		if err := s.SendSoon(text("last words")); err != nil {
			t.Fatal(err)
		}
		s.Close(engineio.ForcedClose)
		c.want("4last words")
		if status := c.wantEnd(); status != 0 {
			t.Errorf("close status %d, want none", status)
		}
		f.wantClosed(engineio.ForcedClose)
		if err := s.SendSoon(text("too late")); !errors.Is(err, engineio.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// A client that reads nothing is closed as with Send.
func TestSendSoonIsBounded(t *testing.T) {
	o := fast()
	o.MaxQueue = 64 << 10
	f := start(t, o, newApp())
	f.websocket() // reads nothing
	s := f.session()
	frame := engineio.NewFrame(engineio.Message{Data: make([]byte, 8<<10), Binary: true})
	for i := 0; s.SendSoon(frame) == nil; i++ {
		if n := s.Queued(); n > o.MaxQueue || i == 10_000 {
			t.Fatalf("after %d frames %d bytes are queued, and it was not closed", i, n)
		}
	}
	f.wantClosed(engineio.SlowClient)
}
