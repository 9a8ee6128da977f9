package gateway

import (
	"context"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// nothing is the data of an answer that has none.
type nothing struct{}

func readSend(f *fields) action {
	in := chat.SendRequest{Room: f.room(), ClientID: f.clientID(true), Text: f.required("text"), ReplyTo: chat.MessageID(f.text("replyTo"))}
	if len(in.ReplyTo) > chat.MaxClientID {
		f.fail("replyTo: is not the id of a message")
	}
	return action{room: in.Room, durable: true, run: func(ctx context.Context, c *conn, r *reply) {
		c.g.cfg.Service.Send(ctx, c.who.User, in, func(s chat.Sent, err error) { r.result(s, err) })
	}}
}

// readMessages reads which part of history is wanted: at most one of before, after and around.
func readMessages(f *fields, page int) action {
	room, limit := f.room(), f.limit(page)
	var rg chat.Range
	places := 0
	for _, p := range []struct {
		name string
		at   *chat.Seq
	}{{"before", &rg.Before}, {"after", &rg.After}, {"around", &rg.Around}} {
		seq, ok := f.seq(p.name)
		if !ok {
			continue
		}
		*p.at = seq
		places++
		switch {
		case places > 1:
			f.fail("%s: only one of before, after and around may be given", p.name)
		case seq == 0 && p.name == "after":
			rg.After = chat.AfterStart
		case seq == 0:
			f.fail("%s: must be above 0", p.name)
		}
	}
	return action{room: room, run: func(ctx context.Context, c *conn, r *reply) {
		done, err := c.page(ctx)
		if err != nil {
			r.fail(chat.ErrOverloaded)
			return
		}
		defer done()
		rg.Bytes = c.g.cfg.Limits.PageBytes
		p, err := c.g.cfg.Service.Messages(ctx, c.who.User.ID, room, rg, limit)
		if err != nil {
			r.fail(err)
			return
		}
		p = cutPage(p, rg)
		r.longReady(ctx, answerOfPage(pageOf(p), p.Rows))
	}}
}

func readTyping(f *fields) action {
	room, is := f.room(), f.boolean("isTyping", true)
	return action{room: room, run: func(ctx context.Context, c *conn, r *reply) {
		r.result(nothing{}, c.g.cfg.Service.Typing(ctx, c.who.User, room, is))
	}}
}

func readMembers(f *fields, page int) action {
	in := chat.MembersRequest{Room: f.room(), Cursor: f.cursor(), Limit: f.limit(page)}
	return action{room: in.Room, run: func(ctx context.Context, c *conn, r *reply) {
		p, err := c.g.cfg.Service.Members(ctx, c.who.User.ID, in)
		if err != nil {
			r.fail(err)
			return
		}
		r.long(ctx, struct {
			Members []chat.Present `json:"members"`
			Cursor  chat.Cursor    `json:"cursor,omitempty"`
			Count   int            `json:"count"`
		}{p.Members, p.Next, p.Count})
	}}
}

// listedRoom is a room in a list.
type listedRoom struct {
	chat.Room
	State string `json:"state"`
}

func readList(f *fields, page int) action {
	in := chat.ListRequest{Query: f.text("query"), Mine: f.boolean("mine", false), Cursor: f.cursor(), Limit: f.limit(page)}
	return action{run: func(ctx context.Context, c *conn, r *reply) {
		rooms, next, err := c.g.cfg.Service.List(ctx, c.who.User.ID, in)
		if err != nil {
			r.fail(err)
			return
		}
		out := struct {
			Rooms  []listedRoom `json:"rooms"`
			Cursor chat.Cursor  `json:"cursor,omitempty"`
		}{make([]listedRoom, len(rooms)), next}
		for i, l := range rooms {
			out.Rooms[i] = listedRoom{l.Room, stateName(l.State)}
		}
		r.long(ctx, out)
	}}
}

func readInvite(f *fields) action {
	room, clientID, invitee := f.room(), f.clientID(false), chat.UserID(f.required("userId"))
	return action{room: room, durable: true, run: func(ctx context.Context, c *conn, r *reply) {
		r.result(nothing{}, c.g.cfg.Service.Invite(ctx, c.who.User, room, clientID, invitee))
	}}
}

func readUpdate(f *fields) action {
	in := chat.UpdateRequest{Room: f.room(), ClientID: f.clientID(true), Name: f.optional("name"), Topic: f.optional("topic")}
	return action{room: in.Room, durable: true, run: func(ctx context.Context, c *conn, r *reply) {
		room, err := c.g.cfg.Service.Update(ctx, c.who.User, in)
		r.result(struct {
			Room chat.Room `json:"room"`
		}{room}, err)
	}}
}

func readLeave(f *fields) action {
	room, clientID := f.room(), f.clientID(false)
	return action{room: room, durable: true, run: func(ctx context.Context, c *conn, r *reply) {
		r.result(nothing{}, c.g.cfg.Service.Leave(ctx, c.who.User, room, clientID))
	}}
}
