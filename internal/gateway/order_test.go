package gateway

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// breath is cases.md 6: five requests of one room in one write.
func breath(c *client, tag string) (ids [5]int) {
	var packets [5]string
	for i, q := range [5][2]string{
		{"room:join", `{"roomId":"lobby"}`},
		{"message:send", sendOf("lobby", tag+"-1", "one")},
		{"room:leave", `{"roomId":"lobby"}`},
		{"room:join", `{"roomId":"lobby"}`},
		{"message:send", sendOf("lobby", tag+"-2", "two")},
	} {
		packets[i], ids[i] = c.packet(q[0], q[1])
	}
	c.write(packets[:]...)
	return ids
}

func TestJoinSendLeaveJoinSendInOneBreath(t *testing.T) {
	r := newRig(t, nil)
	r.SetOpenTime(20 * time.Millisecond)
	r.SetDelay(100 * time.Millisecond)
	ann := r.in("ann")
	before := len(r.Records())
	ids := breath(ann, "m")
	other, otherID := ann.packet("message:list", `{"roomId":"elsewhere"}`)
	ann.write(other)
	elsewhere := ann.answer(otherID)
	for i, id := range ids {
		a := ann.answer(id)
		if !a.OK {
			t.Errorf("request %d: %s", i, a.raw)
		}
		if a.at < elsewhere.at {
			t.Error("a request for another room waited for this one's")
		}
	}
	var kinds []string
	for _, rec := range r.Records()[before:] {
		kinds = append(kinds, rec.Kind.EventName())
	}
	if got := strings.Join(kinds, " "); got != "room:joined message:new room:left room:joined message:new" {
		t.Errorf("log: %s", got)
	}
	m := ann.must("room:members", `{"roomId":"lobby"}`)
	if m.Data["count"] != 1.0 || r.Listeners(chat.LobbyID) != 1 {
		t.Errorf("members %s, %d listeners", m.raw, r.Listeners(chat.LobbyID))
	}
	from := ann.must("message:send", sendOf("lobby", "m-3", "three")).at
	if _, m := ann.event("message:new", from-2); m["text"] != "three" {
		t.Errorf("live after it all: %v", m)
	}
}

func TestTwoSocketsOfOneUserInterleaved(t *testing.T) {
	r := newRig(t, nil)
	r.SetDelay(20 * time.Millisecond)
	a, b := r.in("ann"), r.in("ann")
	ia, ib := breath(a, "a"), breath(b, "b")
	for _, x := range []struct {
		c  *client
		id int
	}{{a, ia[3]}, {b, ib[3]}} {
		got := x.c.answer(x.id)
		// The other socket may have left for both in between; then this one is told, and asks anew.
		if !got.OK && got.Error.Code != "conflict" {
			t.Errorf("join: %s", got.raw)
		}
	}
	for _, c := range []*client{a, b} {
		c.answer(ia[4])
		c.must("room:join", `{"roomId":"lobby"}`)
	}
	eventually(t, "one subscription for each socket", func() bool { return r.Listeners(chat.LobbyID) == 2 })
	if m := a.must("room:members", `{"roomId":"lobby"}`); m.Data["count"] != 1.0 {
		t.Errorf("members: %s", m.raw)
	}
	_ = ib
}

