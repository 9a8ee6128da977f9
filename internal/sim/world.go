package sim

import (
	"fmt"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const ms = time.Millisecond

// A run: traffic and faults until healAt; then every fault is healed, or one engine stays away for good; settleFor later all that was in
// the log at healAt must have arrived; at endAt all must be at rest and complete.
const (
	healAt        = 40 * time.Second
	settleFor     = 5 * time.Second
	quietAt       = healAt + 9*time.Second // nobody asks for anything new from then on
	endAt         = healAt + 14*time.Second
	steadyLatency = 1500 * ms
)

// The design's times, scaled down in proportion, as in the model.
const (
	window   = 20 * time.Second
	stuckFor = 5 * time.Second // a producer that cannot get through is given up
	keepLog  = 12 * time.Second
	batch    = 40 // records of one read
	tailMax  = 20 // records a room keeps
)

func times() chat.Times {
	t := chat.DefaultTimes()
	t.Window, t.Patience, t.Young, t.Idle, t.KeepBehind = window, 8*time.Second, 2*time.Second, 2*time.Second, keepLog
	return t
}

// World is one run: the engines, the nodes, the clients and the observer. mu guards all of it; the real parts are never called with it
// held.
type World struct {
	options
	began time.Time
	count map[string]int // what was gone through, to show that the paths are taken

	mu        sync.Mutex
	dice           // the faults' and the groups'
	over      bool // the run has ended: nothing begins any more
	healthy   bool // in the end nothing is broken for good
	log       *log
	store     *memory
	bus       *bus
	relays    *group
	savers    *group
	nodes     []*Node
	clients   []*Client
	check     *Check
	rooms     []chat.RoomID
	headsMax  int
	lag       time.Duration // between batches of the persister
	ids       int
	lateRetry float64
	running   sync.WaitGroup // everything that the world itself has begun
}

type options struct {
	only    string
	verbose bool
	breaks  map[string]bool
}

func (o options) broken(name string) bool { return o.breaks[name] }

// breaksOf gives the broken rules as a package names them; it passes over those of others.
func breaksOf[M ~map[K]bool, K ~string](o options) M {
	m := M{}
	for name := range o.breaks {
		m[K(name)] = true
	}
	return m
}

func newWorld(seed uint64, o options, count map[string]int) *World {
	w := &World{options: o, count: count, began: time.Now(), dice: newDice(seed)}
	for i := range 1 + w.pick(4) {
		w.rooms = append(w.rooms, chat.RoomID(fmt.Sprint("room", i)))
	}
	w.headsMax = 2 + w.pick(20)
	w.log, w.store, w.bus = newLog(w), newMemory(w), newBus(w)
	w.relays, w.savers = &group{w: w, name: "relay"}, &group{w: w, name: "persist"}
	w.check = newCheck(w)
	for _, room := range w.rooms {
		w.log.add(createRoom(room))
	}
	lags := []time.Duration{50 * ms, 50 * ms, 500 * ms, 3 * time.Second}
	w.lag = lags[w.pick(len(lags))]
	for i := range 2 + w.pick(3) {
		n := &Node{w: w, id: i}
		w.nodes = append(w.nodes, n)
		w.after(w.between(0, 20*ms), n.start) // not all in one instant: what they do each second would have no order
	}
	for i := range 3 + w.pick(5) {
		w.clients = append(w.clients, newClient(w, i))
	}
	return w
}

// createRoom is a public room's first record; the room belongs to nobody.
func createRoom(room chat.RoomID) chat.Record {
	b := chat.Body{ID: "create-" + chat.MessageID(room), RoomID: room, Room: &chat.RoomInfo{Name: string(room), Owner: chat.SystemUser}, At: 1}
	return chat.Record{Kind: chat.KindCreate, Room: room, ID: b.ID, User: chat.SystemUser, Sent: 1, Body: b.Encode()}
}

// now is how long the run has lasted.
func (w *World) now() time.Duration { return time.Since(w.began) }

// after runs f with mu held when d has passed, unless the run is over. The caller holds mu.
func (w *World) after(d time.Duration, f func()) {
	w.running.Add(1)
	time.AfterFunc(d, func() {
		defer w.running.Done()
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			f()
		}
	})
}

// every runs f each d until stop, the first time after a random part of d.
func (w *World) every(d, stop time.Duration, f func()) {
	var tick func()
	tick = func() {
		if w.now() < stop {
			f()
			w.after(d, tick)
		}
	}
	w.after(w.between(0, d), tick)
}

// spawn runs f on a goroutine of its own, without mu.
func (w *World) spawn(f func()) {
	w.running.Add(1)
	go func() {
		defer w.running.Done()
		f()
	}()
}

func (w *World) someNode() *Node { return w.nodes[w.pick(len(w.nodes))] }

// upNode gives some node that is up, or nil.
func (w *World) upNode() *Node {
	from := w.pick(len(w.nodes))
	for i := range w.nodes {
		if n := w.nodes[(from+i)%len(w.nodes)]; n.up {
			return n
		}
	}
	return nil
}

// tracef tells what happens, with -sim.v.
func (w *World) tracef(format string, args ...any) {
	if w.verbose {
		fmt.Printf("%14v  %s\n", w.now(), fmt.Sprintf(format, args...))
	}
}

// run is one seed, inside a bubble.
func run(seed uint64, o options, count map[string]int) string {
	w := newWorld(seed, o, count)
	w.mu.Lock()
	w.schedule()
	w.traffic()
	w.mu.Unlock()
	w.until(healAt)
	w.mu.Lock()
	w.check.healed = w.log.end()
	w.mu.Unlock()
	w.until(healAt + settleFor)
	w.mu.Lock()
	w.check.complete(w.check.healed, false)
	w.mu.Unlock()
	w.until(endAt)
	w.mu.Lock()
	w.check.complete(w.log.end(), true)
	w.over = true
	for _, n := range w.nodes {
		n.stopAll()
	}
	for _, c := range w.clients {
		if c.conn != nil {
			c.conn.cutLocked()
		}
	}
	bad := w.check.bad
	w.mu.Unlock()
	w.running.Wait()
	return bad
}

// until sleeps to a moment of the run, or to the first broken invariant.
func (w *World) until(t time.Duration) {
	for w.now() < t {
		w.mu.Lock()
		bad := w.check.bad
		w.mu.Unlock()
		if bad != "" {
			return
		}
		time.Sleep(min(250*ms, t-w.now()))
	}
}
