package presence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Beat implements chat.Presence. A beat only ever lengthens the one before; where there is none, a new life begins. Each looks after
// some of what this node has told, a room of every partition at least, so that nothing which is true expires, and that the loss of
// what lies on one node of a Redis Cluster is noticed.
func (r *Redis) Beat(ctx context.Context) (alive []string, forgotten bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	for {
		names, lost, err := r.beat(ctx)
		if err != nil {
			return nil, false, err
		}
		if lost {
			r.renew()
			continue
		}
		alive, err := r.living(ctx, names)
		if err != nil {
			return nil, false, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		forgotten, r.owed = r.owed, false
		return alive, forgotten, nil
	}
}

// beat beats once, and gives the nodes that have beaten lately.
func (r *Redis) beat(ctx context.Context) (nodes []string, lost bool, err error) {
	r.mu.Lock()
	life, met := r.life, r.met
	parts := int(touchWithin / beatEvery)
	if !met { // until now others saw a node that did not live, and may have taken out anything
		parts = 1
	}
	rooms := r.told.turn(parts)
	r.mu.Unlock()
	b := r.opt.Client.B()
	value := b.Set().Key(r.nodeKey(r.opt.Node)).Value(life + r.opt.Badge)
	var set rueidis.Completed
	if met {
		set = value.Xx().Get().Px(r.opt.Lifetime).Build()
	} else {
		set = value.Get().Px(r.opt.Lifetime).Build()
	}
	cmds := rueidis.Commands{set,
		b.Sadd().Key(r.nodesKey()).Member(r.opt.Node).Build(),
		b.Expire().Key(r.nodesKey()).Seconds(int64(time.Hour / time.Second)).Build(),
		b.Smembers().Key(r.nodesKey()).Build()}
	own := len(cmds)
	for _, room := range rooms {
		cmds = append(cmds, b.Hexists().Key(r.roomKey(room)).Field(r.opt.Node).Build(),
			b.Expire().Key(r.roomKey(room)).Seconds(int64(keyLife/time.Second)).Build())
	}
	rs, err := r.do(ctx, "beat", cmds)
	if err != nil {
		return nil, false, err
	}
	was, _ := rs[0].ToString() // an error: there was none
	r.mu.Lock()
	defer r.mu.Unlock()
	lost = met && !strings.HasPrefix(was, life)
	r.noteTwin(lost && was != "")
	for i := own; i < len(rs); i += 2 {
		there, err := rs[i].AsBool()
		lost = lost || err == nil && !there && r.told.has(rooms[(i-own)/2])
	}
	r.met = true
	nodes, err = rs[3].AsStrSlice()
	return nodes, lost, err
}

// noteTwin logs when another process turns out to beat under this node's name, which the two then take from each other for ever. Names are
// random, so that only a copy of the running process has the same. The caller holds mu.
func (r *Redis) noteTwin(twin bool) {
	if twin && !r.twin {
		r.log.Error("another process tells its presence under this node's name, which each start draws anew: it is a copy of this very process (a machine that was cloned, or restored while it ran); end one of the two and start it again",
			"node", r.opt.Node)
	}
	r.twin = r.twin || twin
}

// renew begins a new life: what the present one has told is void.
func (r *Redis) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.life, r.met, r.owed, r.told = newLife(), false, true, newTold()
}

// living gives those of names that beat, sorted, and drops from the set those that have not for two looks in a row.
func (r *Redis) living(ctx context.Context, names []string) ([]string, error) {
	beats, err := r.beats(ctx, names)
	if err != nil {
		return nil, err
	}
	alive, gone := []string{}, map[string]bool{}
	for _, name := range names {
		if beats[name] != "" {
			alive = append(alive, name)
		} else {
			gone[name] = true
		}
	}
	slices.Sort(alive)
	r.mu.Lock()
	var drop []string
	for name := range gone {
		if r.gone[name] && len(drop) < maxSwept {
			drop = append(drop, name)
		}
	}
	r.gone = gone
	r.mu.Unlock()
	if len(drop) > 0 {
		_, err = r.do(ctx, "forget dead nodes", rueidis.Commands{r.opt.Client.B().Srem().Key(r.nodesKey()).Member(drop...).Build()})
	}
	return alive, err
}

// beats gives the beats (life and badge) of those nodes that live.
func (r *Redis) beats(ctx context.Context, nodes []string) (map[string]string, error) {
	out := map[string]string{}
	if len(nodes) == 0 {
		return out, nil
	}
	keys := make([]string, len(nodes))
	for i, n := range nodes {
		keys[i] = r.nodeKey(n)
	}
	rs, err := r.do(ctx, "look for living nodes", rueidis.Commands{r.opt.Client.B().Mget().Key(keys...).Build()})
	if err != nil {
		return nil, err
	}
	values, err := rs[0].ToArray()
	if err != nil || len(values) != len(nodes) {
		return nil, fmt.Errorf("look for living nodes in Redis: %d answers for %d nodes, %w", len(values), len(nodes), chat.ErrUnavailable)
	}
	for i, v := range values {
		if s, err := v.ToString(); err == nil && len(s) >= lifeSize {
			out[nodes[i]] = s
		}
	}
	return out, nil
}

// Peers gives the badges of all living nodes, this one too if it has beaten.
func (r *Redis) Peers(ctx context.Context) (map[string]string, error) {
	rs, err := r.do(ctx, "look for nodes", rueidis.Commands{r.opt.Client.B().Smembers().Key(r.nodesKey()).Build()})
	if err != nil {
		return nil, err
	}
	names, err := rs[0].AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("look for nodes in Redis: %w: %w", err, chat.ErrUnavailable)
	}
	beats, err := r.beats(ctx, names)
	if err != nil {
		return nil, err
	}
	for name, beat := range beats {
		beats[name] = beat[lifeSize:]
	}
	return beats, nil
}
