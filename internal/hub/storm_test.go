package hub_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// storm is two hubs over one log, two relays whose bus loses, repeats, delays and reorders, a store that lags and goes away, a log that
// cannot be read for a while, and clients that move, join and leave. What its clients see is checked against the log.
type storm struct {
	rng     *rand.Rand
	log     *memLog
	hist    *memHistory
	nodes   []*stormNode
	relays  []*stormRelay
	clients []*stormClient
	queue   []stormEvent
	ids     int
	sent    []chat.Record
	calm    bool // no more faults
	quiet   bool // no more traffic
	drop    float64
	late    bool
	begun   time.Time
	rate    float64       // of traffic
	churn   float64       // the part of it that is joins and leaves
	rests   time.Duration // when traffic ends
	noBus   bool          // for good

	mu  sync.Mutex // of clients
	bad string
}

type stormNode struct {
	bus  *memBus
	hub  *hub.Hub
	deaf bool
}

type stormEvent struct {
	due time.Time
	f   func()
}

type stormRelay struct {
	place, p0 chat.Seq
	heads     map[chat.RoomID]chat.Seq
	stopped   bool
	digested  time.Time
}

var stormRooms = []chat.RoomID{"a", "b", "c"}

// runStorm gives what was wrong, or nothing.
func runStorm(t *testing.T, seed uint64, broken hub.Break) (bad string) {
	synctest.Test(t, func(t *testing.T) {
		s := &storm{rng: rand.New(rand.NewPCG(seed, 1)), log: newMemLog(1), begun: time.Now()}
		s.hist = &memHistory{log: s.log, recent: 40}
		s.rate, s.churn, s.noBus = 0.5/float64(1+s.rng.IntN(20)), 0.05+0.3*s.rng.Float64(), s.chance(0.2)
		if s.rests = 16 * second; s.chance(0.4) {
			s.rests = time.Duration(8+s.rng.IntN(4)) * second // while there are faults
		}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for i := range 2 {
			n := &stormNode{bus: &memBus{}}
			times := chat.DefaultTimes()
			times.Idle = 2 * second
			n.hub = hub.New(hub.Config{Log: s.log, Bus: n.bus, History: s.hist, Encoder: encoder{}, Node: fmt.Sprint(i), Partitions: 1, Times: times,
				Limits: hub.Limits{TailRecords: 20, PieceFrames: 5}, Breaks: hub.Breaks{broken: true}})
			s.nodes = append(s.nodes, n)
			wg.Go(func() { _ = n.hub.Run(ctx) })
		}
		for range 2 {
			s.relays = append(s.relays, &stormRelay{heads: map[chat.RoomID]chat.Seq{}})
		}
		for _, r := range stormRooms {
			s.put(chat.KindCreate, r, "u0")
		}
		for i := range 4 {
			s.clients = append(s.clients, newStormClient(s, chat.UserID(fmt.Sprint("u", i))))
		}
		for ; time.Since(s.begun) < 24*second && s.failure() == ""; time.Sleep(20 * time.Millisecond) {
			s.calm, s.quiet = time.Since(s.begun) > 12*second, time.Since(s.begun) > s.rests
			s.step()
		}
		s.finish()
		bad = s.failure()
		cancel()
		wg.Wait()
	})
	return bad
}

func (s *storm) failure() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad
}

func (s *storm) chance(p float64) bool { return s.rng.Float64() < p }

func (s *storm) put(k chat.Kind, room chat.RoomID, u chat.UserID) {
	s.ids++
	r := chat.Record{Kind: k, Room: room, ID: chat.MessageID(fmt.Sprint(s.ids)), User: u}
	b := chat.Body{ID: r.ID, RoomID: room, User: chat.User{ID: u}}
	if k != chat.KindMessage {
		r.Subject = u
	}
	if k == chat.KindCreate {
		b.Room = &chat.RoomInfo{Name: "a room", Owner: u}
	}
	r.Body = b.Encode()
	s.sent = append(s.sent, r)
	s.log.put(r)
}

// step is 20 ms of the world.
func (s *storm) step() {
	s.faults()
	for s.chance(s.rate) && !s.quiet {
		room, u := stormRooms[s.rng.IntN(s.rng.IntN(3)+1)], chat.UserID(fmt.Sprint("u", s.rng.IntN(4)))
		switch p := s.rng.Float64(); {
		case p < s.churn/2:
			s.put(chat.KindLeave, room, u)
		case p < s.churn:
			s.put(chat.KindJoin, room, u)
		case p < s.churn+0.15 && len(s.sent) > 0:
			if r := s.sent[len(s.sent)-1-s.rng.IntN(min(len(s.sent), 30))]; r.Kind == chat.KindMessage {
				s.log.put(r) // a copy
			}
		default:
			s.put(chat.KindMessage, room, u)
		}
	}
	if s.chance(0.1) {
		s.hist.set(func() { s.hist.w += chat.Seq(s.rng.Int64N(int64(max(s.log.end(0)-max(s.hist.w, at(0)-1), 0) + 1))) })
		s.hist.set(func() { s.hist.w = max(s.hist.w, at(0)-1) })
	}
	for _, r := range s.relays {
		s.relay(r)
	}
	now := time.Now()
	var later []stormEvent
	for _, e := range s.queue {
		if e.due.After(now) {
			later = append(later, e)
		} else {
			e.f()
		}
	}
	s.queue = later
	for _, c := range s.clients {
		c.step()
	}
}

