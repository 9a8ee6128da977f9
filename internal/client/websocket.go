package client

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// socket is a websocket that carries one packet in each message.
type socket struct {
	conn net.Conn
	in   *bufio.Reader

	write    sync.Mutex
	patience time.Duration // without a packet for so long the server is gone; 0: not known yet. Of the reading goroutine.
}

// dialSocket opens a websocket; sid names the session that is to be upgraded, empty: a new one.
func dialSocket(ctx context.Context, addr, sid string) (*socket, error) {
	query := "EIO=4&transport=websocket"
	if sid != "" {
		query += "&sid=" + sid
	}
	d := ws.Dialer{Timeout: dialWithin}
	conn, in, _, err := d.Dial(ctx, "ws://"+addr+"/socket.io/?"+query)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	if in == nil {
		in = bufio.NewReader(conn)
	}
	return &socket{conn: conn, in: in}, nil
}

func (s *socket) open(context.Context) error {
	s.conn.SetReadDeadline(time.Now().Add(answerWithin))
	msg, err := s.read()
	if err != nil {
		return fmt.Errorf("no handshake: %w", err)
	}
	h, err := parseHandshake(msg)
	s.patience = h.patience()
	return err
}

func (s *socket) read() ([]byte, error) {
	if s.patience > 0 {
		s.conn.SetReadDeadline(time.Now().Add(s.patience))
	}
	data, _, err := wsutil.ReadServerData(readWriter{s.in, s.conn})
	return data, err
}

// readWriter reads what the dialer has buffered first.
type readWriter struct {
	*bufio.Reader
	conn net.Conn
}

func (rw readWriter) Write(p []byte) (int, error) { return rw.conn.Write(p) }

func (s *socket) send(packet []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(answerWithin))
	return wsutil.WriteClientText(s.conn, packet)
}

func (s *socket) close() { s.conn.Close() }
