package sim

import (
	"context"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// traffic is what people do: talk, come, go, and be removed. The caller holds mu.
func (w *World) traffic() {
	paces := []time.Duration{150 * ms, 500 * ms, 500 * ms, 3 * time.Second} // a slow room shows a lost last message
	pace, quiet := paces[w.pick(len(paces))], quietAt
	if w.chance(0.3) {
		quiet = w.between(healAt*3/4, healAt)
	}
	for _, c := range w.clients {
		w.every(pace, quiet, c.act)
	}
	w.every(4*time.Second, quiet, w.moderate)
	w.every(3*time.Second, endAt, w.audit)
	w.every(time.Second, endAt, func() {
		w.relays.balance(0.4)
		w.savers.balance(0.4)
	})
	w.after(0, func() { // at the start somebody is there at once
		w.after(20*ms, func() { w.relays.balance(1); w.savers.balance(1) })
	})
}

func (c *Client) act() {
	room := c.w.rooms[c.pick(len(c.w.rooms))]
	switch in := c.streams[room] != nil; {
	case in && c.chance(0.04):
		c.do(room, chat.KindLeave)
	case in:
		c.do(room, chat.KindMessage)
	case !c.joining(room) && c.chance(0.15):
		c.do(room, chat.KindJoin)
	}
	if c.chance(0.01) {
		c.disconnect()
	}
}

// moderate makes somebody leave, by way of any node, sometimes twice; and lets him in again at once if he is away.
func (w *World) moderate() {
	c, room := w.clients[w.pick(len(w.clients))], w.rooms[w.pick(len(w.rooms))]
	send := func(op *Op) {
		n := w.upNode()
		if n == nil {
			return
		}
		l := n.life
		w.spawn(func() {
			ctx, cancel := context.WithTimeout(l.ctx, 9*time.Second)
			defer cancel()
			if op.Kind == chat.KindLeave {
				_ = l.service.Leave(ctx, c.user(), op.Room, op.ClientID)
			} else {
				_, _ = l.service.Join(ctx, c.user(), op.Room, op.ClientID)
			}
		})
	}
	leave := w.newOp(c.user().ID, room, chat.KindLeave)
	join := w.newOp(c.user().ID, room, chat.KindJoin)
	send(leave)
	if w.chance(0.3) {
		w.after(w.between(0, 3*time.Second), func() { send(leave) })
	}
	if c.conn == nil {
		w.check.untold[join.id] = true
		w.after(20*ms, func() { send(join) })
	}
}
