package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/gateway"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

const (
	watchEvery = 500 * time.Millisecond
	pingWithin = time.Second
	behindBy   = 5000 // records of lag at which history is called behind
)

// health watches the engines and keeps what /readyz, the metrics and the clients are told.
type health struct {
	log, bus func(ctx context.Context) error
	store    func(ctx context.Context) error
	silent   func() int64 // partitions whose digests do not come
	saving   func() persist.State
	tell     func(gateway.Status) // on every change
	refuse   func(*chat.Error)
	logger   *slog.Logger

	split atomic.Pointer[disagreement] // not nil: another node stands on other engines

	mu  sync.Mutex
	now httpd.Health
}

func newHealth(logger *slog.Logger) *health {
	return &health{logger: logger, now: httpd.Health{State: httpd.StateStarting, Log: httpd.EngineOK, Bus: httpd.EngineOK, Store: httpd.EngineOK}}
}

// get gives the health as of now.
func (h *health) get() httpd.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// status is the part that clients are told.
func (h *health) status() gateway.Status {
	now := h.get()
	return gateway.Status{Log: now.Log, Bus: now.Bus, Store: now.Store, Draining: now.State == httpd.StateDraining}
}

// started and drain mark the beginning and the end of a node's service.
func (h *health) started() { h.set(func(n *httpd.Health) { n.State = stateOf(*n) }) }
func (h *health) drain()   { h.set(func(n *httpd.Health) { n.State = httpd.StateDraining }) }

func (h *health) set(f func(*httpd.Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.now)
}

// run looks at every engine twice a second until ctx ends.
func (h *health) run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		h.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look asks every engine, and tells what changed.
func (h *health) look(ctx context.Context) {
	var next httpd.Health
	var wg sync.WaitGroup
	var reasons [3]string
	ping := func(i int, state *string, f func(context.Context) error) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, pingWithin)
			defer cancel()
			*state = httpd.EngineOK
			if err := f(ctx); err != nil {
				*state, reasons[i] = httpd.EngineDown, err.Error()
			}
		})
	}
	ping(0, &next.Log, h.log)
	ping(1, &next.Bus, h.bus)
	ping(2, &next.Store, h.store)
	wg.Wait()
	if ctx.Err() != nil {
		return
	}
	saving := h.saving()
	next.Lag = saving.Lag
	if next.Store == httpd.EngineOK && (saving.Phase == persist.Paused || saving.Lag > behindBy) {
		next.Store, reasons[2] = httpd.EngineBehind, saving.Reason
	}
	if n := h.silent(); n > 0 && next.Bus == httpd.EngineOK {
		next.Bus, reasons[1] = httpd.EngineBehind, fmt.Sprintf(
			"no digest of %d partitions comes over the bus: no relay keeps up with them, or another node has another bus; live events come from the log", n)
	}
	if d := h.split.Load(); d != nil {
		if next.Bus == httpd.EngineOK {
			next.Bus = httpd.EngineBehind
		}
		reasons[1] = d.text
	}
	h.refuseAppends(saving, &next, &reasons[0])
	for _, r := range reasons {
		if next.Reason == "" {
			next.Reason = r
		}
	}
	h.change(next)
}

// refuseAppends stops appends while the store belongs to another log.
func (h *health) refuseAppends(saving persist.State, next *httpd.Health, reason *string) {
	if saving.Refused == nil {
		h.refuse(nil)
		return
	}
	h.refuse(chat.Errorf(chat.CodeUnavailable, "%s", saving.Refused.Message))
	next.Log, *reason = httpd.EngineDown, saving.Refused.Message
}

func (h *health) change(next httpd.Health) {
	h.mu.Lock()
	was := h.now
	next.State = stateOf(next)
	if was.State == httpd.StateStarting || was.State == httpd.StateDraining {
		next.State = was.State
	}
	h.now = next
	h.mu.Unlock()
	if was.Log == next.Log && was.Bus == next.Bus && was.Store == next.Store {
		return
	}
	h.logger.Info("engines changed", "log", next.Log, "bus", next.Bus, "store", next.Store, "reason", next.Reason)
	h.tell(h.status())
}

func stateOf(h httpd.Health) string {
	if h.Log == httpd.EngineOK && h.Bus == httpd.EngineOK && h.Store == httpd.EngineOK {
		return httpd.StateOK
	}
	return httpd.StateDegraded
}
