package presence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// entry is a field as it was found.
type entry struct {
	room  chat.RoomID
	node  string
	value string
}

// Union implements chat.Presence: by room as asked, then by node. It asks twice: for the rooms, then which of the nodes that are named
// there live. Fields that no longer count are taken out, a few at a time.
func (r *Redis) Union(ctx context.Context, rooms []chat.RoomID) ([]chat.Here, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	entries, err := r.entries(ctx, rooms)
	if err != nil {
		return nil, err
	}
	nodes := map[string]bool{}
	for _, e := range entries {
		nodes[e.node] = true
	}
	beats, err := r.beats(ctx, slices.Sorted(maps.Keys(nodes)))
	if err != nil {
		return nil, err
	}
	var out []chat.Here
	var stale []entry
	for _, e := range entries {
		life, h, err := parseField(e.value)
		beat := beats[e.node]
		switch {
		case err == nil && beat != "" && beat[:lifeSize] == life:
			h.Room, h.Node = e.room, e.node
			out = append(out, h)
		case errors.Is(err, errNewer) && beat != "": // told to those who can read it
		case len(stale) < maxSwept:
			stale = append(stale, e)
		}
	}
	r.sweep(ctx, stale)
	return out, nil
}

// entries gives the fields of rooms, each room's sorted by node.
func (r *Redis) entries(ctx context.Context, rooms []chat.RoomID) ([]entry, error) {
	b := r.opt.Client.B()
	cmds := make(rueidis.Commands, len(rooms))
	for i, room := range rooms {
		cmds[i] = b.Hgetall().Key(r.roomKey(room)).Build()
	}
	rs, err := r.do(ctx, "read presence", cmds)
	if err != nil {
		return nil, err
	}
	var out []entry
	for i, res := range rs {
		fields, err := res.AsStrMap()
		if err != nil {
			return nil, fmt.Errorf("read presence in Redis: %w: %w", err, chat.ErrUnavailable)
		}
		for _, node := range slices.Sorted(maps.Keys(fields)) {
			out = append(out, entry{rooms[i], node, fields[node]})
		}
	}
	return out, nil
}

// sweepScript deletes a field that is still what was seen: its node may have told anew.
const sweepScript = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0"

// sweep takes stale fields out. If it fails, whoever sees them next does it, or they expire.
func (r *Redis) sweep(ctx context.Context, stale []entry) {
	b := r.opt.Client.B()
	var cmds rueidis.Commands
	for _, e := range stale {
		cmds = append(cmds, b.Eval().Script(sweepScript).Numkeys(1).Key(r.roomKey(e.room)).Arg(e.node, e.value).Build())
	}
	if _, err := r.do(ctx, "sweep presence", cmds); err != nil {
		r.log.Debug("stale presence stays", "error", err)
	}
}
