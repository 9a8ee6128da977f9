package presence

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	redisWait   = time.Second // for one call
	keyLife     = 30 * time.Minute
	touchWithin = 10 * time.Minute // in which every entry is looked after once
	beatEvery   = 2 * time.Second  // about how often Beat is called
	maxSwept    = 100              // stale fields removed by one Union
)

// RedisOptions say whose presence this is. The Client is the bus's (bus.Redis.Client): presence lives where the bus does.
type RedisOptions struct {
	Client     rueidis.Client
	Name       string        // of the deployment; begins every key
	Node       string        // this node, unique in the deployment
	Badge      string        // told to the other nodes, see Peers; at most 1,000 bytes
	Partitions int           // of the log
	Lifetime   time.Duration // default Lifetime; the same on all nodes
	Logger     *slog.Logger  // default slog.Default
}

// Redis is the presence of a cluster. Keys, of which all of a partition lie in one slot:
//
//	{name:p17}here:ROOM   hash: node → who of it is here, written only by that node
//	{name}node:NODE       a node's life and badge; expires 7 s after its last beat
//	{name}nodes           set of nodes that have beaten lately
//
// A life is drawn when a node starts, and again whenever its beat was missed: only what the present life has told counts. So a node
// that crashed and is back, or that was silent for too long, does not revive what it had told before. Everything expires by itself.
type Redis struct {
	opt RedisOptions
	log *slog.Logger

	mu   sync.Mutex
	life string
	met  bool // Redis has heard a beat of this life
	owed bool // the caller must be told that all was forgotten
	told told
	gone map[string]bool // nodes without a beat at the last look
	twin bool            // another process calls itself by this node's name, and that has been logged
}

var _ chat.Presence = (*Redis)(nil)

// NewRedis gives a node's handle: a new life of it. It asks Redis nothing yet.
func NewRedis(o RedisOptions) (*Redis, error) {
	switch {
	case o.Client == nil || o.Name == "" || strings.ContainsAny(o.Name, "{}"):
		return nil, errors.New("presence in Redis needs a connection and a name without braces")
	case o.Node == "" || len(o.Node) > 300:
		return nil, errors.New("presence in Redis needs the node's name, of at most 300 bytes")
	case len(o.Badge) > 1000:
		return nil, errors.New("a node's badge is longer than 1,000 bytes")
	}
	if o.Lifetime <= 0 {
		o.Lifetime = Lifetime
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Redis{opt: o, log: o.Logger, life: newLife(), told: newTold()}, nil
}

func newLife() string {
	var b [lifeSize / 2]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (r *Redis) roomKey(room chat.RoomID) string {
	return "{" + r.opt.Name + ":p" + strconv.Itoa(r.partition(room)) + "}here:" + string(room)
}

func (r *Redis) partition(room chat.RoomID) int { return chat.PartitionOf(room, r.opt.Partitions) }

func (r *Redis) nodeKey(node string) string { return "{" + r.opt.Name + "}node:" + node }

func (r *Redis) nodesKey() string { return "{" + r.opt.Name + "}nodes" }

// do runs commands in one round trip, for at most a second, and gives the first error that is not "no such key".
func (r *Redis) do(ctx context.Context, what string, cmds rueidis.Commands) ([]rueidis.RedisResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s in Redis: %w", what, err)
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, redisWait)
	defer cancel()
	rs := r.opt.Client.DoMulti(ctx, cmds...)
	for _, res := range rs {
		if err := res.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, fmt.Errorf("%s in Redis: %w: %w", what, err, chat.ErrUnavailable)
		}
	}
	return rs, nil
}

// Put implements chat.Presence. What is put before the first beat counts from that beat on.
func (r *Redis) Put(ctx context.Context, h chat.Here) error {
	key, b := r.roomKey(h.Room), r.opt.Client.B()
	r.mu.Lock()
	life, full := r.life, r.told.full(h.Room)
	if h.Count <= 0 { // before Redis is asked: it may do so and not answer, and no beat must take that for a loss
		r.told.remove(h.Room)
	}
	r.mu.Unlock()
	if h.Count <= 0 {
		_, err := r.do(ctx, "take presence away", rueidis.Commands{b.Hdel().Key(key).Field(r.opt.Node).Build()})
		return err
	}
	if full {
		return fmt.Errorf("presence in more than %d rooms: %w", MaxRooms, chat.ErrOverloaded)
	}
	if len(h.Users) > MaxNames {
		h.Users = nil
	}
	h.Users = slices.Clone(h.Users)
	slices.SortFunc(h.Users, func(a, b chat.User) int { return cmp.Compare(a.ID, b.ID) })
	value := rueidis.BinaryString(appendField(nil, life, h))
	if _, err := r.do(ctx, "tell presence", rueidis.Commands{
		b.Hset().Key(key).FieldValue().FieldValue(r.opt.Node, value).Build(),
		b.Expire().Key(key).Seconds(int64(keyLife / time.Second)).Build(),
	}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life != life { // told by a life that has ended: it does not count
		return fmt.Errorf("tell presence in Redis: forgotten meanwhile: %w", chat.ErrUnavailable)
	}
	r.told.add(r.partition(h.Room), h.Room)
	return nil
}

// Close takes the node's beat away, so that the others see it gone at once. The connection is not its own to close.
func (r *Redis) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), redisWait)
	defer cancel()
	r.mu.Lock()
	life := r.life
	r.mu.Unlock()
	b := r.opt.Client.B()
	err := r.removeIf(ctx, r.nodeKey(r.opt.Node), life)
	if err != nil {
		return fmt.Errorf("leave the presence in Redis: %w", err)
	}
	_, err = r.do(ctx, "leave the presence", rueidis.Commands{b.Srem().Key(r.nodesKey()).Member(r.opt.Node).Build()})
	return err
}

// removeIf deletes a beat that is of that life: under the node's name a newer one may live.
func (r *Redis) removeIf(ctx context.Context, key, life string) error {
	const script = "local v = redis.call('GET', KEYS[1]) if v and string.sub(v, 1, #ARGV[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
	return r.opt.Client.Do(ctx, r.opt.Client.B().Eval().Script(script).Numkeys(1).Key(key).Arg(life).Build()).Error()
}
