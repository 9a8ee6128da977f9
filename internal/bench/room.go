package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Load is what is done to the rooms.
type Load struct {
	Sockets  int
	Rooms    int           // socket i is in room i mod Rooms
	InFlight int           // messages on their way at a time: the next is sent when one is acked and delivered to all. 0: Rate counts
	Rate     float64       // messages a second in all, sent when they are due, answered or not
	Size     int           // bytes of a message's text
	Warmup   time.Duration // before the measuring begins
	Duration time.Duration // of measuring
	Patience time.Duration // how long a message may be on its way before it is given up, and how long the end waits; 0: 15 s
}

// patience is that of a load which names none.
const patience = 15 * time.Second

// buffers are what a busy socket keeps for reading.
const busyBuffer = 8 << 10

func (l Load) check() error {
	switch {
	case l.Sockets < 1 || l.Rooms < 1 || l.Rooms > l.Sockets:
		return errors.New("there must be at least one socket, and no more rooms than sockets")
	case (l.InFlight > 0) == (l.Rate > 0):
		return errors.New("give either --in-flight or --rate")
	case l.InFlight > l.Sockets:
		return errors.New("--in-flight is at most the number of sockets: each has one message on its way")
	case l.Size < 0 || l.Size > 16<<10:
		return errors.New("--size must be between 0 and 16384")
	case l.Duration <= 0 || l.Warmup < 0 || l.Patience < 0:
		return errors.New("--duration must be above 0")
	}
	return admit(l.Sockets)
}

// run is one run of a load.
type run struct {
	Load
	target Target
	id     uint32
	began  time.Time
	rooms  []string // ids
	all    []*receiver
	fill   string

	from, to  atomic.Int64 // of the measuring, nanoseconds since began; 0: not yet
	senders   []sender     // by socket
	deliver   *latencies
	ack       *latencies
	sent      atomic.Int64
	acked     atomic.Int64
	ackedIn   atomic.Int64 // acked while it was measured
	refused   atomic.Int64
	given     atomic.Int64 // up, in flight
	strayed   atomic.Int64 // deliveries to a socket of another room
	firstFail sync.Once
	fail      atomic.Value // string: why the first send was refused
}

// sender is what one socket has sent. Its numbers begin with 1.
type sender struct {
	mu      sync.Mutex
	number  int
	refused map[int]struct{} // nobody is to get these
	open    atomic.Int64     // of the number on its way: deliveries and the ack that are still to come
	current atomic.Int64
	through chan struct{}
}

// Room drives rooms and judges what comes.
func Room(ctx context.Context, t Target, l Load) (*Result, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if l.Patience == 0 {
		l.Patience = patience
	}
	servers, err := t.servers(busyBuffer)
	if err != nil {
		return nil, err
	}
	r := &run{Load: l, target: t, id: rand.Uint32(), began: time.Now(), deliver: newLatencies(), ack: newLatencies(),
		all: make([]*receiver, l.Sockets), senders: make([]sender, l.Sockets), rooms: make([]string, l.Rooms)}
	r.fill = strings.Repeat("x", l.Size)
	byConn := sync.Map{} // *socket → *receiver: events come only once a room is joined
	sockets, err := t.open(ctx, l.Sockets, func(i int) server { return servers[i/l.Rooms%len(servers)] },
		func(s *socket, event []byte, now time.Time) {
			if rec, ok := byConn.Load(s); ok {
				r.event(rec.(*receiver), event, now)
			}
		})
	if err != nil {
		return nil, err
	}
	defer closeAll(sockets)
	for i, s := range sockets {
		r.all[i] = &receiver{socket: s, index: i, room: i % l.Rooms, last: make([]int, r.members(i%l.Rooms))}
		byConn.Store(s, r.all[i])
		r.senders[i].through = make(chan struct{}, 1)
	}
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	return r.measure(ctx)
}

// members is how many sockets a room has.
func (r *run) members(room int) int {
	return (r.Sockets - room + r.Rooms - 1) / r.Rooms
}

