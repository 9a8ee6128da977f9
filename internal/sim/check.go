package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Check is the observer outside: it sees the log and what clients receive, and nothing of the protocol.
//
//	1 a client's stream of a room rises in seq and shows no id twice (within the window)
//	2 at rest, a member's stream holds every first copy since its start, or an explicit gap
//	3 nothing is shown that is not in the log; what is acked is
//	4 history is the first copies, in log order
//	5 nothing is shown outside a membership
//	6 all of that five seconds after the last fault
//	7 one order everywhere: a record is shown at the seq of its first copy, so by 1 all orders are that of the log
type Check struct {
	w       *World
	first   map[chat.MessageID]chat.Record
	byRoom  map[chat.RoomID][]chat.Record              // first copies
	members map[chat.RoomID]map[chat.UserID][]interval // by room and user
	views   map[string]*view                           // by client and room
	untold  map[chat.MessageID]bool                    // joins of which the client hears only by `session.rooms`
	healed  chat.Seq                                   // the log's end when the last fault was healed
	bad     string
}

// interval is closed: a join and its leave are both shown. to is 0 while it lasts.
type interval struct{ from, to chat.Seq }

func (i interval) has(s chat.Seq) bool { return s >= i.from && (i.to == 0 || s <= i.to) }

func has(in []interval, s chat.Seq) bool {
	return slices.ContainsFunc(in, func(i interval) bool { return i.has(s) })
}

// view is what one client saw of one room.
type view struct {
	last          chat.Seq
	got           map[chat.Seq]bool
	ids           map[chat.MessageID]bool
	streams, gaps []interval
}

func newCheck(w *World) *Check {
	return &Check{w: w, first: map[chat.MessageID]chat.Record{}, byRoom: map[chat.RoomID][]chat.Record{},
		members: map[chat.RoomID]map[chat.UserID][]interval{}, views: map[string]*view{}, untold: map[chat.MessageID]bool{}}
}

func (c *Check) fail(format string, args ...any) {
	if c.bad == "" {
		c.bad = fmt.Sprintf("at %v: invariant ", c.w.now()) + fmt.Sprintf(format, args...)
		c.w.tracef("BROKEN %s", c.bad)
	}
}

func (c *Check) view(cl *Client, room chat.RoomID) *view {
	key := fmt.Sprint(cl.id, room)
	if c.views[key] == nil {
		c.views[key] = &view{got: map[chat.Seq]bool{}, ids: map[chat.MessageID]bool{}}
	}
	return c.views[key]
}

// late says whether r is a copy that comes after the window.
func (c *Check) late(r chat.Record) bool {
	first := c.first[r.ID]
	return r.Seq != first.Seq && time.Duration(r.At-first.At)*ms > window
}

// appended keeps the truth.
func (c *Check) appended(r chat.Record) {
	c.w.tracef("log: %s %d %s kind %d of %s", r.Room, r.Seq, r.ID, r.Kind, r.Subject)
	c.w.count["records appended"]++
	if _, ok := c.first[r.ID]; ok {
		c.w.count["copies in the log"]++
		if c.late(r) {
			c.w.count["copies beyond the window"]++
		}
		return
	}
	c.first[r.ID] = r
	c.byRoom[r.Room] = append(c.byRoom[r.Room], r)
	of := c.members[r.Room]
	if of == nil {
		of = map[chat.UserID][]interval{}
		c.members[r.Room] = of
	}
	in := of[r.Subject]
	last := len(in) - 1
	switch open := last >= 0 && in[last].to == 0; {
	case r.Kind == chat.KindJoin && !open:
		of[r.Subject] = append(in, interval{from: r.Seq})
	case r.Kind == chat.KindLeave && open:
		in[last].to = r.Seq
	}
}

func (c *Check) acked(op *Op) {
	c.w.count["messages acked"]++
	if _, ok := c.first[op.id]; !ok {
		c.fail("3: %s was acked, and is not in the log", op.id)
	}
}

func (c *Check) in(cl *Client, room chat.RoomID) []interval { return c.members[room][cl.user().ID] }

func (c *Check) begin(cl *Client, room chat.RoomID, asOf chat.Seq) {
	v := c.view(cl, room)
	v.streams = append(v.streams, interval{from: asOf + 1})
	if !has(c.in(cl, room), asOf) {
		c.fail("5: client %d joined %s at %d, but is no member there", cl.id, room, asOf)
	}
	v.last = max(v.last, asOf)
}

func (c *Check) end(cl *Client, room chat.RoomID, at chat.Seq) {
	v := c.view(cl, room)
	v.streams[len(v.streams)-1].to = at
}

func (c *Check) gap(cl *Client, g chat.Gap) {
	v := c.view(cl, g.Room)
	v.gaps = append(v.gaps, interval{g.From + 1, g.To})
	c.w.count["gaps: "+string(g.Reason)]++
	if c.w.now() > healAt+settleFor && g.Reason != chat.GapNotFound {
		c.fail("2: client %d got a gap in %s without cause: %+v", cl.id, g.Room, g)
	}
}

