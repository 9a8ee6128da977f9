package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	dialWithin   = 30 * time.Second
	answerWithin = 30 * time.Second
)

// socket is one connection to the server, in the namespace /.
type socket struct {
	conn    net.Conn
	in      frames
	auth    []byte
	onEvent func(s *socket, event []byte, now time.Time) // nil: events are passed over

	now       time.Time // of the last read
	connected chan error
	isOpen    bool
	pings     atomic.Int64

	mu    sync.Mutex // writes, and what is below
	out   []byte
	next  int
	acks  map[int]func(data []byte, err error)
	ended error
}

// server is where a socket connects to.
type server struct {
	url    string // ws://host:port/socket.io/?…
	auth   []byte // JSON of the CONNECT packet
	buffer int    // bytes that a socket keeps for reading
}

// dial opens a websocket, and waits for the answer to CONNECT.
func dial(ctx context.Context, to server, onEvent func(*socket, []byte, time.Time)) (*socket, error) {
	d := ws.Dialer{Timeout: dialWithin}
	conn, early, _, err := d.Dial(ctx, to.url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.url, err)
	}
	s := &socket{conn: conn, auth: to.auth, onEvent: onEvent, connected: make(chan error, 1)}
	s.in = frames{buf: make([]byte, to.buffer), text: s.packet, ping: s.pong}
	var first []byte
	if early != nil {
		first, _ = early.Peek(early.Buffered())
		first = bytes.Clone(first)
		ws.PutReader(early)
	}
	go s.run(first)
	select {
	case err = <-s.connected:
	case <-time.After(answerWithin):
		err = errors.New("no answer to CONNECT")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// run reads until the connection ends. first is what came in behind the handshake.
func (s *socket) run(first []byte) {
	err := s.begin(first)
	for err == nil {
		var n int
		n, err = s.conn.Read(s.in.space())
		if n > 0 {
			s.now = time.Now()
			if e := s.in.took(n); e != nil {
				err = e
			}
		}
	}
	s.end(err)
}

func (s *socket) begin(first []byte) error {
	s.now = time.Now()
	for len(first) > 0 {
		n := copy(s.in.space(), first)
		if err := s.in.took(n); err != nil {
			return err
		}
		first = first[n:]
	}
	return nil
}

// end tells everybody who waits.
func (s *socket) end(err error) {
	s.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = fmt.Errorf("the connection ended: %w", err)
	for _, done := range s.acks {
		done(nil, s.ended)
	}
	s.acks = nil
	if !s.isOpen {
		s.connected <- s.ended
	}
}

// over says why the connection ended; nil: it has not.
func (s *socket) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// packet takes one Engine.IO packet.
func (s *socket) packet(p []byte) error {
	switch {
	case bytes.HasPrefix(p, []byte("42")):
		if s.onEvent != nil {
			s.onEvent(s, p, s.now)
		}
	case bytes.HasPrefix(p, []byte("43")):
		s.answer(p[2:])
	case bytes.HasPrefix(p, []byte("2")):
		s.pings.Add(1)
		return s.write(ws.OpText, []byte("3"))
	case bytes.HasPrefix(p, []byte("0")):
		return s.write(ws.OpText, append([]byte("40"), s.auth...))
	case bytes.HasPrefix(p, []byte("40")):
		s.mu.Lock()
		s.isOpen = true
		s.mu.Unlock()
		s.connected <- nil
	case bytes.HasPrefix(p, []byte("44")):
		return fmt.Errorf("the server refuses: %s", p[2:])
	case bytes.HasPrefix(p, []byte("41")), bytes.HasPrefix(p, []byte("1")):
		return errors.New("the server disconnects")
	}
	return nil
}

func (s *socket) pong(payload []byte) error { return s.write(ws.OpPong, payload) }

// answer takes an ack: 43<id>[…].
func (s *socket) answer(p []byte) {
	n := bytes.IndexByte(p, '[')
	if n < 0 {
		return
	}
	id, err := strconv.Atoi(string(p[:n]))
	if err != nil {
		return
	}
	s.mu.Lock()
	done := s.acks[id]
	delete(s.acks, id)
	s.mu.Unlock()
	if done != nil {
		done(p[n:], nil)
	}
}

func (s *socket) write(op ws.OpCode, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(op, payload)
}

func (s *socket) writeLocked(op ws.OpCode, payload []byte) error {
	s.out = clientFrame(s.out[:0], op, payload)
	s.conn.SetWriteDeadline(time.Now().Add(answerWithin))
	_, err := s.conn.Write(s.out)
	return err
}

// emit sends an event and asks for an ack, which done gets: its arguments as a JSON array, or why there is none. done must not block.
func (s *socket) emit(name string, payload []byte, done func(data []byte, err error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		done(nil, s.ended)
		return
	}
	s.next++
	if s.acks == nil {
		s.acks = map[int]func([]byte, error){}
	}
	s.acks[s.next] = done
	event := make([]byte, 0, len(payload)+len(name)+16)
	event = strconv.AppendInt(append(event, "42"...), int64(s.next), 10)
	event = append(append(append(event, `["`...), name...), `",`...)
	event = append(append(event, payload...), ']')
	if s.writeLocked(ws.OpText, event) != nil {
		s.conn.Close() // run ends, and tells
	}
}

// answered is what every ack of the chat says.
type answered struct {
	OK    bool            `json:"ok"`
	Data  json.RawMessage `json:"data"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// request emits, and waits for the data of the answer.
func (s *socket) request(ctx context.Context, name string, payload any) (json.RawMessage, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	type result struct {
		data []byte
		err  error
	}
	got := make(chan result, 1)
	s.emit(name, body, func(data []byte, err error) { got <- result{bytes.Clone(data), err} })
	select {
	case r := <-got:
		if r.err != nil {
			return nil, fmt.Errorf("%s: %w", name, r.err)
		}
		var all []answered
		if err := json.Unmarshal(r.data, &all); err != nil || len(all) != 1 {
			return nil, fmt.Errorf("%s: an answer that is none: %.100s", name, r.data)
		}
		if !all[0].OK {
			return nil, fmt.Errorf("%s is refused: %s: %s", name, all[0].Error.Code, all[0].Error.Message)
		}
		return all[0].Data, nil
	case <-time.After(answerWithin):
		return nil, fmt.Errorf("%s: no answer within %v", name, answerWithin)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
