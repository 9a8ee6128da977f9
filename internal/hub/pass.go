package hub

import (
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// pass is one reading of the log for many rooms.
type pass struct {
	s       *scanner
	members []*member
	at      chat.Mark // read so far
}

// member is a room for which a pass reads.
type member struct {
	r    *room
	late bool // it joined under way: what the log's end was may be older than what the room knows
}

// begin finds the lowest position wanted.
func (p *pass) begin() {
	rooms := p.s.tailed()
	for _, m := range p.members {
		rooms = append(rooms, m.r)
	}
	for i, r := range rooms {
		if at, _ := r.place(); i == 0 || at.Seq < p.at.Seq {
			p.at = at
		}
	}
}

// step hands what was read to every room as a span, and says when the pass is over: when no member needs more; or, at the log's end,
// when another pass would serve those better who are left, since they lie below or came late.
func (p *pass) step(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
	p.join()
	byRoom := map[chat.RoomID][]chat.Record{}
	for _, r := range rs {
		if r.Seq > p.at.Seq && r.Seq <= upTo.Seq {
			byRoom[r.Room] = append(byRoom[r.Room], r)
		}
	}
	tailed := p.s.tailed()
	if upTo.Seq > p.at.Seq {
		for _, r := range tailed {
			r.fill(chat.Span{From: p.at.Seq, To: upTo.Seq, Records: byRoom[r.id]}, upTo.Proof, false)
		}
	}
	left, late := p.members[:0:0], false
	for _, m := range p.members {
		m.r.fill(chat.Span{From: p.at.Seq, To: max(upTo.Seq, p.at.Seq), Records: byRoom[m.r.id]}, upTo.Proof, atEnd && !m.late)
		if !m.r.settle(p.s.cold) {
			left, late = append(left, m), late || m.late && p.s.cold
		}
	}
	p.members = left
	if upTo.Seq >= p.at.Seq {
		p.at = upTo
	}
	if len(left) == 0 && len(tailed) == 0 || atEnd && (late || p.s.below(p.at.Seq)) {
		return errPassed
	}
	return p.s.hub.ctx.Err()
}

// join takes in the rooms that have come to want something that lies ahead of the pass.
func (p *pass) join() {
	more, _ := p.s.due()
	for _, m := range more {
		if at, _ := m.r.place(); at.Seq >= p.at.Seq {
			m.late = true
			p.members = append(p.members, m)
			p.s.hub.count.fills.Add(1)
			continue
		}
		p.s.mu.Lock()
		p.s.wants = append(p.s.wants, want{m.r, time.Now()})
		p.s.mu.Unlock()
	}
}

// below says whether a room wants something now that the pass has left behind.
func (s *scanner) below(at chat.Seq) bool {
	s.mu.Lock()
	now := time.Now()
	var rooms []*room
	for _, w := range s.wants {
		if !w.due.After(now) {
			rooms = append(rooms, w.r)
		}
	}
	s.mu.Unlock()
	for _, r := range rooms {
		if mark, _ := r.place(); mark.Seq < at {
			return true
		}
	}
	return false
}

// reset closes the rooms that stand where the log can no longer be read from; their sockets come back and resume by since.
func (p *pass) reset(lost func(at chat.Mark) bool) {
	rooms := p.s.tailed()
	for _, m := range p.members {
		rooms = append(rooms, m.r)
	}
	for _, r := range rooms {
		at, _ := r.place()
		if lost(at) && r.shut(always) {
			p.s.hub.count.resets.Add(1)
			p.s.hub.log.Warn("room closed: the log no longer has what it missed", "room", r.id, "position", at.Seq)
		}
	}
}

// place gives the room's position, and whether it serves.
func (r *room) place() (chat.Mark, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return chat.Mark{Seq: r.pos, Proof: r.proof}, r.ready && !r.closed.Load()
}

// fill takes what was read from the log. end: this was its end, seen after the room was taken from the history; then it serves.
func (r *room) fill(s chat.Span, proof uint64, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() || !r.seeded {
		return
	}
	if s.From > r.pos && !r.hub.cfg.Breaks[IgnoreFence] {
		r.accept(s, proof)
		return
	}
	becomes := end && !r.ready
	r.ready = r.ready || end
	if s.To > r.pos || becomes || r.hub.cfg.Breaks[NoPosition] {
		r.take(s, proof)
	}
	if end {
		r.forgo()
	}
}

// forgo drops spans that still begin beyond the log's end long after they came: a span may always be lost. Under mu.
func (r *room) forgo() {
	n, old := 0, time.Now().Add(-r.hub.cfg.Times.Silence)
	for _, a := range r.ahead {
		if a.since.After(old) {
			r.ahead[n] = a
			n++
		}
	}
	r.hub.count.aheadDropped.Add(int64(len(r.ahead) - n))
	clear(r.ahead[n:])
	r.ahead = r.ahead[:n]
}

// settle says whether the room needs no more of a scanner, and lets it ask anew.
func (r *room) settle(cold bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed.Load():
		return true
	case cold && !r.ready, !cold && r.needs():
		return false
	}
	r.filling = false
	if r.needs() { // it has come to serve; its holes are another scanner's
		r.wantFill(0)
	}
	return true
}
