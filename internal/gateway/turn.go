package gateway

import "context"

// pieceMost is the most that a room delivers between two looks at the socket, bytes: 64 KiB of records, or one that is larger.
const pieceMost = 128 << 10

// maxPages is how many pages may be in memory for one socket: being read, or waiting for it to take them.
const maxPages = 8

// page waits until one more may be. done says that it is with the socket, or was given up. Errors: ctx's, or that the socket is gone.
func (c *conn) page(ctx context.Context) (done func(), err error) {
	c.mu.Lock()
	if c.pages == nil {
		c.pages = make(chan struct{}, maxPages)
	}
	pages := c.pages
	c.mu.Unlock()
	select {
	case pages <- struct{}{}:
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := c.hungry(ctx); err != nil {
		<-pages
		return nil, err
	}
	return func() { <-pages }, nil
}

// grant waits until the socket has taken most of what it was given, and n bytes more fit beside what others were let go on with: they may
// not have sent anything yet, and all would find the same place free. settle gives the place back, once what it was for is in the queue.
// Errors: ctx's, or that the socket is gone.
func (c *conn) grant(ctx context.Context, n int) error {
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		until := c.tryGrant(n)
		if until == nil {
			return nil
		}
		if err := until(ctx); err != nil {
			return err
		}
	}
}

// tryGrant is nil if there is a place, which is taken; else what to wait for before the next try.
func (c *conn) tryGrant(n int) (until func(context.Context) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	queued, enough := c.bytes, c.g.holdEnough()
	if c.ready {
		queued = c.sock.Queued()
	}
	switch {
	case queued > enough && c.ready:
		return func(ctx context.Context) error { return c.sock.Ready(ctx, enough) }
	case queued <= enough && (c.granted == 0 || queued+c.granted+n <= c.g.holdMost()):
		c.granted += n
		return nil
	}
	if c.freed == nil {
		c.freed = make(chan struct{})
	}
	freed, opened := c.freed, c.opened // once opened it is nil: nothing comes
	return func(ctx context.Context) error {
		select {
		case <-freed:
		case <-opened:
		case <-c.ctx.Done():
			return c.ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
}

func (c *conn) settle(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.granted -= n
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}
