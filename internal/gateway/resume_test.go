package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestResumeBringsWhatWasMissedInOrder(t *testing.T) {
	r := newRig(t, nil)
	ann := r.joined("ann")
	bob := r.in("bob")
	j := bob.must("room:join", `{"roomId":"lobby"}`)
	since := int64(j.Data["asOf"].(float64))
	bob.conn.Close()
	for i := range 45 {
		ann.must("message:send", sendOf("lobby", fmt.Sprint("m", i), "x"))
	}
	missed := func(c *client, at int) {
		t.Helper()
		for i := range 45 {
			var m map[string]any
			if at, m = c.event("message:new", at+1); m["clientId"] != fmt.Sprint("m", i) {
				t.Fatalf("event %d is %v", i, m)
			}
		}
	}
	plain := r.dial(fmt.Sprintf(`{"token":"bob","since":{"lobby":%d}}`, since))
	_, pid, _ := plain.connected()
	missed(plain, 2)
	if !strings.HasPrefix(pid, "pid-bob~") {
		t.Errorf("pid %q", pid)
	}

	for name, c := range map[string]struct {
		auth      string
		recovered bool
	}{
		"all filled":   {fmt.Sprintf(`{"token":"bob","log":"log-1","pid":%q,"since":{"lobby":%d}}`, pid, since), true},
		"without log":  {fmt.Sprintf(`{"token":"bob","pid":%q,"since":{"lobby":%d}}`, pid, since), true},
		"a gap":        {fmt.Sprintf(`{"token":"bob","pid":%q,"since":{"lobby":1}}`, pid), false},
		"no room":      {fmt.Sprintf(`{"token":"bob","pid":%q,"since":{"lobby":%d,"nowhere":1}}`, pid, since), false},
		"other log":    {fmt.Sprintf(`{"token":"bob","log":"log-0","pid":%q,"since":{"lobby":%d}}`, pid, since), false},
		"no since":     {fmt.Sprintf(`{"token":"bob","pid":%q}`, pid), false},
		"empty since":  {fmt.Sprintf(`{"token":"bob","pid":%q,"since":{}}`, pid), false},
		"no pid":       {fmt.Sprintf(`{"token":"bob","since":{"lobby":%d}}`, since), false},
		"pid is no id": {fmt.Sprintf(`{"token":"bob","pid":5,"since":{"lobby":%d}}`, since), false},
	} {
		s := r.dial(c.auth)
		_, got, _ := s.connected()
		if (got == pid) != c.recovered || got == "" {
			t.Errorf("%s: got pid %q for %q", name, got, pid)
		}
		if c.recovered {
			missed(s, 2)
		}
		if name == "other log" {
			if _, m := s.event("gap", 0); m["reason"] != "reset" || m["to"] != 0.0 {
				t.Errorf("%s: %v", name, m)
			}
		}
		s.conn.Close()
	}
	// A guest whose program knows nothing of tokens stays who he is by his pid.
	guest := r.dial(fmt.Sprintf(`{"pid":%q}`, pid))
	if _, _, session := guest.connected(); session["user"].(map[string]any)["id"] != "bob" {
		t.Errorf("session %v", session)
	}
}

func TestASlowResumeIsAnsweredWithinItsTime(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Times = chat.DefaultTimes()
		c.Times.Resume = 200 * time.Millisecond
	})
	since := r.joined("ann").must("message:send", sendOf("lobby", "m1", "x")).Data["seq"].(float64)
	r.joined("bob").must("message:send", sendOf("lobby", "m2", "y"))
	r.SetOpenTime(500 * time.Millisecond)
	c := r.dial(fmt.Sprintf(`{"token":"ann","pid":"pid-ann~1","since":{"lobby":%d}}`, int64(since)))
	if _, pid, _ := c.connected(); pid == "pid-ann~1" {
		t.Error("recovered before anything was fetched")
	}
	c.event("room:joined", 0)
	if _, m := c.event("message:new", 0); m["clientId"] != "m2" {
		t.Errorf("then %v", m)
	}
}

