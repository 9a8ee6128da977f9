package hub

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// errClosed says that this open room is no more; whoever gets it asks the hub for the new one.
var errClosed = errors.New("the room was closed")

// room is an open room on this node. It has seen all that lies at or below pos; its view, its tail and its memory of ids are the fold
// of the log through pos, in log order, whichever way the records came.
type room struct {
	hub  *Hub
	part *partition
	id   chat.RoomID

	closed atomic.Bool // set under mu, last of all

	mu      sync.Mutex
	seeded  bool // has its view and ids from the history
	ready   bool // and has read to a log end since: it serves
	filling bool // a scanner knows that it wants to read the log
	pos     chat.Seq
	proof   uint64 // of pos, if it came from the log; else 0
	view    *chat.View
	window  window
	tail    tail
	ahead   []aside // spans that begin beyond pos
	waiters []*waiter
	pins    int       // calls that hold the room open
	used    time.Time // when the last one ended
	subs    []*sub
	at      map[chat.Listener]int // place in subs
	who     whoIsHere
	stop    func() // ends the subscription to the bus
}

// aside is a span that waits for the hole before it to be filled.
type aside struct {
	chat.Span
	since time.Time
	size  int
}

// waiter waits until the room stands at need; ready is closed when it may look again.
type waiter struct {
	need  chat.Seq
	ready chan struct{}
}

func newRoom(h *Hub, p *partition, id chat.RoomID) *room {
	l := h.cfg.Limits
	return &room{hub: h, part: p, id: id, window: newWindow(h.cfg.Times.Window, l.IDs, l.Changes), view: chat.NewView(chat.Room{}, nil),
		used: time.Now(), at: map[chat.Listener]int{}}
}

// accept is the rule of delivery: drop what is not new, take what joins on, else fill the hole first. Under mu.
func (r *room) accept(s chat.Span, proof uint64) {
	switch broken := r.hub.cfg.Breaks; {
	case r.closed.Load():
	case r.ready && s.To <= r.pos && !broken[NoPosition]:
	case !r.ready || s.From > r.pos && !broken[IgnoreFence]:
		r.putAside(s)
		r.wantFill(r.hub.cfg.Times.HoldOff)
	default:
		r.take(s, proof)
	}
}

// take applies a span that begins at or below pos, then what waited for pos. Under mu.
func (r *room) take(s chat.Span, proof uint64) {
	r.applySpan(s, proof)
	if !r.ready {
		return
	}
	slices.SortStableFunc(r.ahead, func(a, b aside) int { return int(a.From - b.From) })
	n := 0
	for n < len(r.ahead) && r.ahead[n].From <= r.pos {
		r.applySpan(r.ahead[n].Span, 0)
		n++
	}
	r.ahead = slices.Delete(r.ahead, 0, n)
	r.wake(func(w *waiter) bool { return w.need <= r.pos })
}

func (r *room) applySpan(s chat.Span, proof uint64) {
	for _, rec := range s.Records {
		if rec.Seq > r.pos || r.hub.cfg.Breaks[NoPosition] {
			r.apply(rec)
		}
	}
	if s.To > r.pos {
		r.pos, r.proof = s.To, proof
	}
}

// apply folds one record into the room and hands it to the members' sockets: a join after the fold, a leave before it, so that
// delivery begins and ends exactly there. (Who subscribes is a member, and subscriptions end with the membership; so all who are
// subscribed are members here.) A copy of what was seen within the window is passed over.
func (r *room) apply(rec chat.Record) {
	isCopy, forgot := r.window.add(rec)
	r.hub.count.forgotten.Add(int64(forgot))
	if isCopy && !r.hub.cfg.Breaks[NoDedupe] {
		r.hub.count.copies.Add(1)
		return
	}
	e := r.tail.keep(rec, r.hub.cfg.Limits.TailRecords, r.hub.cfg.Limits.TailBytes)
	if rec.Kind != chat.KindLeave {
		r.view = r.view.Fold(rec)
	}
	if len(r.subs) > 0 {
		f := e.get(r.hub.cfg.Encoder)
		for _, s := range r.subs {
			s.l.Deliver(f)
		}
		r.hub.count.delivered.Add(int64(len(r.subs)))
		if live := r.hub.cfg.Live; live != nil {
			live(max(0, time.Since(time.UnixMilli(rec.At)))) // clocks may be apart
		}
	}
	if rec.Kind == chat.KindLeave {
		r.view = r.view.Fold(rec)
		r.drop(rec.Subject)
	}
}

