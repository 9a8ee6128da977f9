package hub

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// The presence's times: a change is put within 200 ms, and seen on other nodes within a second; a node lives 7 s after its beat.
const (
	hereTick   = 125 * time.Millisecond
	herePoll   = 750 * time.Millisecond
	hereBeat   = 2 * time.Second
	hereWait   = time.Second     // for one answer
	hereStale  = 3 * time.Second // without an answer for so long, only this node's users count
	unionBatch = 500             // rooms in one question
	putsAtOnce = 16              // entries that are written at the same time: all of a full hub within 5 s (DESIGN.md §4, Presence)
	tellAtOnce = 64              // listeners that are told before messages get their turn
)

// presence tells the other nodes who is here, and the listeners who is there.
type presence struct {
	hub *Hub

	mu    sync.Mutex
	dirty map[chat.RoomID]bool // rooms whose entry must be written; bounded by twice the open rooms

	// Of run only.
	answered     time.Time // when the engine last answered
	polled, beat time.Time
	stale        bool
}

func newPresence(h *Hub) *presence {
	return &presence{hub: h, dirty: map[chat.RoomID]bool{}}
}

// mark says that a room's entry has changed. Under the room's lock.
func (p *presence) mark(id chat.RoomID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hub.cfg.Presence != nil && len(p.dirty) < 2*p.hub.cfg.Limits.OpenRooms {
		p.dirty[id] = true
	}
}

// run writes what has changed, asks what others wrote, and beats, until ctx ends.
func (p *presence) run(ctx context.Context) {
	if p.hub.cfg.Presence == nil {
		return
	}
	p.answered = time.Now()
	ticker := time.NewTicker(hereTick)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			p.tick(ctx)
		case <-ctx.Done():
		}
	}
}

func (p *presence) tick(ctx context.Context) {
	p.keepAlive(ctx)
	p.flush(ctx)
	if now := time.Now(); now.Sub(p.polled) >= herePoll {
		p.polled = now
		p.poll(ctx)
	}
}

// keepAlive beats if it is time. It is called in the midst of what may take long, too: a node that misses its beat is dead to the others,
// and all that it has written with it, so that it would have to begin anew, and never come to an end.
func (p *presence) keepAlive(ctx context.Context) {
	now := time.Now()
	if now.Sub(p.beat) < hereBeat || p.hub.ctx.Err() != nil {
		return
	}
	p.beat = now
	ctx, cancel := context.WithTimeout(ctx, hereWait)
	defer cancel()
	if _, forgotten, err := p.hub.cfg.Presence.Beat(ctx); err == nil && forgotten {
		p.markAll()
	}
}

// markAll has every entry written again.
func (p *presence) markAll() {
	for _, r := range p.rooms() {
		p.mark(r.id)
	}
}

// rooms gives the rooms with listeners, by id.
func (p *presence) rooms() []*room {
	var out []*room
	for _, part := range p.hub.parts {
		for _, r := range part.snapshot() {
			r.mu.Lock()
			if len(r.subs) > 0 {
				out = append(out, r)
			}
			r.mu.Unlock()
		}
	}
	slices.SortFunc(out, func(a, b *room) int { return strings.Compare(string(a.id), string(b.id)) })
	return out
}

// flush tells this node's listeners of this node's changes, and writes the entries that have changed. What cannot be written stays.
func (p *presence) flush(ctx context.Context) {
	p.mu.Lock()
	ids := make([]chat.RoomID, 0, len(p.dirty))
	for id := range p.dirty {
		ids = append(ids, id)
	}
	clear(p.dirty)
	p.mu.Unlock()
	slices.Sort(ids)
	here := make([]chat.Here, len(ids))
	s := spread{began: time.Now()}
	for i, id := range ids {
		here[i] = chat.Here{Room: id, Node: p.hub.cfg.Node}
		if r := p.hub.partitionOf(id).peek(id); r != nil {
			here[i] = r.tellHere(p.hub.cfg.Node, p.stale, &s)
			s.turn()
		}
	}
	for len(here) > 0 {
		p.keepAlive(ctx)
		n := min(putsAtOnce, len(here))
		if !p.put(ctx, here[:n]) {
			for _, h := range here[n:] {
				p.mark(h.Room)
			}
			return
		}
		here = here[n:]
	}
}

