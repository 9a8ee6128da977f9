package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Target says which servers are driven, and how they are entered.
type Target struct {
	URLs       []string  // http://host:port[/path], of one server or of several nodes: sockets are dealt out over them
	Token      string    // presented by every socket; empty: each enters as a guest
	Connecting int       // sockets that connect at a time
	Watched    []Process // their processor time and memory are reported
	Progress   func(format string, args ...any)
}

// servers makes the addresses of the websockets.
func (t Target) servers(buffer int) ([]server, error) {
	auth, _ := json.Marshal(map[string]string{"name": "bench"})
	if t.Token != "" {
		auth, _ = json.Marshal(map[string]string{"token": t.Token})
	}
	var all []server
	for _, text := range t.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("--url %q is not an address like http://127.0.0.1:3001", text)
		}
		switch u.Scheme {
		case "http", "ws":
			u.Scheme = "ws"
		case "https", "wss":
			u.Scheme = "wss"
		default:
			return nil, fmt.Errorf("--url %q is neither http nor https", text)
		}
		u.Path = strings.TrimSuffix(u.Path, "/") + "/socket.io/"
		u.RawQuery = "EIO=4&transport=websocket"
		all = append(all, server{u.String(), auth, buffer})
	}
	if len(all) == 0 {
		return nil, errors.New("--url is needed: which server?")
	}
	return all, nil
}

func (t Target) say(format string, args ...any) {
	if t.Progress != nil {
		t.Progress(format, args...)
	}
}

// open connects n sockets; where gives the server of each. On an error all are closed.
func (t Target) open(ctx context.Context, n int, where func(i int) server, onEvent func(*socket, []byte, time.Time)) ([]*socket, error) {
	sockets := make([]*socket, n)
	var up atomic.Int64
	err := t.each(ctx, "connecting", n, &up, func(ctx context.Context, i int) error {
		s, err := dial(ctx, where(i), onEvent)
		sockets[i] = s
		return err
	})
	if err != nil {
		closeAll(sockets)
		return nil, fmt.Errorf("socket %d of %d: %w", up.Load()+1, n, err)
	}
	return sockets, nil
}

// each calls do for 0 … n-1, a bounded number at a time, until one fails.
func (t Target) each(ctx context.Context, what string, n int, done *atomic.Int64, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(t.Connecting, 1))
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := do(ctx, i); err != nil {
				return err
			}
			if d := done.Add(1); d%64 == 0 || d == int64(n) {
				t.say("%s %s", what, bar(int(d), n))
			}
			return nil
		})
	}
	return group.Wait()
}

func closeAll(sockets []*socket) {
	for _, s := range sockets {
		if s != nil {
			s.conn.Close()
		}
	}
}

// bar draws how far something is.
func bar(done, all int) string {
	const width = 30
	full := 0
	if all > 0 {
		full = min(width*done/all, width)
	}
	return fmt.Sprintf("[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", width-full), done, all)
}
