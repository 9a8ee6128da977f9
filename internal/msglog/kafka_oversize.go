package msglog

import (
	"context"
	"sync"
)

// oversize holds, in order, the records of batches that the broker refused as too large: one of them may be, or they were too many.
type oversize struct {
	mu   sync.Mutex
	list []*appending
	wake chan struct{}
}

func (o *oversize) add(a *appending) {
	o.mu.Lock()
	o.list = append(o.list, a)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *oversize) take() []*appending {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}

// retryOversize learns the topic's limit, which somebody has changed, and sends those records once more: the producer now makes no batch
// above it, and refuses by itself the one record that is.
func (k *Kafka) retryOversize() {
	for {
		select {
		case <-k.life.Done():
			for _, a := range k.oversize.take() {
				a.again = true
				a.produce()
			}
			return
		case <-k.oversize.wake:
		}
		ctx, cancel := context.WithTimeout(k.life, askWithin)
		if conf, err := k.config(ctx); err == nil {
			k.learnLimit(conf)
		}
		cancel()
		for _, a := range k.oversize.take() {
			a.again = true
			a.produce()
		}
	}
}