// A join or a resume that finishes after its socket is gone undoes itself; the membership stays (cases.md 5).
func TestNothingIsLeftOfASocketThatIsGone(t *testing.T) {
	r := newRig(t, nil)
	seed := r.joined("bob")
	for i := range 60 {
		seed.must("message:send", sendOf("lobby", fmt.Sprint("m", i), "x"))
	}
	seed.conn.Close()
	eventually(t, "bob is gone", func() bool { return r.g.Stats().Sockets == 0 && r.Listeners(chat.LobbyID) == 0 })
	r.SetOpenTime(100 * time.Millisecond)
	before := runtime.NumGoroutine()
	for i := range 40 {
		switch i % 4 {
		case 0, 1: // in mid-join
			c := r.dial(fmt.Sprintf(`{"token":"u%d"}`, i))
			c.connected()
			text, _ := c.packet("room:join", `{"roomId":"lobby"}`)
			c.write(text)
			c.conn.Close()
		case 2: // in mid-resume
			c := r.dial(`{"token":"bob","since":{"lobby":1}}`)
			c.connected()
			c.conn.Close()
		case 3: // before the CONNECT answer
			c := r.dial(`{"token":"bob","pid":"pid-bob~x","since":{"lobby":1}}`)
			c.conn.Close()
		}
	}
	eventually(t, "all joins are in the log", func() bool {
		joins := 0
		for _, rec := range r.Records() {
			if rec.Kind == chat.KindJoin && strings.HasPrefix(string(rec.User), "u") {
				joins++
			}
		}
		return joins == 20
	})
	eventually(t, "nothing is left", func() bool {
		st := r.g.Stats()
		channels, _ := r.Channels()
		return st.Sockets+st.Users+st.Subscriptions+channels+r.Listeners(chat.LobbyID) == 0
	})
	eventually(t, "the goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+4 })
}

// What is said between the subscription and the answer is not lost and comes after the answer.
func TestLiveEventsWaitForTheAnswer(t *testing.T) {
	r := newRig(t, nil)
	ann := r.joined("ann")
	ann.must("message:send", sendOf("lobby", "old", "old"))
	bob := r.in("bob")
	r.SetPageTime(300 * time.Millisecond)
	text, id := bob.packet("room:join", `{"roomId":"lobby"}`)
	bob.write(text)
	eventually(t, "bob is subscribed", func() bool { return r.Listeners(chat.LobbyID) == 2 })
	for i := range 5 {
		ann.must("message:send", sendOf("lobby", fmt.Sprint("m", i), "new"))
	}
	a := bob.answer(id)
	if ms := a.Data["messages"].([]any); len(ms) != 1 || ms[0].(map[string]any)["text"] != "old" {
		t.Errorf("answer %s", a.raw)
	}
	asOf, at := chat.Seq(a.Data["asOf"].(float64)), 0
	for i := range 5 {
		var m map[string]any
		at, m = bob.event("message:new", at+1)
		if at < a.at || m["clientId"] != fmt.Sprint("m", i) || seqOf(m) <= asOf {
			t.Errorf("event %d at %d (answer at %d): %v", i, at, a.at, m)
		}
	}
}

// What waits for an answer is bounded: a socket for which too much is kept is closed, and the room does not feel it.
func TestWhatIsHeldIsBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = Limits{QueueBytes: 128 << 10} })
	ann, bob := r.joined("ann"), r.in("bob")
	r.SetPageTime(time.Hour)
	text, _ := bob.packet("room:join", `{"roomId":"lobby"}`)
	bob.write(text)
	eventually(t, "bob is subscribed", func() bool { return r.Listeners(chat.LobbyID) == 2 })
	for i := range 10 {
		ann.must("message:send", sendOf("lobby", fmt.Sprint("m", i), strings.Repeat("x", 16<<10)))
	}
	eventually(t, "bob is closed", func() bool { return r.Listeners(chat.LobbyID) == 1 && r.g.Stats().Sockets == 1 })
	if ends := r.g.Stats().Ended; len(ends) != 1 || ends["slow client"] != 1 {
		t.Errorf("ends by reason: %v", ends)
	}
}

func TestARoomThatClosesSendsItsSocketsAway(t *testing.T) {
	r := newRig(t, nil)
	c := r.joined("ann")
	r.CloseRoom(chat.LobbyID)
	eventually(t, "the transport is closed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.over
	})
	for _, p := range c.packets() {
		if p == "41" {
			t.Error("a DISCONNECT: the client would not come back")
		}
	}
}

func TestUnknownAndUnavailableReachTheClient(t *testing.T) {
	times := chat.DefaultTimes()
	times.Wait = 300 * time.Millisecond
	r := newRig(t, nil)
	r.s = chat.NewService(r.Ports(), chat.Limits{}, times, nil)
	r.g.cfg.Service = r.s
	c := r.joined("ann")
	r.Hold(true)
	if a := c.call("message:send", sendOf("lobby", "m1", "x")); a.Error.Code != "unknown" || a.Error.RetryAfterMs <= 0 {
		t.Errorf("held: %s", a.raw)
	}
	eventually(t, "the log is taken for stuck", func() bool { return r.s.Stats().Stuck })
	if a := c.call("message:send", sendOf("lobby", "m2", "x")); a.Error.Code != "unavailable" {
		t.Errorf("stuck: %s", a.raw)
	}
	r.Hold(false)
	c.must("message:send", sendOf("lobby", "m1", "x"))
	c.must("message:send", sendOf("lobby", "m2", "x"))
	n := 0
	for _, rec := range r.Records() {
		if rec.Kind == chat.KindMessage {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d messages in the log", n)
	}
}

// panicky rooms fail in the worst way.
type panicky struct{ chat.Rooms }

func (panicky) Page(context.Context, chat.RoomID, chat.Range, int) (chat.Page, error) {
	panic("on purpose")
}

func TestAPanicEndsOneConnection(t *testing.T) {
	r := newRig(t, nil)
	ports := r.Ports()
	ports.Rooms = panicky{ports.Rooms}
	r.g.cfg.Service = chat.NewService(ports, chat.Limits{}, chat.DefaultTimes(), nil)
	ann, bob := r.in("ann"), r.in("bob")
	for _, name := range []string{"ann", "bob"} {
		if _, err := r.s.Join(context.Background(), chat.User{ID: chat.UserID(name)}, chat.LobbyID, ""); err != nil {
			t.Fatal(err)
		}
	}
	text, id := ann.packet("message:list", `{"roomId":"lobby"}`)
	ann.write(text)
	if a := ann.answer(id); a.Error.Code != "internal" || strings.Contains(a.raw, "purpose") {
		t.Errorf("answer %s", a.raw)
	}
	eventually(t, "ann's connection ends", func() bool {
		ann.mu.Lock()
		defer ann.mu.Unlock()
		return ann.over
	})
	bob.must("typing", `{"roomId":"lobby","isTyping":true}`)
	if r.g.Stats().Panics != 1 {
		t.Errorf("%+v", r.g.Stats())
	}
}
