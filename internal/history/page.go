package history

import (
	"context"
	"errors"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Page gives rows over the seam of store and log. While the store cannot be read, a room that was made above W is answered from the
// log alone, since it has all of it.
func (h *History) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (p chat.Page, err error) {
	if limit < 1 {
		return p, chat.Errorf(chat.CodeInvalid, "a limit must be above 0")
	}
	if r.Around != 0 {
		return h.around(ctx, room, r, limit)
	}
	err = retry(func() error {
		var err error
		if p, err = h.messages.Page(ctx, room, r, limit); err != nil {
			return err
		}
		return h.extendPage(ctx, &p, room, r, limit)
	})
	if err == nil || ctx.Err() != nil {
		return p, err
	}
	list, to, ok := h.bornAbove(ctx, room)
	if !ok {
		return chat.Page{}, unavailable(err)
	}
	p = chat.Page{AsOf: to}
	layOver(&p, ofKinds(list, r.All), r, limit)
	return p, nil
}

// extendPage lays the log above the page's W over it.
func (h *History) extendPage(ctx context.Context, p *chat.Page, room chat.RoomID, r chat.Range, limit int) error {
	if r.After != 0 && p.HasMore { // the store has enough
		return nil
	}
	over, to, err := h.above(ctx, room, h.scanFrom(p.AsOf, r.After), r.All)
	if err != nil {
		return err
	}
	p.AsOf = to
	layOver(p, over, r, limit)
	return nil
}

// layOver adds rows that lie above all of a page's, in order, and cuts it to the limit.
func layOver(p *chat.Page, over []chat.Record, r chat.Range, limit int) {
	if r.After != 0 {
		for _, rec := range over {
			if rec.Seq > r.After {
				p.Rows = append(p.Rows, rec)
			}
		}
		if len(p.Rows) > limit {
			p.Rows, p.HasMore = p.Rows[:limit], true
		}
		return
	}
	for _, rec := range over {
		if r.Before != 0 && rec.Seq >= r.Before {
			p.Newer = true
			break
		}
		p.Rows = append(p.Rows, rec)
	}
	if cut := len(p.Rows) - limit; cut > 0 {
		p.Rows, p.HasMore = p.Rows[cut:], true
	}
}

// around gives the half at or below a place, which has the odd one, and the half above it, as the store does.
func (h *History) around(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	low, err := h.Page(ctx, room, chat.Range{Before: r.Around + 1, All: r.All}, (limit+1)/2)
	if err != nil {
		return low, err
	}
	high, err := h.Page(ctx, room, chat.Range{After: r.Around, All: r.All}, max(limit/2, 1))
	if err != nil {
		return high, err
	}
	if limit == 1 {
		high.HasMore, high.Rows = len(high.Rows) > 0, nil
	}
	return chat.Page{Rows: append(low.Rows, high.Rows...), HasMore: low.HasMore, Newer: high.HasMore, AsOf: high.AsOf}, nil
}

// Fill gives what changed in (after, through], each item once, in the order of its place.
func (h *History) Fill(ctx context.Context, room chat.RoomID, after, through chat.Seq) (p chat.Page, err error) {
	err = retry(func() error {
		var err error
		if p, err = h.changed(ctx, room, after, through); err != nil {
			return err
		}
		if !p.HasMore && len(p.Rows) <= fillMax {
			return nil
		}
		asked := after
		if p, err = h.Page(ctx, room, chat.Range{Before: through + 1, All: true}, fillNewest); err != nil {
			return err
		}
		if len(p.Rows) > 0 {
			p.Gap = &chat.Gap{Room: room, From: asked, To: p.Rows[0].Seq - 1, Reason: chat.GapLimit}
		}
		return nil
	})
	if err == nil || ctx.Err() != nil {
		p.HasMore = false
		return p, err
	}
	// Without the store: the log above W has all of it if it begins early enough. A copy as old as the store's rows may be among them,
	// which the client drops by its id.
	s := h.part(room)
	from, _, begun := s.bounds()
	if !begun || from.Seq > after {
		if list, _, ok := h.bornAbove(ctx, room); ok {
			return within(list, after, through), nil
		}
		return chat.Page{}, unavailable(err)
	}
	if err := s.extend(ctx, from); err != nil {
		return chat.Page{}, unavailable(err)
	}
	list, to, err := s.ofRoom(room, from.Seq)
	if err != nil || to < through {
		return chat.Page{}, unavailable(err)
	}
	return within(records(list), after, through), nil
}

// changed is Fill without its limit.
func (h *History) changed(ctx context.Context, room chat.RoomID, after, through chat.Seq) (chat.Page, error) {
	var p chat.Page
	for place := after; ; {
		next, err := h.messages.Changed(ctx, room, place, storePage)
		if err != nil {
			return p, err
		}
		p.AsOf = next.AsOf
		p.Rows = append(p.Rows, next.Rows...)
		if !next.HasMore || len(p.Rows) > fillMax {
			p.HasMore = next.HasMore
			break
		}
		place = p.Rows[len(p.Rows)-1].Seq
	}
	if p.HasMore || p.AsOf >= through {
		p.Rows = upTo(p.Rows, through)
		return p, nil
	}
	over, to, err := h.above(ctx, room, h.scanFrom(p.AsOf, after), true)
	if err != nil {
		return p, err
	}
	if to < through {
		return p, chat.ErrUnavailable
	}
	for _, rec := range over {
		if rec.Seq > after {
			p.Rows = append(p.Rows, rec)
		}
	}
	p.Rows = upTo(p.Rows, through)
	return p, nil
}

// scanFrom is where a read that is asked for what comes after a place begins in the log: at W, always.
func (h *History) scanFrom(w, after chat.Seq) chat.Mark {
	if h.opt.Breaks[ScanFromSince] {
		w = max(w, after)
	}
	return chat.Mark{Seq: w}
}

func upTo(rows []chat.Record, through chat.Seq) []chat.Record {
	for len(rows) > 0 && rows[len(rows)-1].Seq > through {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// within cuts records to (after, through], and to what a replay may hold.
func within(list []chat.Record, after, through chat.Seq) chat.Page {
	p := chat.Page{AsOf: through}
	for _, rec := range upTo(list, through) {
		if rec.Seq > after {
			p.Rows = append(p.Rows, rec)
		}
	}
	if n := len(p.Rows); n > fillMax {
		p.Rows = p.Rows[n-fillNewest:]
		p.Gap = &chat.Gap{Room: p.Rows[0].Room, From: after, To: p.Rows[0].Seq - 1, Reason: chat.GapLimit}
	}
	return p
}

func ofKinds(list []chat.Record, all bool) []chat.Record {
	if all {
		return list
	}
	var out []chat.Record
	for _, r := range list {
		if r.Kind == chat.KindMessage || r.Kind == chat.KindTombstone {
			out = append(out, r)
		}
	}
	return out
}

// unavailable keeps a typed error, and makes any other one of an engine unavailable.
func unavailable(err error) error {
	if err == nil {
		return chat.ErrUnavailable
	}
	if _, typed := errors.AsType[*chat.Error](err); typed {
		return err
	}
	return errors.Join(chat.ErrUnavailable, err)
}