func (s *storm) faults() {
	if s.calm {
		s.drop, s.late = 0, false
		s.hist.set(func() { s.hist.down = false })
		s.log.change(func() { s.log.down = false })
		s.nodes[0].deaf, s.nodes[1].deaf, s.relays[0].stopped, s.relays[1].stopped = false, false, false, false
		return
	}
	if !s.chance(0.02) {
		return
	}
	on := s.chance(0.5)
	switch s.rng.IntN(6) {
	case 0:
		s.drop = s.rng.Float64()
	case 1:
		s.late = on
	case 2:
		s.hist.set(func() { s.hist.down = on })
	case 3:
		s.log.change(func() { s.log.down = on })
	case 4:
		s.nodes[s.rng.IntN(2)].deaf = on
	case 5:
		s.relays[s.rng.IntN(2)].stopped = on
	}
}

// relay reads what is new and publishes it, and each second a digest.
func (s *storm) relay(r *stormRelay) {
	if r.stopped {
		return
	}
	s.log.mu.Lock()
	recs, end, down := s.log.parts[0], s.log.end(0), s.log.down
	s.log.mu.Unlock()
	if down {
		return
	}
	by := map[chat.RoomID]*chat.Span{}
	for _, rec := range recs {
		if rec.Seq <= r.place {
			continue
		}
		if by[rec.Room] == nil {
			by[rec.Room] = &chat.Span{From: r.p0}
			if head, ok := r.heads[rec.Room]; ok {
				by[rec.Room].From = head
			}
		}
		by[rec.Room].To = rec.Seq
		by[rec.Room].Records = append(by[rec.Room].Records, rec)
		r.heads[rec.Room] = rec.Seq
	}
	r.place = end
	for _, room := range stormRooms {
		if by[room] != nil {
			s.publish(chat.RoomChannel(room), by[room].Encode())
		}
	}
	if time.Since(r.digested) >= second {
		s.publish(chat.DigestChannel(0), chat.Digest{P0: r.p0, P1: r.place, Heads: r.heads}.Encode())
		r.p0, r.heads, r.digested = r.place, map[chat.RoomID]chat.Seq{}, time.Now()
	}
}

func (s *storm) publish(ch chat.Channel, data []byte) {
	for _, n := range s.nodes {
		for again := true; again; again = s.chance(0.1) {
			if n.deaf || s.calm && s.noBus || s.chance(s.drop) {
				continue
			}
			wait := 5 * time.Millisecond
			if s.late {
				wait = time.Duration(s.rng.Int64N(int64(2 * second)))
			}
			s.queue = append(s.queue, stormEvent{time.Now().Add(wait), func() { n.bus.send(ch, data) }})
		}
	}
}

func TestStorm(t *testing.T) {
	for seed := range uint64(40) {
		if bad := runStorm(t, seed, ""); bad != "" {
			t.Fatalf("seed %d: %s", seed, bad)
		}
	}
}

// Each rule of the hub, broken on purpose, is seen by the same check.
func TestStormSeesBrokenRules(t *testing.T) {
	for _, b := range []hub.Break{hub.IgnoreFence, hub.NoPosition, hub.NoDigest, hub.NoFallback, hub.NoDedupe,
		hub.ColdMemory, hub.ResumeAtOnce, hub.ResumeUnasked, hub.JoinOverResume} {
		t.Run(string(b), func(t *testing.T) {
			for seed := range uint64(500) {
				if bad := runStorm(t, seed, b); bad != "" {
					t.Logf("seed %d: %s", seed, bad)
					return
				}
			}
			t.Error("no seed shows it")
		})
	}
}

// finish compares what the clients got with the log.
func (s *storm) finish() {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		for _, room := range stormRooms {
			c.complete(room, s.hist.rows(room, 0, s.log.end(0)))
		}
	}
	for i, n := range s.nodes {
		if n.hub.Stats().Tailing > 0 && !s.noBus {
			s.fail("node %d still tails", i)
		}
	}
}

func (s *storm) fail(format string, args ...any) {
	if s.bad == "" {
		s.bad = fmt.Sprintf(format, args...)
	}
}

var errMoved = errors.New("the client has moved")