// put writes some entries at once; false: not all of them, and those are marked anew.
func (p *presence) put(ctx context.Context, here []chat.Here) bool {
	ctx, cancel := context.WithTimeout(ctx, hereWait)
	defer cancel()
	var all sync.WaitGroup
	var failed atomic.Bool
	for _, h := range here {
		all.Go(func() {
			if p.hub.cfg.Presence.Put(ctx, h) != nil {
				failed.Store(true)
				p.mark(h.Room)
			}
		})
	}
	all.Wait()
	return !failed.Load()
}

// poll asks for the entries of other nodes and tells the listeners what has changed.
func (p *presence) poll(ctx context.Context) {
	rooms := p.rooms()
	entries, err := p.union(ctx, rooms)
	now := time.Now()
	if err == nil {
		p.answered = now
	}
	if ctx.Err() != nil || err != nil && now.Sub(p.answered) < hereStale {
		return // what was known counts a little longer
	}
	if stale := err != nil; stale != p.stale {
		p.stale = stale
		p.hub.log.Warn("presence", "stale", stale, "error", err)
	}
	s := spread{began: now}
	for _, r := range rooms {
		if r.setOthers(entries[r.id], p.stale) {
			r.tellHere(p.hub.cfg.Node, p.stale, &s)
			s.turn()
		}
	}
}

// spread puts pauses into the news of many rooms, for half a tick at most: when a crowd comes or goes, all that is written to its rooms
// at once is what the next message waits for.
type spread struct {
	began time.Time
	told  int // listeners, since the last pause
}

// turn pauses when enough have been told.
func (s *spread) turn() {
	if s.told < tellAtOnce {
		return
	}
	s.told = 0
	if time.Since(s.began) < hereTick/2 {
		time.Sleep(time.Millisecond)
	}
}

// union gives the entries of other nodes, by room.
func (p *presence) union(ctx context.Context, rooms []*room) (map[chat.RoomID][]chat.Here, error) {
	out := map[chat.RoomID][]chat.Here{}
	for batch := range slices.Chunk(rooms, unionBatch) {
		p.keepAlive(ctx)
		ids := make([]chat.RoomID, len(batch))
		for i, r := range batch {
			ids[i] = r.id
		}
		c, cancel := context.WithTimeout(ctx, hereWait)
		hs, err := p.hub.cfg.Presence.Union(c, ids)
		cancel()
		if err != nil {
			return nil, err
		}
		for _, h := range hs {
			if h.Node != p.hub.cfg.Node {
				out[h.Room] = append(out[h.Room], h)
			}
		}
	}
	for _, hs := range out {
		slices.SortFunc(hs, func(a, b chat.Here) int { return strings.Compare(a.Node, b.Node) })
	}
	return out, nil
}

// farewell takes this node's entries away, once all rooms are closed.
func (p *presence) farewell() {
	if p.hub.cfg.Presence == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), hereWait)
	defer cancel()
	p.flush(ctx)
}

// setOthers keeps the entries of other nodes, and says whether the listeners must be told.
func (r *room) setOthers(hs []chat.Here, stale bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.who.asked = !stale
	if sameHere(r.who.others, hs) && r.who.told.stale == stale {
		return false
	}
	r.who.others, r.who.far = hs, nil
	return true
}

// tellHere tells the room's listeners who came and went since they were told, counts them, and gives this node's entry.
func (r *room) tellHere(node string, stale bool, s *spread) chat.Here {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.who.count(stale)
	if w, changed := r.who.told.news(r.id, now); changed {
		r.whisper(w)
		s.told += len(r.subs)
	}
	r.who.told = now
	return r.who.own(r.id, node)
}

// Here says whether a user has a socket in a room now, on any node. known is false where this node can not tell: see [whoIsHere.has]; nothing
// is known of a room that is not open here.
func (h *Hub) Here(id chat.RoomID, u chat.UserID) (here, known bool) {
	r := h.partitionOf(id).peek(id)
	if r == nil {
		return false, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.who.has(u)
}