// enter makes the rooms, and brings every socket into its own.
func (r *run) enter(ctx context.Context) error {
	var done atomic.Int64
	err := r.target.each(ctx, "making rooms", r.Rooms, &done, func(ctx context.Context, i int) error {
		data, err := r.all[i].request(ctx, "room:create", map[string]any{"clientId": newID(), "name": fmt.Sprintf("bench %08x %d", r.id, i)})
		if err != nil {
			return err
		}
		var made struct {
			ID   string `json:"id"`
			Room struct {
				ID string `json:"id"`
			} `json:"room"`
		}
		if err := json.Unmarshal(data, &made); err != nil || made.ID+made.Room.ID == "" {
			return fmt.Errorf("room:create is answered without a room's id: %.200s", data)
		}
		if r.rooms[i] = made.Room.ID; made.Room.ID == "" {
			r.rooms[i] = made.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	done.Store(0)
	return r.target.each(ctx, "joining", r.Sockets, &done, func(ctx context.Context, i int) error {
		_, err := r.all[i].request(ctx, "room:join", map[string]any{"clientId": newID(), "roomId": r.rooms[i%r.Rooms], "limit": 1})
		return err
	})
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// event judges one event of a socket.
func (r *run) event(rec *receiver, event []byte, now time.Time) {
	if len(event) < 16 || string(event[:15]) != `42["message:new` {
		return
	}
	s, ok := findStamp(event)
	if !ok || s.run != r.id || s.sender >= r.Sockets || s.number < 1 || int64(s.number) > r.senders[s.sender].current.Load() {
		return // nobody has sent that
	}
	if s.sender%r.Rooms != rec.room {
		r.strayed.Add(1)
		return
	}
	if rec.note(s.sender/r.Rooms, s.number) == again {
		return
	}
	if r.measured(s.at) {
		r.deliver.add(rec.index, now.Sub(r.began)-time.Duration(s.at))
	}
	r.senders[s.sender].step(s.number)
}

// measured tells whether a message that was due at this moment counts, however late it comes: a server that stalls towards the end can
// not hide it.
func (r *run) measured(at int64) bool {
	from, to := r.from.Load(), r.to.Load()
	return from > 0 && at >= from && (to == 0 || at < to)
}

// step counts one of the things that a message on its way waits for.
func (s *sender) step(number int) {
	if s.current.Load() == int64(number) && s.open.Add(-1) == 0 {
		select {
		case s.through <- struct{}{}:
		default:
		}
	}
}

// send sends the next message of a socket, due at the given moment.
func (r *run) send(i int, due time.Duration) {
	rec, s := r.all[i], &r.senders[i]
	s.mu.Lock()
	s.number++
	number := s.number
	s.mu.Unlock()
	s.open.Store(int64(r.members(rec.room)) + 1)
	s.current.Store(int64(number))
	body := make([]byte, 0, 200+r.Size)
	body = append(append(append(body, `{"roomId":"`...), r.rooms[rec.room]...), `","clientId":"`...)
	body = append(append(body, newID()...), `","text":"`...)
	start := len(body)
	body = stamp{r.id, i, number, int64(due)}.append(body)
	body = append(body, r.fill[:max(0, r.Size-(len(body)-start))]...)
	r.sent.Add(1)
	rec.emit("message:send", append(body, `"}`...), func(data []byte, err error) { r.answered(i, number, due, data, err) })
}

// answered takes the answer to a send.
func (r *run) answered(i, number int, due time.Duration, data []byte, err error) {
	s := &r.senders[i]
	if err == nil && positive(data) {
		r.acked.Add(1)
		if r.measured(int64(due)) {
			r.ack.add(i, time.Since(r.began)-due)
			if r.to.Load() == 0 {
				r.ackedIn.Add(1)
			}
		}
		s.step(number)
		return
	}
	why := string(data[:min(len(data), 300)])
	if err != nil {
		why = err.Error()
	}
	r.firstFail.Do(func() { r.fail.Store(why) })
	r.refused.Add(1)
	s.mu.Lock()
	if s.refused == nil {
		s.refused = map[int]struct{}{}
	}
	s.refused[number] = struct{}{}
	s.mu.Unlock()
	if s.current.Load() == int64(number) {
		select {
		case s.through <- struct{}{}:
		default:
		}
	}
}

// positive tells whether an answer says ok, which nearly always is its first word.
func positive(data []byte) bool {
	if bytes.HasPrefix(data, []byte(`[{"ok":true`)) {
		return true
	}
	var all []answered
	return json.Unmarshal(data, &all) == nil && len(all) == 1 && all[0].OK
}
