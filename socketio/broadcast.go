package socketio

import (
	"slices"

	"github.com/hubbub-chat/hubbub/socketio/engineio"
)

// Broadcast is a set of sockets to send to. It is a value: each method returns a new one, and it may be kept and used again. The
// sockets are looked up at each use.
type Broadcast struct {
	ns       *Namespace
	rooms    []string // none: all
	except   []string
	sender   *Socket // left out
	volatile bool
}

// To adds rooms: a socket in several of them is one of the set once.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = append(slices.Clip(b.rooms), rooms...)
	return b
}

// Except leaves out the sockets of rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = append(slices.Clip(b.except), rooms...)
	return b
}

// Volatile drops the event for each socket whose connection cannot take it right now.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Emit encodes the event once and sends it to every socket. Errors are those of encoding; a socket that cannot take the event is
// closed or gone, and the others do not notice.
func (b Broadcast) Emit(name string, args ...any) error {
	f, err := b.ns.frame("", name, args)
	if err != nil {
		return err
	}
	b.SendFrame(f)
	return nil
}

// SendFrame sends what EncodeEvent made.
func (b Broadcast) SendFrame(f *engineio.Frame) {
	for _, s := range b.targets() {
		if b.volatile {
			s.sendVolatile(f)
			continue
		}
		_ = s.SendFrame(f) // gone, or closed just now for being slow: its own path tells
	}
}

// Sockets lists the set as it is now, in no order.
func (b Broadcast) Sockets() []*Socket { return b.targets() }

// targets collects the set, so that nothing is sent while the namespace is locked.
func (b Broadcast) targets() []*Socket {
	b.ns.mu.RLock()
	defer b.ns.mu.RUnlock()
	if len(b.rooms) == 0 {
		list := make([]*Socket, 0, len(b.ns.sockets))
		for _, s := range b.ns.sockets {
			list = b.pick(list, s)
		}
		return list
	}
	var list []*Socket
	for i, room := range b.rooms {
		if own := b.ns.sockets[room]; own != nil && !b.inEarlier(own, i) {
			list = b.pick(list, own)
		}
		members := b.ns.rooms[room]
		list = slices.Grow(list, len(members))
		for s := range members {
			if s.id != room && !b.inEarlier(s, i) {
				list = b.pick(list, s)
			}
		}
	}
	return list
}

// inEarlier tells whether s was met in one of the first i rooms.
func (b Broadcast) inEarlier(s *Socket, i int) bool {
	return slices.ContainsFunc(b.rooms[:i], func(room string) bool { return b.ns.has(s, room) })
}

func (b Broadcast) pick(list []*Socket, s *Socket) []*Socket {
	if s == b.sender || slices.ContainsFunc(b.except, func(room string) bool { return b.ns.has(s, room) }) {
		return list
	}
	return append(list, s)
}
