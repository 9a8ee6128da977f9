package httpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
)

const (
	// farewell is how long one side may go on after the other has ended: the protocol's close frames need little.
	farewell = 3 * time.Second
	// quiet is the size of a websocket's own buffers, bytes; a busy one borrows larger ones.
	quiet = 2 << 10
)

// tunnel forwards a websocket: the node's answer, then bytes both ways. It owns the passage from here on.
func (p *passage) tunnel() {
	node, early, res, err := p.shake()
	if err != nil {
		p.broken(err)
		p.leave()
		return
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = node.SetReadDeadline(time.Now().Add(p.f.conf.Slack))
		if err := p.relay(res); errors.Is(err, errProof) {
			p.broken(err)
		}
		node.Close()
		p.leave()
		return
	}
	client, sent, err := p.takeOver(res)
	if err != nil {
		node.Close()
		p.leave()
		return
	}
	p.f.forwarded.Add(1)
	p.outlive()
	t := &pipe{p: p, client: client, node: node}
	go t.run(sent, early) // a fresh goroutine: that of the HTTP server holds larger buffers
}

// shake dials the node and asks it for a websocket. early is what came right behind its answer.
func (p *passage) shake() (_ net.Conn, early []byte, res *http.Response, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, 2*p.f.conf.DialTimeout+p.f.conf.Slack)
	defer cancel()
	conn, err := p.f.dial(ctx, p.node)
	if err != nil {
		return nil, nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	req := p.request(ctx, http.MethodGet)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	for _, name := range []string{"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol"} {
		if v := p.r.Header.Values(name); len(v) > 0 {
			req.Header[name] = v
		}
	}
	in := bufio.NewReader(io.LimitReader(conn, maxHead))
	if err = req.Write(conn); err == nil {
		res, err = http.ReadResponse(in, req)
	}
	if err == nil && !p.f.hops.Answered(p.mark, res.Header.Get(auth.HopHeader)) {
		err = errProof
	}
	if err != nil || !stop() {
		conn.Close()
		return nil, nil, nil, errors.Join(err, ctx.Err())
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		early, _ = in.Peek(in.Buffered())
		early = append([]byte(nil), early...)
	}
	return conn, early, res, nil
}

// dial connects to a node.
func (f *Forwarder) dial(ctx context.Context, node auth.NodeAddress) (net.Conn, error) {
	conn, err := f.dialer.DialContext(ctx, "tcp", node.Host)
	if err != nil || !node.TLS {
		return conn, err
	}
	host, _, err := net.SplitHostPort(node.Host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	secure := tls.Client(conn, f.tls(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// takeOver takes the client's connection from the HTTP server and answers 101 as the node did. early is what the client sent since.
func (p *passage) takeOver(res *http.Response) (conn net.Conn, early []byte, err error) {
	var head strings.Builder
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
	for _, name := range []string{"Sec-Websocket-Accept", "Sec-Websocket-Protocol"} {
		if v := res.Header.Get(name); v != "" {
			fmt.Fprintf(&head, "%s: %s\r\n", name, v)
		}
	}
	if err := p.w.Header().Write(&head); err != nil {
		return nil, nil, err
	}
	head.WriteString("\r\n")
	conn, rw, err := p.rc.Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ = rw.Reader.Peek(rw.Reader.Buffered())
	early = append([]byte(nil), early...)
	_ = conn.SetDeadline(time.Now().Add(p.f.conf.WriteTimeout))
	if _, err := io.WriteString(conn, head.String()); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, early, nil
}

// pipe carries the bytes of one websocket.
type pipe struct {
	p            *passage
	client, node net.Conn

	mu   sync.Mutex
	last time.Time // nothing is read beyond it; zero: for as long as the protocol's heart beats
}

// run carries both ways until one ends, and a little longer.
func (t *pipe) run(fromClient, fromNode []byte) {
	defer t.p.leave()
	stop := context.AfterFunc(t.p.ctx, func() { t.end(0) })
	defer stop()
	defer t.client.Close()
	defer t.node.Close()
	_ = t.client.SetDeadline(time.Time{})
	_ = t.node.SetDeadline(time.Time{})
	var both sync.WaitGroup
	both.Go(func() { t.carry(t.node, t.client, fromClient) })
	t.carry(t.client, t.node, fromNode)
	both.Wait()
}

// carry copies from src to dst, what came early first, until either ends; then the other direction has a farewell.
func (t *pipe) carry(dst, src net.Conn, early []byte) {
	defer t.end(farewell)
	if len(early) > 0 {
		if t.write(dst, early) != nil {
			return
		}
	}
	buf := make([]byte, quiet)
	for {
		n, err := t.read(src, buf)
		if n > 0 && t.write(dst, buf[:n]) != nil {
			return
		}
		if err == nil && n == len(buf) {
			err = t.rush(dst, src)
		}
		if err != nil {
			if half, ok := dst.(interface{ CloseWrite() error }); ok && errors.Is(err, io.EOF) {
				_ = half.CloseWrite()
			}
			return
		}
	}
}

// rush copies with a borrowed buffer, for as long as much is coming.
func (t *pipe) rush(dst, src net.Conn) error {
	chunk := t.p.f.chunks.Get().(*[]byte)
	defer t.p.f.chunks.Put(chunk)
	for {
		n, err := t.read(src, *chunk)
		if n > 0 {
			if err := t.write(dst, (*chunk)[:n]); err != nil {
				return err
			}
		}
		if err != nil || n < quiet {
			return err
		}
	}
}

// read reads within the time in which a live session must have had a ping or a pong.
func (t *pipe) read(src net.Conn, b []byte) (int, error) {
	t.mu.Lock()
	until := time.Now().Add(t.p.f.conf.PingInterval + t.p.f.conf.PingTimeout + t.p.f.conf.Slack)
	if !t.last.IsZero() {
		until = t.last
	}
	_ = src.SetReadDeadline(until)
	t.mu.Unlock()
	return src.Read(b)
}

// write writes all of b to a peer that takes something within WriteTimeout.
func (t *pipe) write(dst net.Conn, b []byte) error {
	_ = dst.SetWriteDeadline(time.Now().Add(t.p.f.conf.WriteTimeout))
	_, err := dst.Write(b)
	return err
}

// end lets both directions go on for d at most.
func (t *pipe) end(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := time.Now().Add(d); t.last.IsZero() || at.Before(t.last) {
		t.last = at
		_ = t.client.SetReadDeadline(at)
		_ = t.node.SetReadDeadline(at)
	}
}