// putAside keeps a span for later, at the cost of the oldest: a span may always be lost. It copies the records, which may belong to
// an engine. Under mu.
func (r *room) putAside(s chat.Span) {
	a := aside{Span: chat.Span{From: s.From, To: s.To, Records: slices.Clone(s.Records)}, since: time.Now()}
	for i := range a.Records {
		a.Records[i].Body = slices.Clone(a.Records[i].Body)
		a.size += a.Records[i].Size()
	}
	r.ahead = append(r.ahead, a)
	total, n := 0, 0
	for _, o := range r.ahead {
		total += o.size
	}
	for len(r.ahead)-n > r.hub.cfg.Limits.AheadSpans || total > r.hub.cfg.Limits.AheadBytes {
		total -= r.ahead[n].size
		n++
	}
	r.ahead = slices.Delete(r.ahead, 0, n)
	r.hub.count.aheadDropped.Add(int64(n))
}

// wantFill asks the scanner to read the log for this room, unless that is asked already. Under mu.
func (r *room) wantFill(wait time.Duration) {
	if r.seeded && !r.filling && !r.closed.Load() {
		r.filling = true
		s := r.part.hot
		if !r.ready {
			s = r.part.cold
		}
		s.want(r, time.Now().Add(wait))
	}
}

// needs says whether something waits for what lies above pos. Under mu.
func (r *room) needs() bool {
	return len(r.ahead) > 0 || slices.ContainsFunc(r.waiters, func(w *waiter) bool { return w.need > r.pos })
}

// seed gives an opening room the view and the recent records as of W. Then it reads the log to its end, and only then serves: the view
// may know parts of what lies above W, and without the ids copies would be shown.
func (r *room) seed(o chat.Opening) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return
	}
	if o.View != nil {
		r.view = o.View
	}
	l := r.hub.cfg.Limits
	r.pos, r.proof, r.tail.from = o.AsOf.Seq, o.AsOf.Proof, 0
	if !o.All {
		r.tail.from = o.AsOf.Seq
		if len(o.Rows) > 0 {
			r.tail.from = o.Rows[0].Seq - 1 // what lies between that one and the first is not known
		}
	}
	for _, rec := range o.Rows {
		if rec.Seq > r.pos {
			break
		}
		if !r.hub.cfg.Breaks[ColdMemory] {
			r.window.add(rec)
		}
		r.tail.keep(rec, l.TailRecords, l.TailBytes)
	}
	r.seeded = true
	r.wantFill(0)
}

// await waits until the room serves and stands at need. Errors: errClosed, ErrOverloaded, that of ctx.
func (r *room) await(ctx context.Context, need chat.Seq) error {
	for {
		r.mu.Lock()
		if r.closed.Load() {
			r.mu.Unlock()
			return errClosed
		}
		if r.ready && r.pos >= need {
			r.mu.Unlock()
			return nil
		}
		if len(r.waiters) >= r.hub.cfg.Limits.Waiters {
			r.mu.Unlock()
			return chat.ErrOverloaded
		}
		w := &waiter{need, make(chan struct{})}
		r.waiters = append(r.waiters, w)
		if r.ready {
			r.wantFill(r.hub.cfg.Times.HoldOff)
		}
		r.mu.Unlock()
		select {
		case <-w.ready:
		case <-ctx.Done():
			if r.abandon(w) {
				return ctx.Err()
			}
		}
	}
}

// abandon takes back a waiter; false: it has been woken already.
func (r *room) abandon(w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiters, w)
	if i < 0 {
		return false
	}
	r.waiters = slices.Delete(r.waiters, i, i+1)
	return true
}

// wake lets those waiters look again for whom f says so. Under mu.
func (r *room) wake(f func(*waiter) bool) {
	r.waiters = slices.DeleteFunc(r.waiters, func(w *waiter) bool {
		if !f(w) {
			return false
		}
		close(w.ready)
		return true
	})
}

// pin holds the room open; false: it is closed. release lets go of it.
func (r *room) pin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return false
	}
	r.pins++
	return true
}

func (r *room) release() {
	r.mu.Lock()
	r.pins--
	r.used = time.Now()
	r.mu.Unlock()
}

// shut closes the room if cond holds: its listeners are told that the room is unavailable, its waiters ask for the new room.
func (r *room) shut(cond func() bool) bool {
	r.mu.Lock()
	if r.closed.Load() || !cond() {
		r.mu.Unlock()
		return false
	}
	for _, s := range r.subs {
		s.l.Ended(r.id, chat.CodeUnavailable)
	}
	if len(r.subs) > 0 {
		r.hub.who.mark(r.id)
	}
	r.hub.count.listeners.Add(-int64(len(r.subs)))
	r.subs, r.at, r.ahead, r.who = nil, nil, nil, whoIsHere{}
	r.wake(func(*waiter) bool { return true })
	stop := r.stop
	r.closed.Store(true)
	r.mu.Unlock()
	r.part.remove(r)
	if stop != nil {
		stop()
	}
	return true
}

func always() bool { return true }

// spare says whether nobody has used the room for d. Under mu.
func (r *room) spare(d time.Duration) bool {
	return len(r.subs) == 0 && r.pins == 0 && time.Since(r.used) >= d
}
