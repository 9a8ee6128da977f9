// Package client is a small Socket.IO client, for load and for checks from outside: one socket, the namespace /, by websocket, polling
// or both, events and acks in the order in which they arrive.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrClosed says that the connection ended before an answer came.
var ErrClosed = errors.New("the connection ended")

// Refused is the server's answer to a CONNECT that it refuses.
type Refused struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (r *Refused) Error() string { return "refused: " + r.Message + " " + string(r.Data) }

// Transport is the way to the server.
type Transport int

// The transports: a websocket from the start; polling for ever; polling that is upgraded to a websocket.
const (
	WebSocket Transport = iota
	Polling
	Upgrade
)

func (t Transport) String() string { return [...]string{"websocket", "polling", "upgrade"}[t] }

// wire carries Engine.IO packets. read is for one goroutine; send may be used beside it, and may return before the packet is away.
type wire interface {
	open(ctx context.Context) error
	read() ([]byte, error)
	send(packet []byte) error
	close()
}

const (
	dialWithin   = 5 * time.Second
	answerWithin = 15 * time.Second
)

// Client is one connected socket.
type Client struct {
	wire wire
	on   func(name string, data json.RawMessage)

	mu    sync.Mutex
	next  int
	acks  map[string]func(json.RawMessage, error)
	ended error
	done  chan struct{}
}

// Dial connects to host:port by a websocket, presents auth and waits for the CONNECT answer. on gets every event, serially, in order;
// it must not block for long.
func Dial(ctx context.Context, addr string, auth any, on func(name string, data json.RawMessage)) (*Client, error) {
	return DialBy(ctx, WebSocket, addr, auth, on)
}

// DialBy is Dial by a given transport. With Upgrade the move to the websocket begins once the socket is connected, and goes on beside
// what the caller does; a refused websocket leaves it polling, Upgraded tells.
func DialBy(ctx context.Context, by Transport, addr string, auth any, on func(name string, data json.RawMessage)) (*Client, error) {
	w, err := newWire(ctx, by, addr)
	if err != nil {
		return nil, err
	}
	c := &Client{wire: w, on: on, acks: map[string]func(json.RawMessage, error){}, done: make(chan struct{})}
	stop := context.AfterFunc(ctx, w.close)
	if err = w.open(ctx); err == nil {
		err = c.connect(auth)
	}
	if !stop() || err != nil {
		w.close()
		if err == nil {
			err = ctx.Err()
		}
		return nil, err
	}
	if u, ok := w.(*upgrader); ok {
		go u.probe(context.WithoutCancel(ctx))
	}
	go c.read()
	return c, nil
}

func newWire(ctx context.Context, by Transport, addr string) (wire, error) {
	switch by {
	case WebSocket:
		return dialSocket(ctx, addr, "")
	case Polling:
		return newPoller(addr), nil
	case Upgrade:
		return &upgrader{poll: newPoller(addr)}, nil
	}
	return nil, fmt.Errorf("there is no transport %d", by)
}

// handshake is the first packet of a session. See Engine.IO v4, §handshake.
type handshake struct {
	SID          string
	PingInterval int // ms
	PingTimeout  int // ms
}

// patience is how long the server may be silent.
func (h handshake) patience() time.Duration {
	return time.Duration(h.PingInterval+h.PingTimeout) * time.Millisecond
}

func parseHandshake(packet []byte) (handshake, error) {
	var h handshake
	if len(packet) == 0 || packet[0] != '0' {
		return h, fmt.Errorf("no handshake: %.80q", packet)
	}
	if err := json.Unmarshal(packet[1:], &h); err != nil || h.SID == "" || h.PingInterval <= 0 || h.PingTimeout <= 0 {
		return h, fmt.Errorf("malformed handshake %.200q", packet)
	}
	return h, nil
}

func (c *Client) connect(auth any) error {
	body, err := json.Marshal(auth)
	if err != nil {
		return err
	}
	if err := c.wire.send(append([]byte("40"), body...)); err != nil {
		return err
	}
	for {
		msg, err := c.wire.read()
		switch {
		case err != nil:
			return err
		case string(msg) == "2":
			if err := c.wire.send([]byte("3")); err != nil {
				return err
			}
		case bytes.HasPrefix(msg, []byte("40")):
			return nil
		case bytes.HasPrefix(msg, []byte("44")):
			r := &Refused{}
			if err := json.Unmarshal(msg[2:], r); err != nil {
				return err
			}
			return r
		default:
			return fmt.Errorf("before the CONNECT answer came %.80q", msg)
		}
	}
}

