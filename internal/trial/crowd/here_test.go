package crowd

import (
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

func TestPresenceIsHeldAgainstTheTruth(t *testing.T) {
	long := time.Now().Add(-time.Minute)
	c := &Crowd{People: []*Person{{Name: "ann", user: "a", conn: &client.Client{}, changed: long}, {Name: "bob", user: "b", changed: long},
		{Name: "cid", user: "c", conn: &client.Client{}, changed: time.Now()}}} // cid has just come: both are right
	for name, x := range map[string]struct {
		said map[string]bool
		says string
	}{
		"the truth":        {map[string]bool{"a": true, "b": false, "c": false}, ""},
		"and a moment on":  {map[string]bool{"a": true, "b": false, "c": true}, ""},
		"a ghost":          {map[string]bool{"a": true, "b": true, "c": true}, "bob (websocket) here: true, and in truth false"},
		"one is forgotten": {map[string]bool{"a": false, "b": false, "c": true}, "ann (websocket) here: false, and in truth true"},
		"no member":        {map[string]bool{"b": false, "c": true}, "ann is no member"},
	} {
		err := c.compareHere(x.said)
		if x.says == "" && err != nil || x.says != "" && (err == nil || !strings.Contains(err.Error(), x.says)) {
			t.Errorf("%s: it says %v, wanted %q", name, err, x.says)
		}
	}
}

func TestStatusMustReachEveryoneWhoIsConnected(t *testing.T) {
	c := &Crowd{}
	for _, name := range []string{"ann", "bob", "cid"} {
		c.People = append(c.People, &Person{Name: name, Seen: newWitness(name), conn: &client.Client{}})
	}
	c.People[2].conn = nil // he hears of it when he comes back
	down := func(s Status) bool { return s.Bus == "down" }
	c.People[0].Seen.status(Status{"ok", "ok", "ok"})
	c.People[0].Seen.status(Status{"ok", "down", "ok"})
	if _, err := c.AwaitStatus(t.Context(), -noise, down); err == nil || !strings.Contains(err.Error(), "bob") || strings.Contains(err.Error(), "ann") {
		t.Errorf("it says %v", err)
	}
	c.People[1].Seen.status(Status{"ok", "down", "ok"})
	if _, err := c.AwaitStatus(t.Context(), -noise, down); err != nil {
		t.Error(err)
	}
}
