package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// separator stands between the packets of one body. See Engine.IO v4, §payload.
const separator = "\x1e"

// poller is a polling session: one GET waits for packets, one POST at a time carries packets. Its requests share no connection with
// those of other sessions, so that a proxy sees them as it sees a browser's.
type poller struct {
	addr string
	http *http.Client
	sid  string
	ctx  context.Context // of the session
	stop context.CancelCauseFunc

	patience time.Duration
	inbox    [][]byte // what came and was not read yet; of the reading goroutine

	mu      sync.Mutex
	outbox  [][]byte
	posting bool
	idle    *sync.Cond // nothing waits and nothing is on its way
}

// maxOutbox bounds the packets that wait for a POST.
const maxOutbox = 1000

func newPoller(addr string) *poller {
	p := &poller{addr: addr, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}}}
	p.ctx, p.stop = context.WithCancelCause(context.Background())
	p.idle = sync.NewCond(&p.mu)
	return p
}

func (p *poller) open(ctx context.Context) error {
	packets, err := p.get(ctx, answerWithin)
	if err != nil {
		return fmt.Errorf("no handshake: %w", err)
	}
	h, err := parseHandshake(packets[0])
	if err != nil {
		return err
	}
	p.sid, p.patience, p.inbox = h.SID, h.patience(), packets[1:]
	return nil
}

// read gives the next packet, and polls when there is none.
func (p *poller) read() ([]byte, error) {
	for len(p.inbox) == 0 {
		packets, err := p.get(p.ctx, p.patience)
		if err != nil {
			return nil, err
		}
		p.inbox = packets
	}
	next := p.inbox[0]
	p.inbox = p.inbox[1:]
	return next, nil
}

func (p *poller) url() string {
	u := "http://" + p.addr + "/socket.io/?EIO=4&transport=polling"
	if p.sid != "" {
		u += "&sid=" + url.QueryEscape(p.sid)
	}
	return u
}

func (p *poller) get(ctx context.Context, within time.Duration) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	body, err := p.do(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	return bytes.Split(body, []byte(separator)), nil
}

func (p *poller) do(ctx context.Context, method string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	res, err := p.http.Do(req)
	if err != nil {
		return nil, errors.Join(err, context.Cause(p.ctx))
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.200q", method, res.StatusCode, answer)
	}
	return answer, err
}

// send queues a packet; what waits goes out together in one POST.
func (p *poller) send(packet []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	if len(p.outbox) >= maxOutbox {
		return errors.New("too much waits to be sent")
	}
	p.outbox = append(p.outbox, packet)
	if !p.posting {
		p.posting = true
		go p.post()
	}
	return nil
}

// post sends what waits until nothing does. A POST that fails ends the session: nobody knows what of it arrived.
func (p *poller) post() {
	for {
		p.mu.Lock()
		batch := p.outbox
		p.outbox = nil
		if len(batch) == 0 || p.ctx.Err() != nil {
			p.posting = false
			p.idle.Broadcast()
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		ctx, cancel := context.WithTimeout(p.ctx, answerWithin)
		_, err := p.do(ctx, http.MethodPost, bytes.Join(batch, []byte(separator)))
		cancel()
		if err != nil {
			p.stop(fmt.Errorf("send: %w", err))
		}
	}
}

// drained waits until every packet has been taken by the server, or the session has ended.
func (p *poller) drained() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.posting {
		p.idle.Wait()
	}
}

// close ends the session without a word, as a client that vanishes does.
func (p *poller) close() {
	p.stop(ErrClosed)
	p.http.CloseIdleConnections()
}
