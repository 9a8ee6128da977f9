package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// copyChunk is the size of one piece of a relayed body, bytes: small enough to get through within WriteTimeout.
const copyChunk = 32 << 10

// poll forwards a GET. The node answers it with data, or with its next ping at the latest.
func (p *passage) poll() {
	_ = p.rc.SetReadDeadline(time.Time{})
	_ = p.rc.SetWriteDeadline(time.Time{})
	req := once(p.request(p.ctx, http.MethodGet))
	limit := time.AfterFunc(p.f.conf.PingInterval+p.f.conf.PingTimeout+p.f.conf.Slack, func() { p.cut(errTime) })
	defer limit.Stop()
	p.exchange(req)
}

// exchange asks the node and relays its answer.
func (p *passage) exchange(req *http.Request) {
	res, err := p.f.client.RoundTrip(req)
	if err == nil {
		err = p.relay(res)
	}
	switch {
	case err == nil:
	case errors.Is(err, errPeer):
		// The node may believe that its answer has arrived. A client that tries again must not go on behind what it never got.
		p.giveUp()
	case p.r.Context().Err() != nil: // the client hung up, or stopped in the middle of its body
		p.w.Header().Set("Connection", "close")
		engineio.UnknownSession().Write(p.w, p.r)
		p.giveUp()
	case !errors.Is(err, errHalf):
		p.closeUnlessTaken()
		p.broken(err)
	}
}

// once makes of a GET what http.Transport sends a single time. It repeats one whose connection broke, unless it has a body: what the node
// answered the first time would be lost. With the encoding that means none it sends such a body as it is, which is not at all. Without,
// it looks for 200 ms whether the body is empty, and on a busy machine it then announces one, which the node refuses.
func once(req *http.Request) *http.Request {
	req.Body, req.TransferEncoding = nothing{}, []string{"identity"}
	return req
}

// nothing is a body that is empty, and not known to be.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }

// giveUp ends the session at its node, by a packet that no client may send.
func (p *passage) giveUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.f.conf.DialTimeout+p.f.conf.Slack)
	defer cancel()
	req := p.request(ctx, http.MethodPost)
	const ping = "2"
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(ping)), int64(len(ping))
	req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	if res, err := p.f.client.RoundTrip(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, copyChunk))
		res.Body.Close()
	}
}

// post forwards a POST, its body as it comes.
func (p *passage) post() {
	if p.r.ContentLength > int64(p.f.conf.MaxPayload) {
		(&engineio.Refusal{Status: http.StatusRequestEntityTooLarge, Code: 3, Message: "Payload too large"}).Write(p.w, p.r)
		return
	}
	patience := p.f.conf.WriteTimeout + p.f.conf.Slack
	limit := time.AfterFunc(patience, func() { p.cut(errTime) })
	defer limit.Stop()
	body := &upload{p: p, left: int64(p.f.conf.MaxPayload) + 1, progress: func() { limit.Reset(patience) }}
	body.ended.Store(p.r.ContentLength == 0)
	p.body = body
	defer body.stop()
	req := p.request(p.ctx, http.MethodPost)
	req.Body, req.ContentLength = body, p.r.ContentLength
	if p.r.ContentLength == 0 {
		req.Body = http.NoBody
	}
	p.exchange(req)
}

// upload is the body of a client's POST on its way to another node. It gives up on a client that sends nothing for WriteTimeout, and ends
// one byte above the most a body may have, which the node then refuses.
type upload struct {
	p        *passage
	left     int64
	progress func()

	ended atomic.Bool // all has been read

	mu   sync.Mutex // held while reading
	over bool
}

func (u *upload) Read(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over || u.left <= 0 {
		return 0, io.EOF
	}
	_ = u.p.rc.SetReadDeadline(time.Now().Add(u.p.f.conf.WriteTimeout))
	n, err := u.p.r.Body.Read(b[:min(int64(len(b)), u.left)])
	u.left -= int64(n)
	u.progress()
	switch {
	case err == io.EOF:
		// What is read from now on is net/http's look-out for a client that hangs up.
		u.over = true
		u.ended.Store(true)
		_ = u.p.rc.SetReadDeadline(time.Time{})
	case err != nil:
		u.over = true
		_ = u.p.rc.SetReadDeadline(time.Now()) // net/http does not wait for the rest either
	}
	return n, err
}

// Close does nothing: the body is the server's, and closing it would wait for the client.
func (u *upload) Close() error { return nil }

// stop makes sure that nothing of the request is touched after it has been answered: the transport may still be reading.
func (u *upload) stop() {
	if u.ended.Load() {
		return
	}
	if u.mu.TryLock() {
		u.over = true
		u.mu.Unlock()
		return
	}
	_ = u.p.rc.SetReadDeadline(time.Now())
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
}

// closeUnlessTaken makes the answer the last one on its connection when the client's body has not been read to its end. stop may then hit
// net/http's look-out for a client that hangs up, to which every later request on that connection would be over before it began.
func (p *passage) closeUnlessTaken() {
	if p.body != nil && !p.body.ended.Load() {
		p.w.Header().Set("Connection", "close")
	}
}

var (
	errPeer = errors.New("the client did not take its answer")
	errHalf = errors.New("the node's answer broke off") // and so does the client's: net/http counts its bytes
)

// chunks are the buffers of bodies and busy websockets.
func newChunks() *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, copyChunk); return &b }}
}

// relay passes a node's answer on. errPeer: the client did not get it whole; errHalf: the node did not give it whole; errProof: it is not
// an answer of a node, and the client has got nothing.
func (p *passage) relay(res *http.Response) error {
	defer res.Body.Close()
	if !p.f.hops.Answered(p.mark, res.Header.Get(auth.HopHeader)) {
		return errProof
	}
	if res.ContentLength < 0 { // every answer of the transport has a length
		return errProof
	}
	p.f.forwarded.Add(1)
	p.closeUnlessTaken()
	h := p.w.Header()
	for _, name := range []string{"Content-Type", "Content-Encoding", "Cache-Control", "Retry-After", "Allow"} {
		if v := res.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	h.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
	chunk := p.f.chunks.Get().(*[]byte)
	defer p.f.chunks.Put(chunk)
	defer func() { _ = p.rc.SetWriteDeadline(time.Time{}) }()
	p.w.WriteHeader(res.StatusCode)
	for {
		n, err := res.Body.Read(*chunk)
		if n > 0 {
			_ = p.rc.SetWriteDeadline(time.Now().Add(p.f.conf.WriteTimeout))
			if _, err := p.w.Write((*chunk)[:n]); err != nil {
				return errors.Join(errPeer, err)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			p.f.failed.Add(1)
			return errors.Join(errHalf, err)
		}
	}
	_ = p.rc.SetWriteDeadline(time.Now().Add(p.f.conf.WriteTimeout))
	if err := p.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errPeer, err)
	}
	return nil
}
