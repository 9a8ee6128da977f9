package history

import (
	"cmp"
	"context"
	"errors"
	"math"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Page gives rows over the seam of store and log. While the store cannot be read, a room that was made above W is answered from the
// log alone, since it has all of it; while the log cannot be read, the page ends with what is known of it, and says so: see unseen. Errors:
// ErrUnavailable, also where more lies above W than may be kept; that of ctx; a limit below 1 is invalid.
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
	a, ok := h.bornAbove(ctx, room)
	if !ok {
		return chat.Page{}, unavailable(err)
	}
	p = chat.Page{AsOf: a.to}
	layOver(&p, ofKinds(a.recs, r.All), r, limit)
	return p, nil
}

// extendPage lays the log above the page's W over it, if that can change anything.
func (h *History) extendPage(ctx context.Context, p *chat.Page, room chat.RoomID, r chat.Range, limit int) error {
	if r.After != 0 && p.HasMore || r.Before != 0 && r.Before <= p.AsOf && p.Newer {
		return nil
	}
	over, to, err := h.above(ctx, room, h.scanFrom(p.AsOf, r.After), r.All)
	if err != nil && !errors.Is(err, errNoLog) {
		return err
	}
	p.AsOf = to
	layOver(p, over, r, limit)
	if err != nil {
		return unseen(p, room, r, err)
	}
	return nil
}

// unseen makes a page that ends before the log does say so, or gives err where it can not: an older page names what it lacks; a newer one
// promises more, unless it is empty; of the newest nothing can be said.
func unseen(p *chat.Page, room chat.RoomID, r chat.Range, err error) error {
	switch {
	case r.After != 0 && len(p.Rows) > 0:
		p.HasMore = true
	case r.Before == 0: // or a newer page that is empty
		return err
	case r.Before-1 > p.AsOf:
		p.Gap = &chat.Gap{Room: room, From: p.AsOf, To: r.Before - 1, Reason: chat.GapUnavailable}
	}
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

// around gives the half at or below a place, which has the odd one, and the half above it, as the store does. The upper half is read first:
// what is appended between the two readings is then in the lower one, or above both.
func (h *History) around(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	place := min(max(r.Around, 1), math.MaxInt64-1) // 0 and -1 would ask for something else, and the highest has no next one
	high, err := h.Page(ctx, room, chat.Range{After: place, All: r.All, Bytes: r.Bytes}, max(limit/2, 1))
	if err != nil {
		return high, err
	}
	low, err := h.Page(ctx, room, chat.Range{Before: place + 1, All: r.All, Bytes: r.Bytes}, (limit+1)/2)
	if err != nil {
		return low, err
	}
	p := chat.Page{Rows: low.Rows, HasMore: low.HasMore, Newer: high.HasMore, AsOf: high.AsOf, Gap: low.Gap}
	if limit == 1 {
		p.Newer = len(high.Rows) > 0
	} else {
		p.Rows = append(p.Rows, high.Rows...)
	}
	if p.AsOf < place {
		p.AsOf = max(p.AsOf, min(place, low.AsOf))
	}
	return p, nil
}

// Fill gives what changed in (after, through], each item once, in the order of its place; of more than 1,000 a gap and the newest 100. While
// the store cannot be read, the log above W answers if the range lies in it; a copy of what only the store has may then be among the
// items, which a client drops by its id. Errors: ErrUnavailable; that of ctx.
func (h *History) Fill(ctx context.Context, room chat.RoomID, after, through chat.Seq) (p chat.Page, err error) {
	err = retry(func() error {
		var err error
		if p, err = h.changed(ctx, room, after, through); err != nil || len(p.Rows) <= fillMax {
			return err
		}
		if p, err = h.Page(ctx, room, chat.Range{Before: through + 1, All: true}, fillNewest); err != nil {
			return err
		}
		if p.AsOf < through {
			return chat.ErrUnavailable
		}
		p.Gap = &chat.Gap{Room: room, From: after, To: through, Reason: chat.GapLimit}
		if len(p.Rows) > 0 {
			p.Gap.To = p.Rows[0].Seq - 1
		}
		return nil
	})
	if err == nil || ctx.Err() != nil {
		p.HasMore, p.Newer = false, false
		return p, err
	}
	a, known := h.alone(ctx, room)
	if !known || a.to < through || !a.born && a.from.Seq > after {
		return chat.Page{}, unavailable(err)
	}
	return within(room, a.recs, after, through), nil
}

// changed is Fill without its limit: more than fillMax rows are not all there are.
func (h *History) changed(ctx context.Context, room chat.RoomID, after, through chat.Seq) (chat.Page, error) {
	p, err := h.messages.Changed(ctx, room, after, fillMax+1)
	if err != nil {
		return p, err
	}
	n := len(p.Rows)
	p.Rows = upTo(p.Rows, through)
	if len(p.Rows) < n || len(p.Rows) > fillMax || p.AsOf >= through {
		return p, nil
	}
	over, to, err := h.above(ctx, room, h.scanFrom(p.AsOf, after), true)
	switch {
	case err != nil && !errors.Is(err, errNoLog):
		return p, err
	case to < through:
		return p, cmp.Or(err, error(chat.ErrUnavailable))
	}
	p.AsOf = to
	for _, rec := range upTo(over, through) {
		if rec.Seq > after {
			p.Rows = append(p.Rows, rec)
		}
	}
	return p, nil
}

// scanFrom is where a read that is asked for what comes after a place begins in the log: at W, always.
func (h *History) scanFrom(w, after chat.Seq) chat.Mark {
	if h.opt.Breaks[ScanFromSince] {
		w = max(w, after)
	}
	return chat.Mark{Seq: w}
}

// upTo gives the rows at or below a place.
func upTo(rows []chat.Record, through chat.Seq) (out []chat.Record) {
	for _, r := range rows {
		if r.Seq <= through {
			out = append(out, r)
		}
	}
	return out
}

// within cuts a room's records to (after, through], and to what a replay may hold.
func within(room chat.RoomID, list []chat.Record, after, through chat.Seq) chat.Page {
	p := chat.Page{AsOf: through}
	for _, rec := range upTo(list, through) {
		if rec.Seq > after {
			p.Rows = append(p.Rows, rec)
		}
	}
	if n := len(p.Rows); n > fillMax {
		p.Rows = p.Rows[n-fillNewest:]
		p.Gap = &chat.Gap{Room: room, From: after, To: p.Rows[0].Seq - 1, Reason: chat.GapLimit}
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