// read hands on what comes until the connection ends; then every waiting ack fails.
func (c *Client) read() {
	var err error
	for err == nil {
		var msg []byte
		if msg, err = c.wire.read(); err == nil {
			err = c.take(msg)
		}
	}
	c.wire.close()
	c.mu.Lock()
	c.ended = fmt.Errorf("%w: %w", ErrClosed, err)
	acks := c.acks
	c.acks = nil
	c.mu.Unlock()
	for _, f := range acks {
		f(nil, c.ended)
	}
	close(c.done)
}

func (c *Client) take(msg []byte) error {
	switch {
	case string(msg) == "2":
		return c.wire.send([]byte("3"))
	case bytes.HasPrefix(msg, []byte("42")):
		var event []json.RawMessage
		var name string
		if err := json.Unmarshal(msg[2:], &event); err != nil || len(event) < 2 || json.Unmarshal(event[0], &name) != nil {
			return fmt.Errorf("malformed event %.80q", msg)
		}
		c.on(name, event[1])
	case bytes.HasPrefix(msg, []byte("43")):
		id, rest, _ := strings.Cut(string(msg[2:]), "[")
		var args []json.RawMessage
		if err := json.Unmarshal([]byte("["+rest), &args); err != nil || len(args) != 1 {
			return fmt.Errorf("malformed ack %.80q", msg)
		}
		c.mu.Lock()
		f := c.acks[id]
		delete(c.acks, id)
		c.mu.Unlock()
		if f != nil {
			f(args[0], nil)
		}
	case bytes.HasPrefix(msg, []byte("41")), string(msg) == "1":
		return errors.New("disconnected by the server")
	}
	return nil
}

// Emit sends an event; ack runs exactly once, in the order of what arrives, with the answer or ErrClosed.
func (c *Client) Emit(name string, payload any, ack func(answer json.RawMessage, err error)) {
	body, err := json.Marshal(payload)
	if err != nil {
		ack(nil, err)
		return
	}
	c.mu.Lock()
	if c.ended != nil || c.acks == nil {
		c.mu.Unlock()
		ack(nil, ErrClosed)
		return
	}
	id := strconv.Itoa(c.next)
	c.next++
	c.acks[id] = ack
	c.mu.Unlock()
	msg := append([]byte("42"+id+"["), strconv.Quote(name)...)
	msg = append(append(append(msg, ','), body...), ']')
	if err := c.wire.send(msg); err != nil {
		c.wire.close() // the reader fails the ack
	}
}

// Call is Emit that waits. The answer is `data` of an ok answer; a refusal is a *Failure.
func (c *Client) Call(ctx context.Context, name string, payload any) (json.RawMessage, error) {
	type result struct {
		data json.RawMessage
		err  error
	}
	ch := make(chan result, 1)
	c.Emit(name, payload, func(a json.RawMessage, err error) {
		if err == nil {
			a, err = Answer(a)
		}
		ch <- result{a, err}
	})
	select {
	case r := <-ch:
		return r.data, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Failure is a negative answer.
type Failure struct {
	Code         string `json:"code"`
	Message      string `json:"message"`
	RetryAfterMs int    `json:"retryAfterMs"`
}

func (f *Failure) Error() string { return f.Code + ": " + f.Message }

// Answer takes an ack apart: data, or a *Failure.
func Answer(raw json.RawMessage) (json.RawMessage, error) {
	var a struct {
		OK    bool            `json:"ok"`
		Data  json.RawMessage `json:"data"`
		Error *Failure        `json:"error"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, fmt.Errorf("malformed answer %.80q: %w", raw, err)
	}
	if !a.OK {
		if a.Error == nil {
			return nil, fmt.Errorf("an answer neither ok nor an error: %.80q", raw)
		}
		return nil, a.Error
	}
	return a.Data, nil
}

// Close ends the connection without a word, as a client that vanishes does. (A server learns of it at once by a websocket, and after
// its ping timeout by polling.)
func (c *Client) Close() { c.wire.close() }

// Leave says that the client goes, and then ends the connection.
func (c *Client) Leave() {
	_ = c.wire.send([]byte("41"))
	_ = c.wire.send([]byte("1"))
	switch w := c.wire.(type) {
	case *poller:
		w.drained()
	case *upgrader:
		w.poll.drained()
	}
	c.wire.close()
}

// Upgraded tells whether a socket that began by polling has moved to a websocket; settled is false while that is not decided.
func (c *Client) Upgraded() (yes, settled bool) {
	u, ok := c.wire.(*upgrader)
	if !ok {
		return false, true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.moved, u.moved || u.failed.Load()
}

// Done is closed when the connection has ended and every ack was told.
func (c *Client) Done() <-chan struct{} { return c.done }
