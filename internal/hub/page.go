package hub

import (
	"context"
	"errors"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Page gives rows of a room: the tail laid over the history. What the tail holds comes from it, also while the store is down; what lies
// below it comes from the history, and the seam is the tail's own lower edge, so that no row is missed or comes twice. A room that is
// not open here is the history's alone. Errors: those of the history.
func (h *Hub) Page(ctx context.Context, id chat.RoomID, rg chat.Range, limit int) (chat.Page, error) {
	limit = max(limit, 1)
	cut, ok := h.cutTail(id, rg.All)
	switch {
	case !ok:
		return h.cfg.History.Page(ctx, id, rg, limit)
	case rg.After != 0:
		return h.pageAfter(ctx, cut, rg, limit)
	case rg.Around != 0:
		return h.pageAround(ctx, cut, rg, limit)
	}
	return h.pageBefore(ctx, cut, rg, limit)
}

// tailCut is a tail at one moment: rows are all those of (from, asOf] that are wanted; from 0: and there are none below.
type tailCut struct {
	room       chat.RoomID
	from, asOf chat.Seq
	rows       []chat.Record
}

// cutTail copies the tail of a room that serves.
func (h *Hub) cutTail(id chat.RoomID, all bool) (tailCut, bool) {
	r := h.partitionOf(id).peek(id)
	if r == nil {
		return tailCut{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ready || r.closed.Load() {
		return tailCut{}, false
	}
	return tailCut{room: id, from: r.tail.from, asOf: r.pos, rows: r.tail.rows(0, len(r.tail.entries), all)}, true
}

// upTo gives how many rows lie at or below seq.
func (c tailCut) upTo(seq chat.Seq) int {
	n := len(c.rows)
	for n > 0 && c.rows[n-1].Seq > seq {
		n--
	}
	return n
}

// pageBefore gives the newest rows below a place, or of all.
func (h *Hub) pageBefore(ctx context.Context, c tailCut, rg chat.Range, limit int) (chat.Page, error) {
	end := len(c.rows)
	if rg.Before != 0 {
		end = c.upTo(rg.Before - 1)
	}
	if rg.Before != 0 && rg.Before <= c.from {
		p, err := h.cfg.History.Page(ctx, c.room, rg, limit)
		p.Newer = p.Newer || len(c.rows) > 0
		return p, err
	}
	own, bytes := newest(c.rows[:end], rg, limit)
	out := chat.Page{Rows: own, HasMore: len(own) < end, Newer: end < len(c.rows), AsOf: c.asOf}
	if out.HasMore || c.from == 0 {
		return out, nil
	}
	full := len(own) == limit || rg.Enough(bytes)
	older, wanted := chat.Range{Before: c.from + 1, All: rg.All, Bytes: max(rg.Bytes-bytes, 0)}, limit-len(own)
	if full {
		older.Bytes, wanted = 0, 1
	}
	below, err := h.cfg.History.Page(ctx, c.room, older, wanted)
	if err != nil {
		return c.onlyTail(out, err)
	}
	if full { // it was only asked whether there is more
		out.HasMore = len(below.Rows) > 0 || below.HasMore
		return out, nil
	}
	out.Rows = append(below.Rows[:len(below.Rows):len(below.Rows)], withoutCopies(own, below.Rows)...)
	out.HasMore, out.Gap = below.HasMore, below.Gap
	if below.AsOf < c.from && out.Gap == nil {
		out.Gap = &chat.Gap{Room: c.room, From: below.AsOf, To: c.from, Reason: chat.GapUnavailable}
	}
	return out, nil
}

// newest gives the last of rows, as many as are wanted, and their bytes.
func newest(rows []chat.Record, rg chat.Range, limit int) ([]chat.Record, int) {
	i, bytes := len(rows), 0
	for i > 0 && len(rows)-i < limit && !rg.Enough(bytes) {
		i--
		bytes += rows[i].Size()
	}
	return rows[i:], bytes
}

// onlyTail gives what the tail has when the history does not answer: a page that says what is missing, or else the error.
func (c tailCut) onlyTail(p chat.Page, err error) (chat.Page, error) {
	if len(p.Rows) == 0 || !errors.Is(err, chat.ErrUnavailable) {
		return chat.Page{}, err
	}
	p.HasMore = true
	p.Gap = &chat.Gap{Room: c.room, From: 0, To: c.from, Reason: chat.GapUnavailable}
	return p, nil
}

// pageAfter gives the oldest rows above a place.
func (h *Hub) pageAfter(ctx context.Context, c tailCut, rg chat.Range, limit int) (chat.Page, error) {
	after := max(rg.After, 0)
	if after >= c.from {
		rows := c.rows[c.upTo(after):]
		return chat.Page{Rows: rows[:min(limit, len(rows))], HasMore: len(rows) > limit, AsOf: c.asOf}, nil
	}
	p, err := h.cfg.History.Page(ctx, c.room, rg, limit)
	if err != nil {
		return p, err
	}
	return c.extend(p, limit), nil
}

// extend adds to a page that ends at the history's head what the tail has above it.
func (c tailCut) extend(p chat.Page, limit int) chat.Page {
	last := p.AsOf
	if n := len(p.Rows); n > 0 {
		last = max(last, p.Rows[n-1].Seq)
	}
	switch {
	case p.HasMore || p.Gap != nil:
		return p
	case p.AsOf < c.from: // what lies between is not known here, but something does
		p.HasMore = len(c.rows) > 0
		return p
	}
	more := withoutCopies(c.rows[c.upTo(last):], p.Rows)
	room := max(limit-len(p.Rows), 0)
	p.HasMore = len(more) > room
	p.Rows = append(p.Rows[:len(p.Rows):len(p.Rows)], more[:min(room, len(more))]...)
	if p.AsOf < c.asOf {
		p.AsOf = c.asOf
	}
	return p
}

// pageAround gives half of the rows at or below a place, half above.
func (h *Hub) pageAround(ctx context.Context, c tailCut, rg chat.Range, limit int) (chat.Page, error) {
	mid := c.upTo(rg.Around)
	lower := (limit + 1) / 2
	if rg.Around < c.from || mid < lower && c.from != 0 || mid == lower && c.from != 0 {
		p, err := h.cfg.History.Page(ctx, c.room, rg, limit)
		if n := len(p.Rows); err == nil && n > 0 && len(c.rows) > 0 {
			p.Newer = p.Newer || c.rows[len(c.rows)-1].Seq > p.Rows[n-1].Seq
		}
		return p, err
	}
	from, to := max(0, mid-lower), min(len(c.rows), mid+limit/2)
	return chat.Page{Rows: c.rows[from:to], HasMore: from > 0, Newer: to < len(c.rows), AsOf: c.asOf}, nil
}

// withoutCopies gives the rows whose ids are not among those of the history: what the tail took for new may be a copy of something old.
func withoutCopies(rows, known []chat.Record) []chat.Record {
	ids := make(map[chat.MessageID]bool, len(known))
	for _, r := range known {
		ids[r.ID] = true
	}
	var out []chat.Record
	for _, r := range rows {
		if !ids[r.ID] {
			out = append(out, r)
		}
	}
	return out
}
