package socketio_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio"
	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// fixture is a server of one test, with the main namespace made.
type fixture struct {
	*socketio.Server
	root *socketio.Namespace
	base string // address of /socket.io/
}

func serve(t testing.TB, o socketio.Options) *fixture {
	t.Helper()
	if o.Engine.Logger == nil {
		o.Engine.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	srv := socketio.New(o)
	server := httptest.NewServer(srv)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rawclient.Patience)
		defer cancel()
		if err := srv.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		server.Close()
	})
	return &fixture{srv, srv.Of("/"), server.URL + "/socket.io/"}
}

// join connects a client to the main namespace.
func (f *fixture) join(t testing.TB) *rawclient.Socket {
	t.Helper()
	return rawclient.Join(t, f.base, "40")
}

// joined connects a client and returns the server's side of it too. The namespace's OnConnection is used up for it.
func (f *fixture) joined(t testing.TB) (*rawclient.Socket, *socketio.Socket) {
	t.Helper()
	sockets := make(chan *socketio.Socket, 1)
	f.root.OnConnection(func(s *socketio.Socket) { sockets <- s })
	c := f.join(t)
	return c, get(t, sockets)
}

// get receives from c, or fails the test.
func get[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(rawclient.Patience):
		t.Fatal("nothing came")
		panic("not reached")
	}
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(rawclient.Patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about: %s", what)
		}
	}
}

// sid cuts the socket's id out of a CONNECT answer.
func sid(answer string) string {
	_, rest, _ := strings.Cut(answer, `"sid":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}
