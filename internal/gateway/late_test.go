package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/workers"
)

// A request that waits for its room's turn is answered in time all the same, and is not done after that.
func TestARequestBehindASlowResumeIsAnsweredInTime(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Deadline = 300 * time.Millisecond })
	r.joined("ann").conn.Close()
	r.SetOpenTime(time.Hour)
	c := r.dial(`{"token":"ann","since":{"lobby":1}}`)
	c.connected()
	if a := c.call("message:send", sendOf("lobby", "m1", "x")); a.Error.Code != "overloaded" {
		t.Errorf("answer %s", a.raw)
	}
	r.SetOpenTime(0)
	c.conn.Close() // the resume ends, and the request's turn comes
	eventually(t, "ann is gone", func() bool { return r.g.Stats().Sockets == 0 })
	for _, rec := range r.Records() {
		if rec.Kind == chat.KindMessage {
			t.Errorf("a request that was answered with `overloaded` was done: %+v", rec)
		}
	}
}

// deaf rooms can be made, but not heard.
type deaf struct{ chat.Rooms }

func (deaf) Attach(context.Context, chat.RoomID, chat.User, chat.Seq, chat.Listener) (chat.Attached, error) {
	return chat.Attached{}, chat.ErrUnavailable
}

// Who has made a room and does not hear it is told so, by a gap that makes him open it.
func TestARoomThatIsMadeAndNotHeard(t *testing.T) {
	r := newRig(t, nil)
	c := r.in("ann")
	r.g.cfg.Rooms = deaf{r.g.cfg.Rooms}
	a := c.must("room:create", `{"clientId":"r1","name":"room"}`)
	_, m := c.event("gap", a.at)
	if m["roomId"] != a.Data["room"].(map[string]any)["id"] || m["reason"] != "unavailable" || m["to"] != 0.0 || m["from"] != a.Data["asOf"] {
		t.Errorf("created %s, then %v", a.raw, m)
	}
}

// Of a job that waits either it runs, or what stands in for it when its time is over; never both.
func TestExecutorsLateJobs(t *testing.T) {
	e := executor{workers: workers.New()}
	e.claim("a")
	ran, late := make(chan string, 3), make(chan string, 3)
	add := func(name string, due time.Duration) {
		ok := e.do("a", job{run: func() { ran <- name }, due: time.Now().Add(due), late: func() { late <- name }}, 10, 10)
		if !ok {
			t.Fatal("refused")
		}
	}
	add("too late", 10*time.Millisecond)
	add("in time", time.Hour)
	if name := <-late; name != "too late" {
		t.Errorf("%s was given up", name)
	}
	e.release("a")
	if name := <-ran; name != "in time" {
		t.Errorf("%s ran", name)
	}
	eventually(t, "idle", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.jobs+e.bytes+len(e.queues) == 0 })
	if len(ran)+len(late) != 0 {
		t.Errorf("%d more ran, %d more were given up", len(ran), len(late))
	}
}
