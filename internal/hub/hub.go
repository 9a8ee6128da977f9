package hub

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Hub holds the open rooms of one node. It implements chat.Rooms.
type Hub struct {
	cfg     Config
	log     *slog.Logger
	parts   []*partition
	slots   slots
	who     *presence
	opening chan struct{} // a place in it is the right to ask the history for a room
	fills   chan struct{} // the same for replays
	count   counters

	ctx    context.Context // ends with Run
	cancel context.CancelFunc
	life   sync.Mutex // guards ended, and wg against a Wait that has begun
	ended  bool
	wg     sync.WaitGroup
}

var _ chat.Rooms = (*Hub)(nil)

// New makes a hub. It works once Run runs.
func New(cfg Config) *Hub {
	cfg.Limits.fill()
	cfg.Partitions = max(cfg.Partitions, 1)
	h := &Hub{cfg: cfg, log: cfg.Logger, opening: make(chan struct{}, cfg.Limits.Opening), fills: make(chan struct{}, cfg.Limits.Fills)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.who = newPresence(h)
	h.slots.init()
	for p := range cfg.Partitions {
		h.parts = append(h.parts, newPartition(h, p))
	}
	return h
}

// Run listens for digests, begins and ends the fallback, closes rooms without readers, and keeps the presence, until ctx ends. Then it
// closes all rooms and returns nil. It runs once.
func (h *Hub) Run(ctx context.Context) error {
	var stops []func()
	for _, p := range h.parts {
		p.listening()
		stops = append(stops, h.cfg.Bus.Subscribe(chat.DigestChannel(p.index), p.onDigest))
	}
	h.spawn(func() { h.who.run(ctx) })
	ticker := time.NewTicker(h.tickEvery())
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			h.tick()
		case <-ctx.Done():
		}
	}
	for _, stop := range stops {
		stop()
	}
	h.life.Lock()
	h.ended = true
	h.life.Unlock()
	h.cancel()
	for _, p := range h.parts {
		for _, r := range p.snapshot() {
			r.shut(always)
		}
	}
	h.wg.Wait()
	h.who.farewell()
	return nil
}

// tickEvery is fine enough for the times given, which a simulation may scale down.
func (h *Hub) tickEvery() time.Duration {
	return max(min(tickEvery, h.cfg.Times.Silence/8), time.Millisecond)
}

// tick begins the fallback where digests fail to come, and closes rooms that nobody uses.
func (h *Hub) tick() {
	crowded := int(h.count.openRooms.Load()) > h.cfg.Limits.OpenRooms*3/4
	empty := 0
	for _, p := range h.parts {
		ready := false
		for _, r := range p.snapshot() {
			isReady, isEmpty := h.tidy(r, crowded, empty)
			ready = ready || isReady
			if isEmpty {
				empty++
			}
		}
		p.watch(ready)
	}
}

// tidy closes a room that has outlived its use. empty: how many rooms that do not exist have been met before.
func (h *Hub) tidy(r *room, crowded bool, empty int) (ready, isEmpty bool) {
	shut := r.shut(func() bool {
		ready, isEmpty = r.ready, r.ready && !r.view.Exists()
		limit := h.cfg.Times.Idle
		switch {
		case isEmpty && empty >= h.cfg.Limits.EmptyRooms:
			limit = 0
		case isEmpty:
			limit = min(limit, emptyFor)
		case crowded:
			limit = min(limit, crowdedFor)
		case !ready: // as long as a try to open it may take: see openTries
			limit = min(limit, openTries*h.cfg.Times.Wait)
		}
		return r.spare(limit)
	})
	return ready && !shut, isEmpty && !shut
}

// spawn runs f as a goroutine that Run waits for; false: the hub has ended.
func (h *Hub) spawn(f func()) bool {
	h.life.Lock()
	defer h.life.Unlock()
	if h.ended {
		return false
	}
	h.wg.Go(f)
	return true
}

// pause waits for d; false: the hub has ended, or ctx has.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// partitionOf gives the partition in which a room lies.
func (h *Hub) partitionOf(id chat.RoomID) *partition {
	return h.parts[chat.PartitionOf(id, len(h.parts))]
}

// acquire gives the open room and holds it, or begins to open it. Errors: ErrOverloaded, ErrUnavailable once the hub has ended.
func (h *Hub) acquire(id chat.RoomID) (*room, error) {
	p := h.partitionOf(id)
	for {
		r, err := p.room(id)
		if err != nil {
			return nil, err
		}
		if r.pin() {
			return r, nil
		}
	}
}

// open subscribes to the bus, then takes the room from the history, for as long as somebody waits for it.
func (r *room) open() {
	h := r.hub
	stop := h.cfg.Bus.Subscribe(chat.RoomChannel(r.id), r.onNote)
	r.mu.Lock()
	closed := r.closed.Load()
	r.stop = stop
	r.mu.Unlock()
	if closed {
		stop()
		return
	}
	for {
		o, err := h.askHistory(r.id)
		if err == nil {
			r.seed(o)
			return
		}
		h.count.openRetries.Add(1)
		h.log.Debug("room not opened yet", "room", r.id, "error", err)
		if !pause(h.ctx, retryOpen) || r.shut(func() bool { return len(r.waiters) == 0 && r.pins == 0 }) || r.closed.Load() {
			return
		}
	}
}

// openTries is how many times the longest wait of a request one try to open a room may take: who asked has long been told `unavailable`, but
// the next to ask finds the room open. A busy room behind a slow store would else never be opened.
const openTries = 6

// askHistory is one try to open a room.
func (h *Hub) askHistory(id chat.RoomID) (chat.Opening, error) {
	select {
	case h.opening <- struct{}{}:
	case <-h.ctx.Done():
		return chat.Opening{}, h.ctx.Err()
	}
	defer func() { <-h.opening }()
	ctx, cancel := context.WithTimeout(h.ctx, openTries*h.cfg.Times.Wait)
	defer cancel()
	return h.cfg.History.Open(ctx, id)
}