func TestMoreRoomsThanMayBeResumed(t *testing.T) {
	r := newRig(t, nil)
	var rooms []string
	for i := range maxSince + 1 {
		rooms = append(rooms, fmt.Sprintf(`"r%04d":1`, i))
	}
	c := r.dial(`{"token":"ann","since":{` + strings.Join(rooms, ",") + `}}`)
	c.connected()
	reset, none := 0, 0
	for i := 2; reset+none < maxSince+1; {
		var m map[string]any
		i, m = c.event("gap", i+1)
		switch m["reason"] {
		case "reset":
			reset++
		case "not_found":
			none++
		}
	}
	if reset != 1 || none != maxSince {
		t.Errorf("%d reset, %d not found", reset, none)
	}
}

func TestOpenWithSinceReplaysBeforeItsAnswer(t *testing.T) {
	r := newRig(t, nil)
	ann := r.in("ann")
	asOf := int64(ann.must("room:join", `{"roomId":"lobby"}`).Data["asOf"].(float64))
	for i := range 30 {
		ann.must("message:send", sendOf("lobby", fmt.Sprint("m", i), "x"))
	}
	two := r.in("ann")
	a := two.must("room:open", fmt.Sprintf(`{"roomId":"lobby","since":%d,"limit":3}`, asOf))
	at := 2
	for i := range 30 {
		var m map[string]any
		if at, m = two.event("message:new", at+1); m["clientId"] != fmt.Sprint("m", i) || at > a.at {
			t.Fatalf("event %d at %d (answer at %d): %v", i, at, a.at, m)
		}
	}
	if ms := a.Data["messages"].([]any); len(ms) != 3 || a.Data["hasMore"] != true {
		t.Errorf("answer %s", a.raw)
	}
	two.must("room:open", `{"roomId":"lobby"}`)
	two.must("room:open", fmt.Sprintf(`{"roomId":"lobby","since":%d}`, asOf))
	if r.Listeners(chat.LobbyID) != 2 {
		t.Errorf("%d listeners for two sockets", r.Listeners(chat.LobbyID))
	}
}

// The server's own long answers never overflow a reader that is merely slow (cases.md 4): here one that reads nothing for a while.
func TestLongAnswersWaitForASlowReader(t *testing.T) {
	r := newRig(t, nil)
	ann := r.joined("ann")
	big := strings.Repeat("\x01", 16<<10) // six times as much in JSON
	const n = 24
	for i := range n {
		ann.must("message:send", sendOf("lobby", fmt.Sprint("m", i), big))
	}
	since := chat.MakeSeq(1, 1) // ann's join
	gate := make(chan struct{})
	c := r.dialSlow(fmt.Sprintf(`{"token":"ann","since":{"lobby":%d}}`, since), gate)
	waits := func(c *conn) bool { return c.sock.Queued() > r.g.holdEnough() }
	eventually(t, "the replay waits for its reader", func() bool { return slices.ContainsFunc(r.g.all(), waits) })
	ann.must("message:send", sendOf("lobby", fmt.Sprint("m", n), "the room does not wait"))
	close(gate)
	at := 0
	for i := range n + 1 {
		var m map[string]any
		if at, m = c.event("message:new", at+1); m["clientId"] != fmt.Sprint("m", i) {
			t.Fatalf("event %d: %v", i, m["clientId"])
		}
	}
	got, before := map[any]bool{}, ""
	for range 2 * n {
		a := c.must("message:list", `{"roomId":"lobby","limit":100`+before+`}`)
		ms := a.Data["messages"].([]any)
		for _, m := range ms {
			got[m.(map[string]any)["id"]] = true
		}
		if len(a.raw) > 512<<10 {
			t.Errorf("an answer of %d bytes", len(a.raw))
		}
		if a.Data["hasMore"] != true {
			break
		}
		before = fmt.Sprintf(`,"before":%d`, seqOf(ms[0].(map[string]any)))
	}
	if len(got) != n+1 {
		t.Errorf("paged to %d of %d messages", len(got), n+1)
	}
}
