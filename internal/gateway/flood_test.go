package gateway

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Who goes on far above the limit is closed, although now and then an event of his is taken; the reason is counted.
func TestAFloodIsClosed(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = Limits{EventsPerSocket: 100, EventsPerUser: 1e6} })
	bob := r.in("bob")
	var events bytes.Buffer
	for range 200 {
		if err := wsutil.WriteClientMessage(&events, ws.OpText, []byte(`420["typing",{"roomId":"lobby","isTyping":true}]`)); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(10 * time.Millisecond) // in which one more event is allowed
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if _, err := bob.conn.Write(events.Bytes()); err != nil {
			break
		}
	}
	eventually(t, "bob is closed", func() bool { return r.g.Stats().Sockets == 0 })
	if st := r.g.Stats(); st.Ended["rate limited"] != 1 || st.Answers["rate_limited"] < 2000 {
		t.Errorf("ends by reason %v, answers %v", st.Ended, st.Answers)
	}
}
