package presence

import "github.com/hubbub-chat/hubbub/internal/chat"

// told is what this node has told, by room, to be looked after in turn: each partition's rooms in a ring.
type told struct {
	rooms map[chat.RoomID]*toldRoom
	rings map[int][]chat.RoomID // of the rooms, in the order of their turn; rooms that were removed are dropped at their turn
	count int
}

// toldRoom is a room that lies in a ring.
type toldRoom struct{ there bool } // false: removed

func newTold() told { return told{rooms: map[chat.RoomID]*toldRoom{}, rings: map[int][]chat.RoomID{}} }

// full says that there is no place for this room.
func (t *told) full(room chat.RoomID) bool {
	r := t.rooms[room]
	return t.count >= MaxRooms && (r == nil || !r.there)
}

func (t *told) add(p int, room chat.RoomID) {
	r := t.rooms[room]
	if r == nil {
		r = &toldRoom{}
		t.rooms[room] = r
		t.rings[p] = append(t.rings[p], room)
	}
	if !r.there {
		r.there = true
		t.count++
	}
}

func (t *told) remove(room chat.RoomID) {
	if r := t.rooms[room]; r != nil && r.there {
		r.there = false
		t.count--
	}
}

// turn gives the next rooms to look after: one at least of every partition, and so many in all that after parts calls each has had
// its turn.
func (t *told) turn(parts int) []chat.RoomID {
	var out []chat.RoomID
	for p, ring := range t.rings {
		for n := min(len(ring), len(ring)/parts+1); n > 0; n-- {
			room := ring[0]
			ring = ring[1:]
			if !t.rooms[room].there {
				delete(t.rooms, room)
				continue
			}
			ring = append(ring, room)
			out = append(out, room)
		}
		if t.rings[p] = ring; len(ring) == 0 {
			delete(t.rings, p)
		}
	}
	return out
}

func (t *told) has(room chat.RoomID) bool {
	r := t.rooms[room]
	return r != nil && r.there
}
