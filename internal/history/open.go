package history

import (
	"context"
	"errors"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Open implements chat.History: W, then the room, its members and its newest rows through W. The view may know parts of what lies above
// W, which chat.View.Fold allows.
func (h *History) Open(ctx context.Context, room chat.RoomID) (chat.Opening, error) {
	o, err := h.open(ctx, room)
	if err == nil || ctx.Err() != nil {
		return o, err
	}
	if _, _, ok := h.bornAbove(ctx, room); ok { // its whole life lies above W: the log has it
		from, _, _ := h.part(room).bounds()
		return chat.Opening{View: chat.NewView(chat.Room{}, nil), All: true, AsOf: from}, nil
	}
	return chat.Opening{}, unavailable(err)
}

func (h *History) open(ctx context.Context, room chat.RoomID) (o chat.Opening, err error) {
	p := chat.PartitionOf(room, len(h.parts))
	if o.AsOf, err = h.watermark(ctx, p); err != nil {
		return o, err
	}
	found, _, err := h.directory.Room(ctx, room)
	switch {
	case errors.Is(err, chat.ErrNotFound):
		o.View, o.All = chat.NewView(chat.Room{}, nil), true
		return o, nil
	case err != nil:
		return o, err
	}
	members, err := h.members(ctx, room)
	if err != nil {
		return o, err
	}
	o.View = chat.NewView(found, members)
	o.Rows, o.All, err = h.newest(ctx, room, o.AsOf.Seq)
	if h.opt.Breaks[WAfterRows] && err == nil {
		o.AsOf, err = h.watermark(ctx, p)
	}
	return o, err
}

// members reads all members and invited of a room. The bound leaves space for those that are invited.
func (h *History) members(ctx context.Context, room chat.RoomID) ([]chat.Member, error) {
	var all []chat.Member
	for c := chat.Cursor(""); ; {
		ms, next, err := h.directory.Members(ctx, room, c, storePage)
		if err != nil {
			return nil, err
		}
		all = append(all, ms...)
		if next == "" {
			return all, nil
		}
		if len(all) > 2*h.opt.RoomMembers {
			return nil, chat.Errorf(chat.CodeOverloaded, "the room has more than %d members and invited", 2*h.opt.RoomMembers)
		}
		c = next
	}
}

// newest reads a room's rows through w: at least openRows, and all of the window, oldest first. all: there are no others.
func (h *History) newest(ctx context.Context, room chat.RoomID, w chat.Seq) (rows []chat.Record, all bool, err error) {
	begin := time.Now().Add(-h.opt.Window).UnixMilli()
	for before := w + 1; ; {
		p, err := h.messages.Page(ctx, room, chat.Range{Before: before, All: true}, storePage)
		if err != nil {
			return nil, false, err
		}
		rows = append(append([]chat.Record(nil), p.Rows...), rows...)
		switch {
		case !p.HasMore:
			return rows, true, nil
		case len(rows) >= openRowsMax, len(rows) >= openRows && rows[0].At < begin:
			return rows, false, nil
		}
		before = rows[0].Seq
	}
}

// bornAbove gives all records of a room whose create record lies in the scan, without the store's help, and how far they reach.
func (h *History) bornAbove(ctx context.Context, room chat.RoomID) ([]chat.Record, chat.Seq, bool) {
	s := h.part(room)
	from, _, begun := s.bounds()
	if !begun || s.extend(ctx, from) != nil {
		return nil, 0, false
	}
	list, to, err := s.ofRoom(room, from.Seq)
	if err != nil || len(list) == 0 || list[0].rec.Kind != chat.KindCreate || s.verdict(list[0]) == isCopy {
		return nil, 0, false
	}
	return records(list), to, true
}

// ByID implements chat.History.
func (h *History) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	w, err := h.watermark(ctx, chat.PartitionOf(room, len(h.parts)))
	if err != nil {
		return chat.Record{}, unavailable(err)
	}
	row, err := h.messages.ByID(ctx, room, id)
	if err == nil || !errors.Is(err, chat.ErrNotFound) {
		return row, err
	}
	s := h.part(room)
	if err := s.extend(ctx, w); err != nil {
		return chat.Record{}, unavailable(err)
	}
	s.mu.Lock()
	e := s.byID[id]
	s.mu.Unlock()
	if e == nil || e.rec.Room != room {
		return h.messages.ByID(ctx, room, id) // it may have gone from the log's side to the store's meanwhile
	}
	return e.rec, nil
}
