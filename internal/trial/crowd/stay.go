package crowd

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// stay keeps the person connected until ctx ends, except while he is away.
func (p *Person) stay(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	p.mu.Unlock()
	defer p.reopening.Wait()
	for ctx.Err() == nil {
		p.mu.Lock()
		away := p.away
		p.mu.Unlock()
		if away != nil {
			select {
			case <-away:
			case <-ctx.Done():
			}
			continue
		}
		c, err := p.connect(ctx)
		p.mu.Lock()
		p.conn, p.lastError = c, err
		if err == nil {
			p.changed = time.Now()
		}
		away = p.away
		p.mu.Unlock()
		if err == nil {
			if away != nil {
				c.Leave()
			}
			p.until(ctx, c)
		}
		pause(ctx, time.Duration(20+rand.IntN(150))*time.Millisecond)
	}
}

// until waits for the end of a connection, or ends it.
func (p *Person) until(ctx context.Context, c *client.Client) {
	var cut <-chan time.Time
	if p.restless > 0 {
		t := time.NewTimer(time.Duration(rand.ExpFloat64() * float64(p.restless)))
		defer t.Stop()
		cut = t.C
	}
	select {
	case <-c.Done():
	case <-cut:
		c.Close()
	case <-ctx.Done():
		c.Leave()
	}
	<-c.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conn, p.changed = nil, time.Now()
	if yes, _ := c.Upgraded(); yes {
		p.upgrades++
	}
}

func (p *Person) connect(ctx context.Context) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	p.mu.Lock()
	p.connected = time.Now()
	p.attempt++
	attempt := p.attempt
	auth := map[string]any{"name": p.Name}
	if p.token != "" {
		auth["token"] = p.token
	}
	if len(p.since) > 0 {
		since := map[string]int64{}
		for r, s := range p.since {
			since[r] = s
		}
		auth["since"], auth["log"] = since, p.log
	}
	p.mu.Unlock()
	return client.DialBy(ctx, p.by, p.addr, auth, func(name string, data json.RawMessage) { p.hear(attempt, name, data) })
}

// GoAway makes the person leave with a word, and stay away until ComeBack.
func (p *Person) GoAway() {
	p.mu.Lock()
	if p.away == nil {
		p.away = make(chan struct{})
	}
	c := p.conn
	p.mu.Unlock()
	if c != nil {
		c.Leave()
	}
}

// ComeBack ends GoAway.
func (p *Person) ComeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away != nil {
		close(p.away)
		p.away = nil
	}
}

// Connected says whether the person has a connection, and who he is there.
func (p *Person) Connected() (user string, yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.user, p.conn != nil
}
