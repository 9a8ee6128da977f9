package sim

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// memory is the store: the first copy of every record through W, rooms and members. Rows above W may be there too, some of them.
type memory struct {
	w              *World
	log            chat.LogInfo
	mark           chat.Mark // W
	rows           map[chat.RoomID][]chat.Record
	byID           map[chat.MessageID]chat.Record
	rooms          map[chat.RoomID]chat.Room
	members        map[chat.RoomID]map[chat.UserID]chat.Member
	noRead, noSave int // faults that make reads, and writes, fail
}

func newMemory(w *World) *memory {
	return &memory{w: w, rows: map[chat.RoomID][]chat.Record{}, byID: map[chat.MessageID]chat.Record{}, rooms: map[chat.RoomID]chat.Room{},
		members: map[chat.RoomID]map[chat.UserID]chat.Member{}}
}

// storeOf is a node's way to the store; it implements its three ports.
type storeOf struct{ n *life }

var (
	_ chat.Archive   = storeOf{}
	_ chat.Messages  = storeOf{}
	_ chat.Directory = storeOf{}
)

// read runs steps one after the other, some time apart, with mu held; the first reads W.
func (s storeOf) read(ctx context.Context, steps ...func(*memory)) error {
	w := s.n.w
	if err := sleep(ctx, s.n.draw(ms, 5*ms)); err != nil {
		return err
	}
	for _, step := range steps {
		w.mu.Lock()
		down := w.store.noRead > 0
		if !down {
			step(w.store)
		}
		wait := s.n.between(ms, 10*ms)
		w.mu.Unlock()
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		if down {
			return chat.ErrUnavailable
		}
	}
	if !s.n.pass() {
		return context.Canceled
	}
	return nil
}

// State implements chat.Archive.
func (s storeOf) State(ctx context.Context) (st chat.ArchiveState, err error) {
	err = s.read(ctx, func(m *memory) { st = chat.ArchiveState{Log: m.log, W: []chat.Mark{m.mark}} })
	return st, err
}

// Adopt implements chat.Archive.
func (s storeOf) Adopt(ctx context.Context, l chat.LogInfo) error {
	return s.read(ctx, func(m *memory) { m.log = l })
}

// Bury implements chat.Archive. Nothing here can never be stored.
func (s storeOf) Bury(context.Context, chat.Record, string) error {
	s.n.w.mu.Lock()
	defer s.n.w.mu.Unlock()
	s.n.w.check.fail("4: a good record was buried")
	return nil
}

// Save writes the rows in two halves, in any order; then what they do to rooms and members, in log order; and then moves W.
func (s storeOf) Save(ctx context.Context, _ int, cs []chat.Change, mark chat.Mark) error {
	w := s.n.w
	w.mu.Lock()
	order := s.n.rng.Perm(len(cs))
	w.mu.Unlock()
	for half := range 3 {
		if err := sleep(ctx, s.n.draw(0, 10*ms)); err != nil {
			return err
		}
		w.mu.Lock()
		if w.store.noSave > 0 {
			w.mu.Unlock()
			return chat.ErrUnavailable
		}
		for _, i := range order {
			if half < 2 && i%2 == half {
				w.store.row(cs[i].Row)
			}
		}
		for _, c := range cs {
			if half == 2 {
				w.store.effects(c)
			}
		}
		if mark.Seq > w.store.mark.Seq && (half == 2 || w.broken("w-before-rows")) {
			w.store.mark = mark
		}
		w.mu.Unlock()
		if w.broken("w-before-rows") {
			if err := sleep(ctx, s.n.draw(0, 300*ms)); err != nil {
				return err
			}
		}
	}
	return nil
}

// row is written unless its id has one.
func (m *memory) row(r chat.Record) {
	if _, ok := m.byID[r.ID]; ok {
		return
	}
	m.byID[r.ID] = r
	if r.Kind != chat.KindMessage && m.w.broken("store-messages-only") {
		return
	}
	m.rows[r.Room] = append(m.rows[r.Room], r)
	slices.SortFunc(m.rows[r.Room], func(a, b chat.Record) int { return cmp.Compare(a.Seq, b.Seq) })
}

// effects count only where the id's row is at this very seq: a copy changes nothing.
func (m *memory) effects(c chat.Change) {
	r := c.Row
	if m.byID[r.ID].Seq != r.Seq {
		return
	}
	if c.Room != nil {
		if room, ok := chat.RoomChange(m.rooms[r.Room], *c.Room); ok {
			m.rooms[r.Room] = room
		}
	}
	if c.Member != nil {
		m.member(*c.Member)
	}
}

