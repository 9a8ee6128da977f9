package node

import (
	"context"
	"log/slog"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

type interimOptions struct {
	Partitions, RoomMembers int
	Logger                  *slog.Logger
}

type interim struct{ s storeEngine }

func newInterim(_ chat.Log, s storeEngine, _ storeEngine, _ interimOptions) *interim {
	return &interim{s}
}

func (i *interim) Open(ctx context.Context, room chat.RoomID) (chat.Opening, error) {
	st, err := i.s.State(ctx)
	if err != nil {
		return chat.Opening{}, err
	}
	o := chat.Opening{View: chat.NewView(chat.Room{}, nil)}
	if len(st.W) > 0 {
		o.AsOf = st.W[0]
	}
	r, _, err := i.s.Room(ctx, room)
	if err != nil {
		return o, nil
	}
	var all []chat.Member
	for c := chat.Cursor(""); ; {
		ms, next, err := i.s.Members(ctx, room, c, 100)
		if err != nil {
			return o, err
		}
		all = append(all, ms...)
		if c = next; c == "" {
			break
		}
	}
	o.View = chat.NewView(r, all)
	p, err := i.s.Page(ctx, room, chat.Range{Before: o.AsOf.Seq + 1, All: true}, 500)
	o.Rows, o.All = p.Rows, !p.HasMore
	return o, err
}

func (i *interim) Fill(ctx context.Context, room chat.RoomID, after, through chat.Seq) (chat.Page, error) {
	return i.s.Changed(ctx, room, after, 1000)
}
func (i *interim) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (chat.Page, error) {
	return i.s.Page(ctx, room, r, limit)
}
func (i *interim) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	return i.s.ByID(ctx, room, id)
}
func (i *interim) RoomsOf(ctx context.Context, u chat.UserID, c chat.Cursor, limit int) ([]chat.Membership, chat.Cursor, error) {
	return i.s.RoomsOf(ctx, u, c, limit)
}
