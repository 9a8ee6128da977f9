package socketio_test

import (
	"context"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// FuzzConnect: whatever a client puts into its CONNECT, it is let in, refused, or hung up on; middleware sees an object.
func FuzzConnect(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"pid":"x","offset":"y"}`, `{"pid":7}`, `{"pid":"\ud800"}`, `[]`, `null`, `/custom,{"a":1}`, `/custom`, `/nowhere,`, `{"pid":`, `7`, `/,{}`} {
		f.Add(s)
	}
	fix := serve(f, socketio.Options{})
	for _, ns := range []*socketio.Namespace{fix.root, fix.Of("/custom")} {
		ns.Use(func(_ context.Context, c *socketio.Connecting) error {
			if len(c.Auth) == 0 || c.Auth[0] != '{' {
				f.Errorf("auth %q", c.Auth)
			}
			c.AnswerPID(c.PID)
			return nil
		})
	}
	f.Fuzz(func(t *testing.T, payload string) {
		if strings.Contains(payload, "\x1e") {
			return // ends the packet in polling's bodies
		}
		c := rawclient.Open(t, fix.base)
		defer c.Close()
		c.Send("40" + payload)
		data, _, err := c.Read()
		for err == nil && string(data) == "2" { // a ping
			data, _, err = c.Read()
		}
		if answer := string(data); err == nil && !strings.HasPrefix(answer, "40") && !strings.HasPrefix(answer, "44") {
			t.Fatalf("%q is answered by %q", payload, answer)
		}
	})
}
