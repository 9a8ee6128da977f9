package hub

import (
	"slices"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// partition holds the open rooms of one partition of the log, and knows when its last digest came.
type partition struct {
	hub   *Hub
	index int
	cold  *scanner // reads for rooms that open
	hot   *scanner // reads for holes, and in place of a relay

	mu      sync.Mutex
	rooms   map[chat.RoomID]*room
	list    []*room // the same, in order of opening
	heard   time.Time
	digest  chat.Seq // where the last digest ended
	tailing bool     // no digest came for a while: the node reads the partition itself
}

func newPartition(h *Hub, index int) *partition {
	p := &partition{hub: h, index: index, rooms: map[chat.RoomID]*room{}, heard: time.Now()}
	p.cold, p.hot = newScanner(p, true), newScanner(p, false)
	return p
}

// room gives an open room, or begins to open it.
func (p *partition) room(id chat.RoomID) (*room, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rooms[id]; r != nil {
		if !r.closed.Load() {
			return r, nil
		}
		p.forget(r)
	}
	if int(p.hub.count.openRooms.Load()) >= p.hub.cfg.Limits.OpenRooms {
		return nil, chat.ErrOverloaded
	}
	r := newRoom(p.hub, p, id)
	if !p.hub.spawn(r.open) {
		return nil, chat.ErrUnavailable
	}
	p.rooms[id] = r
	p.list = append(p.list, r)
	p.hub.count.openRooms.Add(1)
	return r, nil
}

// peek gives an open room, or nil.
func (p *partition) peek(id chat.RoomID) *room {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rooms[id]
}

func (p *partition) remove(r *room) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(r)
}

// forget takes out r if it is there still. Under mu.
func (p *partition) forget(r *room) {
	if p.rooms[r.id] != r {
		return
	}
	delete(p.rooms, r.id)
	if i := slices.Index(p.list, r); i >= 0 {
		p.list = slices.Delete(p.list, i, i+1) // in place: snapshot gives copies
	}
	p.hub.count.openRooms.Add(-1)
}

// snapshot gives the open rooms, in order of opening.
func (p *partition) snapshot() []*room {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*room(nil), p.list...)
}

// listening says that from now on digests would be heard.
func (p *partition) listening() {
	p.mu.Lock()
	p.heard = time.Now()
	p.mu.Unlock()
}

// onDigest takes a digest: a sign of life of the whole way, and a span for every open room, each judged by the room's own position.
func (p *partition) onDigest(data []byte) {
	note, err := chat.ParseNote(data)
	d, ok := note.(chat.Digest)
	if err != nil || !ok || d.P0 > d.P1 {
		p.hub.count.malformed.Add(1)
		return
	}
	p.mu.Lock()
	last, tailed := p.digest, p.tailing
	p.digest, p.heard, p.tailing = d.P1, time.Now(), false
	p.mu.Unlock()
	if tailed {
		p.hub.count.tailing.Add(-1)
		p.hub.log.Info("digests come again: the node no longer tails the log itself", "partition", p.index, "position", d.P1)
	}
	broken := p.hub.cfg.Breaks
	if broken[NoDigest] {
		return
	}
	for _, r := range p.snapshot() {
		s := d.Span(r.id)
		r.mu.Lock()
		if broken[DigestPerPartition] && d.P0 <= last && d.Heads[r.id] <= r.pos {
			s = chat.Span{From: r.pos, To: d.P1}
		}
		if s.From <= s.To {
			r.accept(s, 0)
		}
		r.mu.Unlock()
	}
}

// watch begins the fallback if no digest has come for too long and a room would miss something; and sees to it that it runs.
func (p *partition) watch(ready bool) {
	if !ready || p.hub.cfg.Breaks[NoFallback] {
		return
	}
	p.mu.Lock()
	silent := time.Since(p.heard)
	begin := !p.tailing && silent > p.hub.cfg.Times.Silence
	p.tailing = p.tailing || begin
	tailing := p.tailing
	p.mu.Unlock()
	if begin {
		p.hub.count.fallbacks.Add(1)
		p.hub.count.tailing.Add(1)
		p.hub.log.Warn("no digest: the node tails the log itself", "partition", p.index, "silence", silent)
	}
	if tailing {
		p.hot.rouse()
	}
}

// silent says whether digests fail to come.
func (p *partition) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.heard) > p.hub.cfg.Times.Silence
}

// tails says whether the fallback is on.
func (p *partition) tails() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tailing
}
