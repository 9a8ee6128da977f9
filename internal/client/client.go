// Package client is a small Socket.IO client over a websocket, for load and for checks from outside: one socket, the namespace /,
// events and acks in the order in which they arrive.
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// ErrClosed says that the connection ended before an answer came.
var ErrClosed = errors.New("the connection ended")

// Refused is the server's answer to a CONNECT that it refuses.
type Refused struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (r *Refused) Error() string { return "refused: " + r.Message + " " + string(r.Data) }

// Client is one connected socket.
type Client struct {
	conn net.Conn
	in   *bufio.Reader
	on   func(name string, data json.RawMessage)

	write sync.Mutex

	mu    sync.Mutex
	next  int
	acks  map[string]func(json.RawMessage, error)
	ended error
	done  chan struct{}
}

// Dial connects to host:port, presents auth and waits for the CONNECT answer. on gets every event, serially, in order; it must not
// block for long.
func Dial(ctx context.Context, addr string, auth any, on func(name string, data json.RawMessage)) (*Client, error) {
	d := ws.Dialer{Timeout: 5 * time.Second}
	conn, br, _, err := d.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	c := &Client{conn: conn, in: br, on: on, acks: map[string]func(json.RawMessage, error){}, done: make(chan struct{})}
	if c.in == nil {
		c.in = bufio.NewReader(conn)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = c.connect(auth)
	if !stop() || err != nil {
		conn.Close()
		if err == nil {
			err = ctx.Err()
		}
		return nil, err
	}
	go c.read()
	return c, nil
}

func (c *Client) connect(auth any) error {
	c.conn.SetDeadline(time.Now().Add(15 * time.Second))
	defer c.conn.SetDeadline(time.Time{})
	if msg, err := c.message(); err != nil || len(msg) == 0 || msg[0] != '0' {
		return fmt.Errorf("no handshake: %q, %w", msg, errors.Join(err, ErrClosed))
	}
	body, err := json.Marshal(auth)
	if err != nil {
		return err
	}
	if err := c.send(append([]byte("40"), body...)); err != nil {
		return err
	}
	for {
		msg, err := c.message()
		switch {
		case err != nil:
			return err
		case string(msg) == "2":
			if err := c.send([]byte("3")); err != nil {
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

func (c *Client) message() ([]byte, error) {
	data, _, err := wsutil.ReadServerData(readWriter{c.in, c.conn})
	return data, err
}

// readWriter reads what the dialer has buffered first.
type readWriter struct {
	*bufio.Reader
	conn net.Conn
}

func (rw readWriter) Write(p []byte) (int, error) { return rw.conn.Write(p) }

func (c *Client) send(data []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	return wsutil.WriteClientText(c.conn, data)
}

// read hands on what comes until the connection ends; then every waiting ack fails.
func (c *Client) read() {
	var err error
	for err == nil {
		var msg []byte
		if msg, err = c.message(); err == nil {
			err = c.take(msg)
		}
	}
	c.conn.Close()
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
		return c.send([]byte("3"))
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
	if err := c.send(msg); err != nil {
		c.conn.Close() // the reader fails the ack
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

// Close ends the connection.
func (c *Client) Close() { c.conn.Close() }

// Done is closed when the connection has ended and every ack was told.
func (c *Client) Done() <-chan struct{} { return c.done }
