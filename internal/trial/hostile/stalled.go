package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// roomsEach is how many rooms one of the stalled is in: so many that what he does not read fills the kernel's send buffer, which grows to
// nearly half a megabyte even so, before the load ends. Only then does the server see that nothing is read.
const roomsEach = 6

// reader is a client that reads, stops reading, and comes back.
type reader struct {
	wire   *wire
	token  string
	places map[string]*place // by room
}

// place is what a reader has of a room.
type place struct {
	asOf, since int64    // of the join; the highest seq received
	got         []record // messages
	gaps        [][2]int64
}

// record is a message, or the stretch of a gap.
type record struct {
	Seq      int64
	ID       string
	RoomID   string
	From, To int64
}

// take notes what came.
func (r *reader) take(packet string) {
	name, data := event(packet)
	var rec record
	if name == "" || json.Unmarshal(data, &rec) != nil || r.places[rec.RoomID] == nil {
		return
	}
	p := r.places[rec.RoomID]
	switch {
	case name == "gap":
		p.gaps = append(p.gaps, [2]int64{rec.From, rec.To})
		p.since = max(p.since, rec.To)
	case rec.Seq > 0:
		p.since = max(p.since, rec.Seq)
		if name == "message:new" {
			p.got = append(p.got, rec)
		}
	}
}

// join brings a new guest into rooms.
func (r *reader) join(ctx context.Context, addr string, rooms []string) (err error) {
	if r.wire, r.token, err = enter(ctx, addr, true, map[string]any{"name": "stalled"}); err != nil {
		return err
	}
	r.places = map[string]*place{}
	for i, room := range rooms {
		p := &place{}
		r.places[room] = p
		data, err := r.wire.ask(i+1, "room:join", map[string]any{"roomId": room, "clientId": newID(), "limit": 1}, r.take)
		if err != nil {
			return err
		}
		var joined struct{ AsOf int64 }
		if err = json.Unmarshal(data, &joined); err != nil {
			return err
		}
		p.asOf, p.since = joined.AsOf, max(p.since, joined.AsOf)
	}
	return nil
}

// stalled joins busy rooms and stops reading. The server must close every one of them; then each comes back with `since`, and must get
// every message of its rooms once and in order, or be told of the gap.
func stalled(ctx context.Context, s *stage) error {
	n := s.many(500)
	s.expect(n)
	lister, _, err := enter(ctx, s.Addr, false, map[string]any{"name": "lister"})
	if err != nil {
		return err
	}
	rooms, err := s.rooms(ctx, lister)
	lister.Close()
	if err != nil {
		return err
	}
	before, err := Scrape(ctx, s.Addr)
	if err != nil {
		return err
	}
	all := make([]*reader, n)
	if err := each(n, 32, func(i int) error {
		all[i] = &reader{}
		var mine []string
		for k := range min(roomsEach, len(rooms)) {
			mine = append(mine, rooms[(i*roomsEach+k)%len(rooms)])
		}
		return all[i].join(ctx, s.Addr, mine)
	}); err != nil {
		return err
	}
	s.ready()
	<-s.stop.Done() // nobody reads
	s.awaitClosed(ctx, n, int(before[SlowClients]))
	for _, r := range all {
		r.wire.Close()
	}
	return s.comeBack(ctx, all)
}

// awaitClosed waits until the server has closed n sockets because they did not read.
func (s *stage) awaitClosed(ctx context.Context, n, before int) {
	for deadline := time.Now().Add(s.Patience); ; time.Sleep(200 * time.Millisecond) {
		m, err := Scrape(ctx, s.Addr)
		closed := int(m[SlowClients]) - before
		switch {
		case err == nil && closed >= n:
			s.count("closed as slow", closed)
			return
		case ctx.Err() != nil || time.Now().After(deadline):
			s.count("closed as slow", closed)
			s.problem("%d of %d that did not read were closed, %v after the load; %v sockets are there, and ended have %v (%v)", closed, n, s.Patience, m["hubbub_sockets"], m.Ended(), err)
			return
		}
	}
}

