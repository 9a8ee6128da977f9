package msglog

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// oversize holds, in order, the records of batches that the broker refused as too large: one of them may be, or they were too many.
type oversize struct {
	mu     sync.Mutex
	list   []*appending
	closed bool
	wake   chan struct{}
}

// add keeps a for later; false: the log is closing, and nobody would come for it.
func (o *oversize) add(a *appending) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.list = append(o.list, a)
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

// take gives what waits; last: nothing is kept any more.
func (o *oversize) take(last bool) []*appending {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list, o.closed = nil, last
	return list
}

// aloneTries bounds how often a record is sent alone: what comes in meanwhile may still share its batch.
const aloneTries = 4

// A broker takes a moment until it heeds a limit that has just been raised, as a start does. A record that fits is then tried again after
// limitLag, twice and three times as much. batchOverhead is what Kafka puts around a record that is alone, at most.
const (
	limitLag      = 150 * time.Millisecond
	batchOverhead = 128
)

// retryOversize learns the topic's limit, which somebody has changed, and sends those records one by one, in order, so that each is judged
// alone. A producer asks for the limit only when it first writes to a partition, so one that runs goes on making batches that are too
// large: those end here too, slowly but whole, until the producer is a new one.
func (k *Kafka) retryOversize() {
	for {
		select {
		case <-k.life.Done():
			for _, a := range k.oversize.take(true) {
				k.sendAlone(a)
			}
			return
		case <-k.oversize.wake:
		}
		ctx, cancel := context.WithTimeout(k.life, askWithin)
		if conf, err := k.config(ctx); err == nil {
			k.learnLimit(conf)
		}
		cancel()
		for _, a := range k.oversize.take(false) {
			k.sendAlone(a)
		}
	}
}

// sendAlone returns when the record is answered, or the log is closing: then closing the producer answers it.
func (k *Kafka) sendAlone(a *appending) {
	a.alone = make(chan struct{}, 1)
	for a.tries = 1; ; a.tries++ {
		a.produce()
		select {
		case <-a.alone:
		case <-k.life.Done():
			go a.giveUp()
			return
		}
		if !a.large {
			return
		}
		if len(a.record.Key)+len(a.record.Value)+batchOverhead <= int(k.batchMax.Load()) { // the broker lags behind what it says of the topic
			select {
			case <-time.After(time.Duration(a.tries) * limitLag):
			case <-k.life.Done():
			}
		}
	}
}

// giveUp answers a record whose last answer came while the log was closing, and would have been tried once more.
func (a *appending) giveUp() {
	if <-a.alone; a.large {
		a.leave(false)
		a.refuse(a.k.appendError(kerr.MessageTooLarge))
	}
}
