package history

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Open implements chat.History: W, then the room, its members and its newest rows through W. The view may know parts of what lies above
// W, which chat.View.Fold allows. Errors: ErrUnavailable; overloaded for a room with too many members; that of ctx.
func (h *History) Open(ctx context.Context, room chat.RoomID) (chat.Opening, error) {
	o, err := h.open(ctx, room)
	if err == nil || ctx.Err() != nil {
		return o, err
	}
	if a, ok := h.bornAbove(ctx, room); ok { // its whole life lies above W: the log has it
		return chat.Opening{View: chat.NewView(chat.Room{}, nil), All: true, AsOf: a.from}, nil
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
		ms, next, err := h.directory.Members(ctx, room, c, memberPage)
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

// newest reads a room's rows through w: at least openRows, and all of the window, oldest first. all: there are no others. The window ends
// early at openTalkMax messages, since the hub remembers no more of them, but not at so many joins and leaves. It is one of the log's
// time: the hub reads on from w, and if the store is behind, what comes then may follow right upon the newest row, however late it is now.
func (h *History) newest(ctx context.Context, room chat.RoomID, w chat.Seq) (rows []chat.Record, all bool, err error) {
	begin, n, talk := time.Now().Add(-h.opt.Window).UnixMilli(), 0, 0
	early := begin
	var pages [][]chat.Record
	for before, limit := w+1, openRows; ; limit = openTalkMax { // a busy room in few pages: a slow store may read all of it for each
		p, err := h.messages.Page(ctx, room, chat.Range{Before: before, All: true}, limit)
		if err != nil {
			return nil, false, err
		}
		pages = append(pages, p.Rows)
		n, talk = n+len(p.Rows), talk+len(ofKinds(p.Rows, false))
		if len(pages) == 1 && len(p.Rows) > 0 {
			early = p.Rows[len(p.Rows)-1].At - h.opt.Window.Milliseconds()
		}
		if p.HasMore && early <= p.Rows[0].At && p.Rows[0].At < begin && h.goesOn(ctx, room, w) {
			begin = early
		}
		if all = !p.HasMore; all || talk >= openTalkMax || n >= openRowsMax || n >= openRows && p.Rows[0].At < begin {
			slices.Reverse(pages)
			return slices.Concat(pages...), all, nil
		}
		before = p.Rows[0].Seq
	}
}

// goesOn says whether the log holds more than w, or may.
func (h *History) goesOn(ctx context.Context, room chat.RoomID, w chat.Seq) bool {
	info, err := h.log.Info(ctx)
	p := chat.PartitionOf(room, len(h.parts))
	return err != nil || p >= len(info.Partitions) || info.Partitions[p].Last > w
}

// alone gives what the log above W knows of a room without the store's help; false: nothing is known.
func (h *History) alone(ctx context.Context, room chat.RoomID) (alone, bool) {
	s := h.part(room)
	from, begun := s.place()
	if !begun {
		return alone{}, false
	}
	err := s.extend(ctx, from)
	if err != nil && !errors.Is(err, errNoLog) {
		return alone{}, false
	}
	a, known := s.alone(room, h.opt.Window)
	a.whole = err == nil
	return a, known
}

// bornAbove gives all records of a room whose whole life lies above W, without the store's help.
func (h *History) bornAbove(ctx context.Context, room chat.RoomID) (alone, bool) {
	a, _ := h.alone(ctx, room)
	return a, a.born && a.whole
}

// ByID implements chat.History. While the store cannot be read, only what it has said before to be a first copy is given.
func (h *History) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	r, err := h.byID(ctx, room, id)
	if err == nil || errors.Is(err, chat.ErrNotFound) || ctx.Err() != nil {
		return r, err
	}
	s := h.part(room)
	if e := s.find(room, id); e != nil && len(s.firsts([]*entry{e})) > 0 {
		return e.rec, nil
	}
	return chat.Record{}, unavailable(err)
}

func (h *History) byID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	w, err := h.watermark(ctx, chat.PartitionOf(room, len(h.parts)))
	if err != nil {
		return chat.Record{}, err
	}
	row, err := h.messages.ByID(ctx, room, id)
	if err == nil || !errors.Is(err, chat.ErrNotFound) {
		return row, err
	}
	s := h.part(room)
	if err := s.extend(ctx, w); err != nil {
		return chat.Record{}, err
	}
	if e := s.find(room, id); e != nil {
		return e.rec, nil
	}
	return h.messages.ByID(ctx, room, id) // it may have gone from the log's side to the store's meanwhile
}
