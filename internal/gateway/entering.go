package gateway

import (
	"context"
	"errors"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// entered is the answer to room:join and room:open.
type entered struct {
	Room    chat.Room      `json:"room"`
	Members []chat.Present `json:"members"`
	messagePage
}

// firstMembers is how many members such an answer names.
const firstMembers = 100

func readCreate(f *fields, u chat.UserID) action {
	in := chat.CreateRequest{ClientID: f.clientID(true), Name: f.required("name"), Topic: f.text("topic"), Private: f.boolean("private", false)}
	a := action{room: chat.MakeRoomID(u, in.ClientID), durable: true}
	a.run = func(ctx context.Context, c *conn, r *reply) {
		done, err := c.reserve("")
		if err != nil {
			r.fail(err)
			return
		}
		st, err := c.g.cfg.Service.CreateRoom(ctx, c.who.User, in)
		done()
		if err != nil {
			r.fail(err)
			return
		}
		data := struct {
			Room chat.Room `json:"room"`
			AsOf chat.Seq  `json:"asOf"`
		}{st.View.Room(), st.AsOf}
		if st.Member.State != chat.StateJoined { // a late retry: he has left since
			r.ok(data)
			return
		}
		// The room is there, also if it can not be heard now: then a gap behind the answer says so, and the client opens it.
		sub, at, err := c.enter(ctx, data.Room.ID, st)
		if err == nil {
			data.Room, data.AsOf = at.View.Room(), at.AsOf
		}
		r.ok(data)
		switch {
		case err != nil:
			c.push(Encoder{}.Gap(chat.Gap{Room: data.Room.ID, From: data.AsOf, Reason: unheard(err)}))
		case sub != nil:
			sub.release()
		}
	}
	return a
}

func readJoin(f *fields, page int) action {
	room, clientID, limit := f.room(), f.clientID(false), f.limit(page)
	after, _ := f.seq("after")
	return action{room: room, durable: true, run: func(ctx context.Context, c *conn, r *reply) {
		done, err := c.reserve(room)
		if err != nil {
			r.fail(err)
			return
		}
		st, err := c.g.cfg.Service.JoinAfter(ctx, c.who.User, room, clientID, after)
		done()
		if err != nil {
			r.fail(err)
			return
		}
		sub, at, err := c.enter(ctx, room, st)
		switch {
		case errors.Is(err, chat.ErrNotFound): // ended in between: by another socket of his
			r.fail(chat.Errorf(chat.CodeConflict, "the membership has ended again; ask anew with a new clientId"))
		case errors.As(err, new(*chat.Error)) && chat.AsError(err).Code == chat.CodeRateLimited:
			r.fail(err)
		case err != nil: // the membership has begun; only the hearing has not
			r.fail(chat.ErrUnknown)
		default:
			c.welcome(ctx, r, sub, at, limit)
		}
	}}
}

func readOpen(f *fields, page int) action {
	room, limit := f.room(), f.limit(page)
	since, resuming := f.seq("since")
	return action{room: room, run: func(ctx context.Context, c *conn, r *reply) {
		st, err := c.g.cfg.Service.View(ctx, c.who.User.ID, room)
		if err != nil {
			r.fail(err)
			return
		}
		var sub *subscription
		var at chat.Attached
		if resuming { // what was missed goes out as it comes, before the answer
			_, at, err = c.attach(ctx, room, since, false)
		} else {
			sub, at, err = c.enter(ctx, room, st)
		}
		switch {
		case errors.As(err, new(*chat.Error)):
			r.fail(err)
		case err != nil:
			r.fail(chat.ErrUnavailable)
		default:
			c.welcome(ctx, r, sub, at, limit)
		}
	}}
}

// enter makes the socket hear a room of which its user is a member. One that hears it already goes on; else what comes is held until
// the caller has answered, and released by him.
func (c *conn) enter(ctx context.Context, room chat.RoomID, st chat.Standing) (*subscription, chat.Attached, error) {
	if s := c.subscribed(room); s != nil && s.joined == st.Member.Joined {
		return nil, chat.Attached{AsOf: st.AsOf, View: st.View}, nil
	}
	return c.attach(ctx, room, chat.AttachHead, true)
}

// welcome answers with the room, its first members and its newest messages as of the place where live delivery began.
func (c *conn) welcome(ctx context.Context, r *reply, sub *subscription, at chat.Attached, limit int) {
	if sub != nil {
		defer sub.release()
	}
	done, err := c.page(ctx)
	if err != nil {
		r.fail(chat.ErrOverloaded)
		return
	}
	defer done()
	room := at.View.Room()
	members := c.g.cfg.Service.MembersOf(at.View, "", firstMembers).Members
	newest := chat.Range{Before: at.AsOf + 1, Bytes: c.g.cfg.Limits.PageBytes} // what lies above comes live
	p, err := c.g.cfg.Service.Messages(ctx, c.who.User.ID, room.ID, newest, limit)
	if err != nil { // live is whole; history is not to be had, and the answer says so
		p = chat.Page{HasMore: true, Gap: &chat.Gap{Room: room.ID, To: at.AsOf, Reason: chat.GapUnavailable}}
	}
	p.AsOf, p.Newer = at.AsOf, false
	p = cutPage(p, newest)
	r.longReady(ctx, answerOfPage(entered{room, members, pageOf(p)}, p.Rows))
}
