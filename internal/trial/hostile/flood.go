package hostile

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// flood holds connections that say nothing, and handshakes without CONNECT just below the number that the server takes, opens others
// anew whenever some are closed, and beside that connects and goes away at once, at a steady rate.
func flood(ctx context.Context, s *stage) error {
	silent, waiting, rate := s.many(3000), s.many(900), s.many(100)
	s.expect(silent + waiting + rate/10)
	var all, opened sync.WaitGroup
	hold := func(n int, kind string, open func() (net.Conn, error)) {
		for i := range n {
			opened.Add(1)
			first := sync.OnceFunc(opened.Done)
			all.Go(func() {
				defer first()
				for s.rest(time.Duration(s.chance(i).IntN(2000)) * time.Millisecond) {
					conn, err := open()
					if err != nil {
						s.count(kind+" refused", 1)
						continue
					}
					s.count(kind+" opened", 1)
					first()
					s.hold(conn, kind)
				}
			})
		}
	}
	hold(silent, "silent", func() (net.Conn, error) {
		return (&net.Dialer{Timeout: within}).DialContext(ctx, "tcp", s.Addr)
	})
	hold(waiting, "handshakes", func() (net.Conn, error) {
		w, err := dial(ctx, s.Addr, false)
		if err != nil {
			return nil, err
		}
		return w.Conn, nil
	})
	opened.Wait()
	s.ready()
	all.Go(func() { s.comeAndGo(ctx, rate) })
	all.Wait()
	return nil
}

// hold holds a connection until the server closes it.
func (s *stage) hold(conn net.Conn, kind string) {
	stop := context.AfterFunc(s.stop, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	_, _ = io.Copy(io.Discard, conn)
	if !s.stopped() {
		s.count(kind+" closed by the server", 1)
	}
}

// comeAndGo connects as a guest and closes, rate times a second, with a bounded number at a time.
func (s *stage) comeAndGo(ctx context.Context, rate int) {
	turns := make(chan struct{}, 64)
	var all sync.WaitGroup
	defer all.Wait()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-s.stop.Done():
			return
		case <-tick.C:
		}
		select {
		case turns <- struct{}{}:
		default:
			s.count("came and went: too many at a time", 1)
			continue
		}
		all.Go(func() {
			defer func() { <-turns }()
			w, _, err := enter(ctx, s.Addr, false, map[string]any{"name": "passing"})
			switch {
			case err == nil:
				w.Close()
				s.count("came and went", 1)
			case strings.Contains(err.Error(), "503"):
				s.count("came and were refused", 1)
			default:
				s.count("came and failed", 1)
			}
		})
	}
}
