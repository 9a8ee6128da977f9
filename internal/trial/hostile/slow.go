package hostile

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// drip is a connection on which a byte is sent now and then.
type drip struct {
	kind string
	conn net.Conn
	said chan struct{} // closed when the server has answered or closed
}

// slow keeps hundreds of connections on each of which a byte a second is sent: a request's header; a POST's long body; the rest of a
// websocket frame. When one is closed, another takes its place.
func slow(ctx context.Context, s *stage) error {
	kinds := [...]struct {
		name string
		open func(ctx context.Context, s *stage) (net.Conn, error)
	}{{"headers", openHeader}, {"bodies", openBody}, {"frames", openFrame}}
	n := s.many(300)
	var all sync.WaitGroup
	var opened sync.WaitGroup
	s.expect(len(kinds) * n)
	for k, kind := range kinds {
		for i := range n {
			opened.Add(1)
			first := sync.OnceFunc(opened.Done)
			all.Go(func() {
				defer first()
				rng := s.chance(k*n + i)
				for s.rest(time.Duration(rng.IntN(1000)) * time.Millisecond) {
					conn, err := kind.open(ctx, s)
					if err != nil {
						s.count(kind.name+" refused", 1)
						continue
					}
					s.count(kind.name+" opened", 1)
					first()
					s.drip(&drip{kind: kind.name, conn: conn, said: make(chan struct{})})
				}
			})
		}
	}
	opened.Wait()
	s.ready()
	all.Wait()
	return nil
}

// drip sends a byte a second until the server ends it.
func (s *stage) drip(d *drip) {
	defer d.conn.Close()
	go func() {
		defer close(d.said)
		answer := make([]byte, 1<<10)
		n, _ := d.conn.Read(answer)
		if strings.HasPrefix(string(answer[:n]), "HTTP/1.1 ") {
			s.count(d.kind+" answered "+string(answer[9:12]), 1)
		}
		_, _ = io.Copy(io.Discard, d.conn)
	}()
	for s.rest(time.Second) {
		if _, err := d.conn.Write([]byte("a")); err != nil {
			s.count(d.kind+" closed by the server", 1)
			return
		}
		select {
		case <-d.said:
			s.count(d.kind+" closed by the server", 1)
			return
		default:
		}
	}
}

func openHeader(ctx context.Context, s *stage) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nX-Slow: ", s.Addr)
	return conn, err
}

// openBody begins a POST of 100,000 bytes in a session of its own.
func openBody(ctx context.Context, s *stage) (net.Conn, error) {
	url := "http://" + s.Addr + "/socket.io/?EIO=4&transport=polling"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	res, err := (&http.Client{Timeout: within}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	var open struct{ SID string }
	if err != nil || len(body) == 0 || json.Unmarshal(body[1:], &open) != nil || open.SID == "" {
		return nil, errors.Join(fmt.Errorf("no handshake: %d %.100s", res.StatusCode, body), err)
	}
	conn, err := (&net.Dialer{Timeout: within}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "POST /socket.io/?EIO=4&transport=polling&sid=%s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n4", open.SID, s.Addr)
	return conn, err
}

// openFrame connects as a guest, and begins a frame of 65,536 bytes.
func openFrame(ctx context.Context, s *stage) (net.Conn, error) {
	w, _, err := enter(ctx, s.Addr, false, map[string]any{"name": "slow"})
	if err != nil {
		return nil, err
	}
	head := append(binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 1<<16), 0, 0, 0, 0, '4', '2')
	_, err = w.Write(head)
	return w.Conn, err
}
