// Package chattest is a log of memory with rooms, history, directory and bus derived from it: what tests of hops 2 and 3 put in the
// place of the hops behind them. It keeps the ports' contracts and can be told to be slow, to fail and to forget.
package chattest

import (
	"context"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// World is all of it. Its methods may be called from any goroutine.
type World struct {
	mu      sync.Mutex
	encoder chat.Encoder
	rooms   map[chat.RoomID]*room
	records []chat.Record // the log
	changed chan struct{} // closed and replaced at every change

	queue     []*appending
	delay     time.Duration // of an append
	held      bool          // appends wait
	fail      error         // appends get this answer
	storeDown bool
	openAfter time.Duration // a room takes so long to be viewed or attached
	pageAfter time.Duration
	blind     bool // appends do not tell the place

	subs    map[chat.Channel]map[int]func([]byte)
	nextSub int
	notes   int // published
}

// room is the fold of its records.
type room struct {
	view *chat.View
	rows []chat.Record
	seen map[chat.MessageID]chat.Receipt
	subs []listener
	pos  chat.Seq
}

type listener struct {
	l    chat.Listener
	user chat.UserID
}

// appending is a record on its way.
type appending struct {
	rec  chat.Record
	done func(chat.Seq, error)
	due  time.Time
}

// New makes an empty world. enc may be nil if nobody attaches.
func New(enc chat.Encoder) *World {
	return &World{encoder: enc, rooms: map[chat.RoomID]*room{}, changed: make(chan struct{}),
		subs: map[chat.Channel]map[int]func([]byte){}}
}

// Ports gives the world as a Service wants it.
func (w *World) Ports() chat.Ports {
	return chat.Ports{Log: Log{w}, Rooms: Rooms{w}, History: History{w}, Directory: Directory{w}, Bus: Bus{w}, Partitions: 1}
}

// SetDelay makes every append take so long.
func (w *World) SetDelay(d time.Duration) { w.set(func() { w.delay = d }) }

// SetOpenTime makes every View and Attach take so long.
func (w *World) SetOpenTime(d time.Duration) { w.set(func() { w.openAfter = d }) }

// SetPageTime makes every page take so long.
func (w *World) SetPageTime(d time.Duration) { w.set(func() { w.pageAfter = d }) }

// SetFail makes appends fail with err; nil ends that.
func (w *World) SetFail(err error) { w.set(func() { w.fail = err }) }

// SetStoreDown makes history and directory unavailable.
func (w *World) SetStoreDown(down bool) { w.set(func() { w.storeDown = down }) }

// SetBlind makes appends succeed without telling the place.
func (w *World) SetBlind(on bool) { w.set(func() { w.blind = on }) }

// Hold keeps appends from becoming durable until it is called with false.
func (w *World) Hold(on bool) {
	w.set(func() { w.held = on })
	w.pump()
}

// Forget empties a room's memory of ids, as if it had been long ago.
func (w *World) Forget(id chat.RoomID) {
	w.set(func() { w.rooms[id].seen = map[chat.MessageID]chat.Receipt{} })
}

// Records gives a copy of the log.
func (w *World) Records() []chat.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]chat.Record(nil), w.records...)
}

// Listeners is how many subscriptions a room has.
func (w *World) Listeners(id chat.RoomID) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.rooms[id]; r != nil {
		return len(r.subs)
	}
	return 0
}

// Channels is how many subscriptions the bus has; Notes how many were published.
func (w *World) Channels() (channels, notes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fs := range w.subs {
		channels += len(fs)
	}
	return channels, w.notes
}

// CloseRoom ends all subscriptions of a room as unavailable.
func (w *World) CloseRoom(id chat.RoomID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.rooms[id].subs {
		s.l.Ended(id, chat.CodeUnavailable)
	}
	w.rooms[id].subs = nil
}

func (w *World) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// wait lets d pass.
func wait(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
