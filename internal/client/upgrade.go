package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// upgrader begins by polling and moves to a websocket once that has answered a probe. See Engine.IO v4, §upgrade.
type upgrader struct {
	poll *poller

	ws     *socket     // after probe, before probed is set
	probed atomic.Bool // the server holds the websocket ready, and lets the last poll return
	failed atomic.Bool
	closed atomic.Bool

	mu    sync.Mutex // of sending, and of the move
	moved bool
}

func (u *upgrader) open(ctx context.Context) error { return u.poll.open(ctx) }

// probe opens the websocket beside the polls. What fails leaves the session polling.
func (u *upgrader) probe(ctx context.Context) {
	s, err := dialSocket(ctx, u.poll.addr, u.poll.sid)
	if err != nil {
		u.failed.Store(true)
		return
	}
	s.conn.SetReadDeadline(time.Now().Add(answerWithin))
	answer := []byte(nil)
	if err = s.send([]byte("2probe")); err == nil {
		answer, err = s.read()
	}
	if err != nil || string(answer) != "3probe" || u.closed.Load() {
		s.close()
		u.failed.Store(true)
		return
	}
	s.patience = u.poll.patience
	u.ws = s
	u.probed.Store(true)
	if u.closed.Load() {
		s.close()
	}
}

// read polls until the websocket is ready and what came by polls has been read, then moves.
func (u *upgrader) read() ([]byte, error) {
	for {
		if u.moved { // written by this goroutine only
			return u.ws.read()
		}
		if len(u.poll.inbox) == 0 && u.probed.Load() {
			if err := u.move(); err != nil {
				return nil, err
			}
			continue
		}
		packet, err := u.poll.read()
		if err != nil || string(packet) != "6" { // a noop only ends a poll
			return packet, err
		}
	}
}

// move waits until the last POST is through, so that no packet overtakes another.
func (u *upgrader) move() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.poll.drained()
	if err := context.Cause(u.poll.ctx); err != nil {
		return err
	}
	if err := u.ws.send([]byte("5")); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	u.moved = true
	u.poll.http.CloseIdleConnections()
	return nil
}

func (u *upgrader) send(packet []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.moved {
		return u.ws.send(packet)
	}
	return u.poll.send(packet)
}

func (u *upgrader) close() {
	u.closed.Store(true)
	u.poll.close()
	if u.probed.Load() {
		u.ws.close()
	}
}