// comeBack resumes all, and holds what each got against history.
func (s *stage) comeBack(ctx context.Context, all []*reader) error {
	began := time.Now()
	h := history{addr: s.Addr, rooms: map[string][]record{}}
	defer h.close()
	err := each(len(all), 32, func(i int) error {
		kept := map[string][]record{}
		for room := range all[i].places {
			var err error
			if kept[room], err = h.of(ctx, room); err != nil {
				return err
			}
		}
		err := all[i].resume(ctx, s.Addr, kept)
		for room, p := range all[i].places {
			if err == nil {
				err = p.whole(kept[room])
			}
			s.count("gaps told", len(p.gaps))
			s.count("messages in all", len(p.got))
		}
		if err != nil {
			s.problem("%v", err)
			return nil
		}
		s.count("whole after the resume", 1)
		return nil
	})
	s.count("ms to resume all", int(time.Since(began).Milliseconds()))
	return err
}

// resume comes back and reads to the end of what is kept, and on to what the server has sent by then: a second copy may be among it.
func (r *reader) resume(ctx context.Context, addr string, kept map[string][]record) error {
	since := map[string]int64{}
	for room, p := range r.places {
		since[room] = p.since
	}
	w, _, err := enter(ctx, addr, false, map[string]any{"token": r.token, "since": since})
	if err != nil {
		return fmt.Errorf("come back: %w", err)
	}
	defer w.Close()
	for room, p := range r.places {
		for n := len(kept[room]); n > 0 && p.since < kept[room][n-1].Seq; {
			w.SetReadDeadline(time.Now().Add(within))
			packet, err := w.hear()
			if err != nil {
				return fmt.Errorf("resumed room %s as far as %d of %d: %w", room, p.since, kept[room][n-1].Seq, err)
			}
			r.take(packet)
		}
	}
	_, err = w.ask(1, "room:list", map[string]any{"limit": 1}, r.take)
	return err
}

// whole compares what came with what is kept.
func (p *place) whole(kept []record) error {
	for i := 1; i < len(p.got); i++ {
		if p.got[i].Seq <= p.got[i-1].Seq {
			return fmt.Errorf("room %s: message %d came after %d", p.got[i].RoomID, p.got[i].Seq, p.got[i-1].Seq)
		}
	}
	got := p.got
	last := int64(0)
	for _, want := range kept {
		last = want.Seq
		switch {
		case want.Seq <= p.asOf:
		case len(got) > 0 && got[0].Seq == want.Seq && got[0].ID == want.ID:
			got = got[1:]
		case !p.inGap(want.Seq):
			return fmt.Errorf("room %s: message %d did not come, and no gap was told", want.RoomID, want.Seq)
		}
	}
	if len(got) > 0 && got[0].Seq <= last { // what is above was said after history was read
		return fmt.Errorf("room %s: message %d is not in history", got[0].RoomID, got[0].Seq)
	}
	return nil
}

func (p *place) inGap(seq int64) bool {
	for _, g := range p.gaps {
		if seq > g[0] && seq <= g[1] {
			return true
		}
	}
	return false
}

// history is what is kept of each room, read once.
type history struct {
	addr  string
	mu    sync.Mutex
	wire  *wire
	rooms map[string][]record
}

func (h *history) close() {
	if h.wire != nil {
		h.wire.Close()
	}
}

// of reads all messages of a room, page by page, as a member.
func (h *history) of(ctx context.Context, room string) (all []record, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if all, ok := h.rooms[room]; ok {
		return all, nil
	}
	if h.wire == nil {
		if h.wire, _, err = enter(ctx, h.addr, false, map[string]any{"name": "historian"}); err != nil {
			return nil, err
		}
	}
	if _, err := h.wire.patient(ctx, "room:join", map[string]any{"roomId": room, "clientId": newID(), "limit": 1}); err != nil {
		return nil, err
	}
	for after := int64(0); ; after = all[len(all)-1].Seq {
		data, err := h.wire.patient(ctx, "message:list", map[string]any{"roomId": room, "limit": 100, "after": after})
		var page struct {
			Messages []record
			HasMore  bool
			Gap      json.RawMessage
		}
		if err == nil {
			err = json.Unmarshal(data, &page)
		}
		if err == nil && page.Gap != nil {
			err = fmt.Errorf("a gap: %s", page.Gap)
		}
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", room, err)
		}
		if all = append(all, page.Messages...); !page.HasMore {
			break
		}
		if len(page.Messages) == 0 {
			return nil, fmt.Errorf("read the history of %s: an empty page promises more", room)
		}
	}
	h.rooms[room] = all
	return all, nil
}