func (c *Check) received(cl *Client, r chat.Record, streaming bool) {
	v, first := c.view(cl, r.Room), c.first[r.ID]
	at := time.UnixMilli(r.At).Sub(c.w.began)
	age := c.w.now() - at
	switch i := int(r.Seq.Offset()); {
	case !streaming:
		c.fail("5: client %d got %s %d outside its stream", cl.id, r.Room, r.Seq)
	case i >= len(c.w.log.recs) || c.w.log.recs[i].ID != r.ID || string(c.w.log.recs[i].Body) != string(r.Body):
		c.fail("3: client %d got %s %d, which is not in the log", cl.id, r.Room, r.Seq)
	case r.Seq <= v.last:
		c.fail("1: client %d got %s %d after %d", cl.id, r.Room, r.Seq, v.last)
	case r.Seq != first.Seq && !c.late(r):
		c.fail("1, 7: client %d got %s %d, a copy of %d", cl.id, r.Room, r.Seq, first.Seq)
	case !has(c.in(cl, r.Room), r.Seq):
		c.fail("5: client %d got %s %d, but is no member there", cl.id, r.Room, r.Seq)
	case at > max(healAt+settleFor, cl.conn.born) && age > steadyLatency:
		c.fail("6: client %d got %s %d after %v, long after the last fault", cl.id, r.Room, r.Seq, age)
	case v.ids[r.ID]:
		c.w.count["late copies dropped by the client"]++
	}
	v.last, v.got[r.Seq], v.ids[r.ID] = r.Seq, true, true
}

// complete checks every stream through the given seq; in the end also that clients know where they are members.
func (c *Check) complete(through chat.Seq, final bool) {
	for _, cl := range c.w.clients {
		for _, room := range c.w.rooms {
			v, in := c.view(cl, room), c.in(cl, room)
			for _, r := range c.byRoom[room] {
				if r.Seq <= through && has(v.streams, r.Seq) && has(in, r.Seq) && !v.got[r.Seq] && !has(v.gaps, r.Seq) {
					c.fail("2, 6: client %d, streams %v, never got %s %d", cl.id, v.streams, room, r.Seq)
				}
			}
			last := len(in) - 1
			member, open := last >= 0 && in[last].to == 0, cl.streams[room] != nil
			told := open || last >= 0 && c.untold[c.w.log.recs[in[last].from.Offset()].ID]
			if final && !cl.joining(room) && (open && !member || member && !told) {
				c.fail("2, 5: client %d in %s: membership %v, streams %v", cl.id, room, in, v.streams)
			}
		}
	}
	for _, n := range c.w.nodes {
		if c.w.healthy && n.life.hub.Stats().Tailing > 0 {
			c.fail("6: node %d still tails: %+v, its relay %+v", n.id, n.life.hub.Stats(), n.life.relay.Stats())
		}
	}
}

// page looks at one answer by itself: within the limit, in order, and nothing in it lies above the place that it names. mu is not held.
func (c *Check) page(room chat.RoomID, p chat.Page, limit int) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if len(p.Rows) > limit {
		c.fail("4: a page of %s has %d rows instead of %d at most", room, len(p.Rows), limit)
	}
	for i, r := range p.Rows {
		if r.Seq > p.AsOf || i > 0 && r.Seq <= p.Rows[i-1].Seq {
			c.fail("4: a page of %s as of %d holds %d at place %d", room, p.AsOf, r.Seq, i)
		}
	}
}

// stuck is a page that is empty and says that there is more. mu is not held.
func (c *Check) stuck(room chat.RoomID) bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.fail("4: an empty page of %s says that there is more", room)
	return false
}

// history compares what an audit read through a place with the truth. What comes partly from a hub's memory may hold a late copy.
func (c *Check) history(a audit, got []chat.Record, to chat.Seq) {
	c.w.count["history reads checked"]++
	if a.memory {
		got = slices.DeleteFunc(got, c.late)
	}
	var want []chat.Record
	for _, r := range c.byRoom[a.room] {
		if r.Seq > a.after && r.Seq <= to && (a.all || r.Kind == chat.KindMessage) {
			want = append(want, r)
		}
	}
	same := func(a, b chat.Record) bool { return a.Seq == b.Seq && a.ID == b.ID }
	if slices.EqualFunc(got, want, same) {
		return
	}
	i := 0
	for i < len(got) && i < len(want) && same(got[i], want[i]) {
		i++
	}
	at := func(rs []chat.Record) chat.Seq {
		if i < len(rs) {
			return rs[i].Seq
		}
		return 0
	}
	c.fail("4: history of %s after %d through %d (of a hub: %v, back: %v, all kinds: %v): %d records instead of %d; the first that differs is %d instead of %d",
		a.room, a.after, to, a.memory, a.back, a.all, len(got), len(want), at(got), at(want))
}