// member applies a membership change by the rules of View.Fold, guarded by rev.
func (m *memory) member(next chat.Member) {
	of := m.members[next.Room]
	if of == nil {
		of = map[chat.UserID]chat.Member{}
		m.members[next.Room] = of
	}
	old := of[next.User.ID]
	was := old.State == chat.StateJoined || old.State == chat.StateInvited
	switch {
	case next.Rev <= old.Rev,
		next.State == chat.StateJoined && old.State == chat.StateJoined,
		next.State == chat.StateInvited && was,
		next.State == chat.StateLeft && !was:
		return
	}
	of[next.User.ID] = next
}

// Page implements chat.Messages.
func (s storeOf) Page(ctx context.Context, room chat.RoomID, r chat.Range, limit int) (p chat.Page, err error) {
	err = s.read(ctx, func(m *memory) { p.AsOf = m.mark.Seq }, func(m *memory) {
		rows := m.through(room, p.AsOf, r.All)
		if r.After != 0 {
			rows = slices.DeleteFunc(rows, func(x chat.Record) bool { return x.Seq <= r.After })
			if len(rows) > limit {
				rows, p.HasMore = rows[:limit], true
			}
			p.Rows = rows
			return
		}
		for len(rows) > 0 && r.Before != 0 && rows[len(rows)-1].Seq >= r.Before {
			rows, p.Newer = rows[:len(rows)-1], true
		}
		if cut := len(rows) - limit; cut > 0 {
			rows, p.HasMore = rows[cut:], true
		}
		p.Rows = rows
	})
	return p, err
}

// through gives a room's rows that W covers.
func (m *memory) through(room chat.RoomID, w chat.Seq, all bool) []chat.Record {
	return slices.DeleteFunc(slices.Clone(m.rows[room]), func(r chat.Record) bool {
		return r.Seq > w && !m.w.broken("rows-above-w") || !all && r.Kind != chat.KindMessage
	})
}

// Changed implements chat.Messages: nothing here changes once it is written.
func (s storeOf) Changed(ctx context.Context, room chat.RoomID, after chat.Seq, limit int) (chat.Page, error) {
	return s.Page(ctx, room, chat.Range{After: max(after, 1), All: true}, limit)
}

// ByID implements chat.Messages.
func (s storeOf) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (r chat.Record, err error) {
	found := false
	err = s.read(ctx, func(m *memory) { r, found = m.byID[id] })
	if err == nil && (!found || r.Room != room) {
		return chat.Record{}, chat.ErrNotFound
	}
	return r, err
}

// Seqs implements chat.Messages.
func (s storeOf) Seqs(ctx context.Context, room chat.RoomID, ids []chat.MessageID) (map[chat.MessageID]chat.Seq, error) {
	out := map[chat.MessageID]chat.Seq{}
	err := s.read(ctx, func(m *memory) {
		for _, id := range ids {
			if r, ok := m.byID[id]; ok && r.Room == room {
				out[id] = r.Seq
			}
		}
	})
	return out, err
}

// Room implements chat.Directory.
func (s storeOf) Room(ctx context.Context, id chat.RoomID) (room chat.Room, asOf chat.Seq, err error) {
	err = s.read(ctx, func(m *memory) { asOf = m.mark.Seq }, func(m *memory) { room = m.rooms[id] })
	if err == nil && room.Seq == 0 {
		return room, asOf, chat.ErrNotFound
	}
	return room, asOf, err
}

// List implements chat.Directory; nobody lists rooms here.
func (s storeOf) List(context.Context, chat.RoomQuery, chat.Cursor) ([]chat.Room, chat.Cursor, error) {
	return nil, "", chat.ErrUnavailable
}

// Members implements chat.Directory: all at once.
func (s storeOf) Members(ctx context.Context, room chat.RoomID, _ chat.Cursor, _ int) (ms []chat.Member, next chat.Cursor, err error) {
	err = s.read(ctx, func(m *memory) {
		for _, u := range slices.Sorted(maps.Keys(m.members[room])) {
			if x := m.members[room][u]; x.State != chat.StateLeft {
				ms = append(ms, x)
			}
		}
	})
	return ms, "", err
}

// RoomsOf implements chat.Directory: all at once.
func (s storeOf) RoomsOf(ctx context.Context, u chat.UserID, _ chat.Cursor, _ int) (out []chat.Membership, next chat.Cursor, err error) {
	err = s.read(ctx, func(m *memory) {
		for _, room := range m.w.rooms {
			if x := m.members[room][u]; x.State == chat.StateJoined || x.State == chat.StateInvited {
				out = append(out, chat.Membership{Member: x, Room: m.rooms[room]})
			}
		}
	})
	return out, "", err
}
