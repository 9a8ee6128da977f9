package socketio_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// A client that asks to join over and over, refused or leaving again each time, makes middleware work only so often before it is closed.
// Others are not touched.
func TestConnectFlood(t *testing.T) {
	for name, send := range map[string]func(s *rawclient.Socket){
		"refused":        func(s *rawclient.Socket) { s.Send(`40/closed,{"token":"x"}`) },
		"come and go":    func(s *rawclient.Socket) { s.Send(`40/open,`); s.Send(`41/open,`) },
		"no such":        func(s *rawclient.Socket) { s.Send(`40/nowhere,`) },
		"both by turns":  func(s *rawclient.Socket) { s.Send(`40/open,`); s.Send(`41/open,`); s.Send(`40/closed,`) },
		"joined and odd": func(s *rawclient.Socket) { s.Send(`40/closed,{"a":1}`); s.Send(`40/nowhere,`) },
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, socketio.Options{})
			var asked atomic.Int64
			f.Of("/open").Use(func(context.Context, *socketio.Connecting) error { asked.Add(1); return nil })
			f.Of("/closed").Use(func(context.Context, *socketio.Connecting) error {
				asked.Add(1)
				return &socketio.ConnectError{Message: "no"}
			})
			f.root.On("ping", func(e *socketio.Event) { _ = e.Ack() })
			bystander, s := f.join(t), f.join(t)
			for range 1000 {
				send(s)
			}
			s.WantClosed()
			if n := asked.Load(); n > 200 {
				t.Errorf("middleware was asked %d times", n)
			}
			bystander.Send(`421["ping"]`)
			bystander.Want(`431[]`)
		})
	}
}

// Who asks as often as programs do is not closed: many namespaces, and a refused one tried again.
func TestManyConnectsAreFine(t *testing.T) {
	f := serve(t, socketio.Options{})
	f.Of("/open")
	s := f.join(t)
	for range 20 {
		s.Send(`40/open,`)
		if a := s.Next(); a[:9] != `40/open,{` {
			t.Fatalf("%q", a)
		}
		s.Send(`41/open,`)
		s.Send(`40/nowhere,`)
		s.Want(`44/nowhere,{"message":"Invalid namespace"}`)
	}
}
