// Package presence says who is here: which users have a socket in which room, as each node tells of its own. It is disposable: every
// node can tell it again at any time (DESIGN.md §4, Presence).
package presence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Lifetime is how long a node counts after its last Beat.
const Lifetime = 7 * time.Second

// MaxNames is how many users an entry names; above it there is only a count.
const MaxNames = 200

// MaxRooms is how many rooms a node may have entries of; Put of more is ErrOverloaded.
const MaxRooms = 100_000

// Board is the memory that the nodes of one process share: the embedded engine of presence.
type Board struct {
	mu    sync.Mutex
	nodes map[string]*nodeEntries
}

// nodeEntries is what one node has told.
type nodeEntries struct {
	beat  time.Time
	rooms map[chat.RoomID]chat.Here
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{nodes: map[string]*nodeEntries{}} }

// Node gives the handle of the node with that name: of a new life of it, so what an earlier one told is gone.
func (b *Board) Node(name string) chat.Presence {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.nodes, name)
	return &handle{board: b, name: name}
}

// Forget drops everything, as a store that is flushed does; every node is told so by its next Beat.
func (b *Board) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.nodes)
}

// sweep drops the nodes whose beat is too old. The caller holds mu.
func (b *Board) sweep() {
	now := time.Now()
	for name, n := range b.nodes {
		if now.Sub(n.beat) >= Lifetime {
			delete(b.nodes, name)
		}
	}
}

// node gives a node's entries, new ones if it has none: fresh says so. The caller holds mu.
func (b *Board) node(name string) (n *nodeEntries, fresh bool) {
	b.sweep()
	if n = b.nodes[name]; n == nil {
		n, fresh = &nodeEntries{beat: time.Now(), rooms: map[chat.RoomID]chat.Here{}}, true
		b.nodes[name] = n
	}
	return n, fresh
}

// handle is one node's.
type handle struct {
	board *Board
	name  string
	known bool // guarded by board.mu: the board has been told of this node before
}

// Put implements chat.Presence.
func (h *handle) Put(ctx context.Context, e chat.Here) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.board.mu.Lock()
	defer h.board.mu.Unlock()
	n, fresh := h.board.node(h.name)
	if fresh && h.known {
		delete(h.board.nodes, h.name) // so that the next Beat says that all was forgotten; then this comes again too
		return nil
	}
	h.known = true
	e.Node = h.name
	if e.Count <= 0 {
		delete(n.rooms, e.Room)
		return nil
	}
	if _, ok := n.rooms[e.Room]; !ok && len(n.rooms) >= MaxRooms {
		return fmt.Errorf("presence in more than %d rooms: %w", MaxRooms, chat.ErrOverloaded)
	}
	if len(e.Users) > MaxNames {
		e.Users = nil
	}
	e.Users = slices.Clone(e.Users)
	slices.SortFunc(e.Users, func(a, b chat.User) int { return cmp.Compare(a.ID, b.ID) })
	n.rooms[e.Room] = e
	return nil
}

// Union implements chat.Presence: by room as asked, then by node.
func (h *handle) Union(ctx context.Context, rooms []chat.RoomID) ([]chat.Here, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.board.mu.Lock()
	defer h.board.mu.Unlock()
	names := h.board.alive()
	var out []chat.Here
	for _, room := range rooms {
		for _, name := range names {
			if e, ok := h.board.nodes[name].rooms[room]; ok {
				e.Users = slices.Clone(e.Users)
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// Beat implements chat.Presence.
func (h *handle) Beat(ctx context.Context) (alive []string, forgotten bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	h.board.mu.Lock()
	defer h.board.mu.Unlock()
	n, fresh := h.board.node(h.name)
	forgotten = fresh && h.known
	h.known, n.beat = true, time.Now()
	return h.board.alive(), forgotten, nil
}

// alive gives the names of the living nodes, sorted. The caller holds mu.
func (b *Board) alive() []string {
	b.sweep()
	names := make([]string, 0, len(b.nodes))
	for name := range b.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
