package msglog_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// cable is what lies between one log and its brokers: real connections, through which a test can let nothing pass, or which it cuts.
// Safe for concurrent use.
type cable struct {
	mu    sync.Mutex
	stuck map[string]chan struct{} // by broker, closed when it lets through again; "": all brokers
	deaf  chan struct{}            // not nil: what brokers answer is lost, and told here
	mark  []byte                   // not nil: where brokers answer with this, a bit of it is flipped
	lines map[net.Conn]net.Conn    // the log's end, the broker's end
	waits atomic.Int64             // how often something waited
	tasks sync.WaitGroup
}

func newCable(t testing.TB) *cable {
	c := &cable{stuck: map[string]chan struct{}{}, lines: map[net.Conn]net.Conn{}}
	t.Cleanup(func() {
		c.thaw()
		c.cut()
		c.tasks.Wait()
	})
	return c
}

// through makes a log use the cable.
func (c *cable) through(o *msglog.KafkaOptions) { o.Dial(c.dial) }

// dial gives the log's end of a new line. A broker to which nothing passes takes calls, as the system of a stopped process does.
func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	broker, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	defer l.Close()
	near, err := d.DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	far, err := l.Accept()
	if err != nil {
		return nil, errors.Join(err, broker.Close(), near.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[far] = broker
	c.tasks.Go(func() { c.pass(address, broker, far, false) })
	c.tasks.Go(func() { c.pass(address, far, broker, true) })
	return near, nil
}

// pass carries bytes one way until either end is closed.
func (c *cable) pass(address string, from, to net.Conn, asking bool) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for wait := c.held(address); wait != nil; wait = c.held(address) {
			c.waits.Add(1)
			<-wait
		}
		c.mu.Lock()
		deaf, mark := c.deaf, c.mark
		c.mu.Unlock()
		if at := bytes.Index(buf[:n], mark); mark != nil && !asking && at >= 0 {
			buf[at] ^= 1
		}
		if deaf != nil && !asking {
			select {
			case deaf <- struct{}{}:
			default:
			}
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (c *cable) held(address string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := c.stuck[""]; wait != nil {
		return wait
	}
	return c.stuck[address]
}

// freeze lets nothing pass to and from a broker, or ("") any, until thaw: connections stay open, nothing answers.
func (c *cable) freeze(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stuck[address] == nil {
		c.stuck[address] = make(chan struct{})
	}
}

// waited counts what had to wait.
func (c *cable) waited() int64 { return c.waits.Load() }

func (c *cable) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, wait := range c.stuck {
		close(wait)
		delete(c.stuck, address)
	}
}

// spoil flips a bit wherever brokers answer with what is marked so; nil: no more.
func (c *cable) spoil(mark []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark = mark
}

// cut breaks all connections; what is on its way is lost.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for far, broker := range c.lines {
		far.Close()
		broker.Close()
	}
	clear(c.lines)
}

// cutDeaf loses what brokers answer, and then breaks all connections.
func (c *cable) cutDeaf(t testing.TB) {
	t.Helper()
	const answers = 20 // to be lost: of all kinds of questions, and so some of appends
	deaf := make(chan struct{}, answers)
	set := func(d chan struct{}) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.deaf = d
	}
	set(deaf)
	for timeout := time.After(2 * time.Second); len(deaf) < 2; {
		select {
		case <-timeout:
			t.Fatal("the brokers say nothing")
		case <-time.After(time.Millisecond):
		}
	}
	c.cut()
	set(nil)
}
