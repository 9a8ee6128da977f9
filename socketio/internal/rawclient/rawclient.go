// Package rawclient speaks to a server packet by packet, as tests of the protocol want it: nothing is sent, answered or dropped that
// the test did not ask for.
package rawclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Patience is how long a client waits for anything before its test fails.
const Patience = 20 * time.Second

// Socket is a websocket. It is for one goroutine, except Send and SendBinary, which may be used beside the reading one.
type Socket struct {
	// Heartbeat: answer pings, and do not show them.
	Heartbeat bool
	t         testing.TB
	conn      net.Conn
	reader    io.Reader
}

// Dial opens a websocket; base is the http address of the path, query what is added to it.
func Dial(t testing.TB, base, query string) *Socket {
	t.Helper()
	s, err := TryDial(t, base, query)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return s
}

// TryDial is Dial for a server that may refuse.
func TryDial(t testing.TB, base, query string) (*Socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(base, "http")+"?"+query)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &Socket{t: t, conn: conn, reader: conn}
	if early != nil {
		s.reader = early
	}
	return s, nil
}

// Open opens a session and takes the handshake packet.
func Open(t testing.TB, base string) *Socket {
	t.Helper()
	s := Dial(t, base, "EIO=4&transport=websocket")
	if open := s.Next(); !strings.HasPrefix(open, "0{") {
		t.Fatalf("handshake: got %s", open)
	}
	return s
}

// Join opens a session, joins a namespace with a CONNECT packet such as 40/custom,{} and takes the answer. Pings that come before it
// are answered.
func Join(t testing.TB, base, connect string) *Socket {
	t.Helper()
	s := Open(t, base)
	s.Heartbeat = true
	s.Send(connect)
	if answer := s.Next(); !strings.HasPrefix(answer, "40") {
		t.Fatalf("%s: got %s", connect, answer)
	}
	s.Heartbeat = false
	return s
}

// Send sends a text message. An error is none of the client's business: the server may have closed.
func (s *Socket) Send(text string) { _ = wsutil.WriteClientText(s.conn, []byte(text)) }

// SendBinary sends a binary message.
func (s *Socket) SendBinary(b []byte) { _ = wsutil.WriteClientBinary(s.conn, b) }

// Read returns the next message, or the error that the connection ended with.
func (s *Socket) Read() (data []byte, binary bool, err error) {
	for {
		_ = s.conn.SetReadDeadline(time.Now().Add(Patience))
		data, op, err := wsutil.ReadServerData(struct {
			io.Reader
			io.Writer
		}{s.reader, s.conn})
		if err != nil {
			return nil, false, err
		}
		if s.Heartbeat && op == ws.OpText && string(data) == "2" {
			s.Send("3")
			continue
		}
		return data, op == ws.OpBinary, nil
	}
}

// Next returns the next text message.
func (s *Socket) Next() string {
	s.t.Helper()
	data, binary, err := s.Read()
	if err != nil || binary {
		s.t.Fatalf("wanted text, got %q, binary %v, %v", data, binary, err)
	}
	return string(data)
}

// NextBinary returns the next binary message.
func (s *Socket) NextBinary() []byte {
	s.t.Helper()
	data, binary, err := s.Read()
	if err != nil || !binary {
		s.t.Fatalf("wanted binary, got %q, binary %v, %v", data, binary, err)
	}
	return data
}

// Want fails the test unless these text messages come next.
func (s *Socket) Want(texts ...string) {
	s.t.Helper()
	for _, want := range texts {
		if got := s.Next(); got != want {
			s.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// WantClosed fails the test unless the server ends the connection; what it sends before is dropped.
func (s *Socket) WantClosed() {
	s.t.Helper()
	for {
		if _, _, err := s.Read(); err != nil {
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				s.t.Fatal("the connection stays open")
			}
			return
		}
	}
}

// Close hangs up.
func (s *Socket) Close() { _ = s.conn.Close() }

// Poll is a polling session.
type Poll struct {
	t    testing.TB
	base string
	SID  string
}

// OpenPoll opens a polling session.
func OpenPoll(t testing.TB, base string) *Poll {
	t.Helper()
	p := &Poll{t: t, base: base}
	status, body := p.Get()
	_, rest, ok := strings.Cut(body, `"sid":"`)
	if status != http.StatusOK || !ok {
		t.Fatalf("handshake: %d %s", status, body)
	}
	p.SID, _, _ = strings.Cut(rest, `"`)
	return p
}

// URL is the address of the session's requests.
func (p *Poll) URL() string {
	u := p.base + "?EIO=4&transport=polling"
	if p.SID != "" {
		u += "&sid=" + url.QueryEscape(p.SID)
	}
	return u
}

// Get polls once.
func (p *Poll) Get() (status int, body string) {
	p.t.Helper()
	return Do(p.t, http.MethodGet, p.URL(), "")
}

// Post sends packets.
func (p *Poll) Post(packets ...string) (status int, body string) {
	p.t.Helper()
	return Do(p.t, http.MethodPost, p.URL(), strings.Join(packets, "\x1e"))
}

// Packets polls until n packets have come, which it returns.
func (p *Poll) Packets(n int) []string {
	p.t.Helper()
	var packets []string
	for len(packets) < n {
		status, body := p.Get()
		if status != http.StatusOK {
			p.t.Fatalf("poll: %d %s, after %q", status, body, packets)
		}
		packets = append(packets, strings.Split(body, "\x1e")...)
	}
	return packets
}

// Do makes one HTTP request.
func Do(t testing.TB, method, address, body string) (status int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", method, err))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
