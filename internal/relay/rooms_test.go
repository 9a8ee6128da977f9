package relay_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/relay"
)

// listener is an open room as DESIGN.md §4 has it: a position, and one rule for spans.
type listener struct {
	log   *logDouble
	room  chat.RoomID
	pos   chat.Seq
	got   []chat.Seq
	fills int
}

func (o *listener) accept(s chat.Span) {
	if s.To <= o.pos {
		return
	}
	if s.From > o.pos { // a hole: read the log
		o.fills++
		for _, r := range o.log.of(0, o.room, o.pos, s.From) {
			o.got = append(o.got, r.Seq)
		}
		o.pos = s.From
	}
	for _, r := range s.Records {
		if r.Seq > o.pos {
			o.got = append(o.got, r.Seq)
		}
	}
	o.pos = s.To
}

// complete says whether the room got every record of the log since from, in order, once.
func (o *listener) complete(t *testing.T, from chat.Seq) {
	t.Helper()
	want := o.log.of(0, o.room, from, 1<<62)
	if len(want) != len(o.got) {
		t.Errorf("room %s got %d records of %d", o.room, len(o.got), len(want))
		return
	}
	for i := range want {
		if want[i].Seq != o.got[i] {
			t.Errorf("room %s: record %d is %d, want %d", o.room, i, o.got[i], want[i].Seq)
			return
		}
	}
}

// listenAll makes listeners of rooms 0…n-1 that hear what lose lets through.
func listenAll(l *logDouble, b *busDouble, n int, lose func(v any) bool) []*listener {
	var all []*listener
	for i := range n {
		all = append(all, &listener{log: l, room: chat.RoomID(fmt.Sprint(i)), pos: chat.MakeSeq(1, 0) - 1})
	}
	b.to = func(ch chat.Channel, v any) {
		if lose(v) {
			return
		}
		for _, o := range all {
			switch v := v.(type) {
			case chat.Span:
				if ch == chat.RoomChannel(o.room) {
					o.accept(v)
				}
			case chat.Digest:
				o.accept(v.Span(o.room))
			}
		}
	}
	return all
}

// TestLateRelay: nobody relayed for a while; the first digest of a relay that starts late tells the rooms what they missed.
func TestLateRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		rooms := listenAll(l, b, 3, func(any) bool { return false })
		for i := range 10 {
			l.add(0, chat.RoomID(fmt.Sprint(i%2)), 1)
		}
		_, stop := start(t, l, b, relay.Options{})
		time.Sleep(2 * time.Second)
		stop()
		for _, o := range rooms {
			o.complete(t, 0)
		}
		if len(b.spans) != 0 {
			t.Errorf("a relay that starts at the end published %d spans", len(b.spans))
		}
	})
}

// TestLostDigest: the last span and the digest that would tell are both lost; the next digest tells.
func TestLostDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		b := &busDouble{t: t, log: l}
		lost, digests := false, 0
		rooms := listenAll(l, b, 2, func(v any) bool {
			d, ok := v.(chat.Digest)
			if !ok {
				return true // every span is lost
			}
			if _, named := d.Heads["0"]; named {
				lost = true
				return true // and the digest that names the room
			}
			digests++
			return false
		})
		_, stop := start(t, l, b, relay.Options{})
		time.Sleep(1500 * time.Millisecond)
		l.add(0, "0", 0)
		time.Sleep(3 * time.Second)
		stop()
		for _, o := range rooms {
			o.complete(t, 0)
		}
		if !lost || digests < 2 || rooms[0].fills == 0 {
			t.Errorf("lost %v, %d digests, %d fills", lost, digests, rooms[0].fills)
		}
	})
}

// TestAnyRelays: several relays at once, which start and end at any time, see polls of any size, forget their heads, and lose much of
// what they publish. Every word is true of the log (busDouble judges), and after one last digest every room is complete.
func TestAnyRelays(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anyRelays(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

type running struct {
	r     *relay.Relay
	place chat.Mark
}

func anyRelays(t *testing.T, rng *rand.Rand) {
	l := newLog(1)
	b := &busDouble{t: t, log: l}
	lossy, loss := true, rng.Float64()
	rooms := listenAll(l, b, 4, func(any) bool { return lossy && rng.Float64() < loss })
	var relays []*running
	begin := func() *running {
		x := &running{r: relay.New(l, b, relay.Options{HeadsMax: 1 + rng.IntN(4)})}
		var err error
		if x.place, err = x.r.Begin(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		return x
	}
	poll := func(x *running, limit int) {
		rs, upTo, atEnd := l.read(0, x.place.Seq, limit)
		x.place.Seq = upTo
		x.r.Records(t.Context(), 0, rs, x.place, atEnd)
	}
	for range 300 {
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		switch n := rng.IntN(20); {
		case n < 10:
			l.add(0, chat.RoomID(fmt.Sprint(rng.IntN(4))), rng.Int64N(3))
		case n < 17 && len(relays) > 0:
			poll(relays[rng.IntN(len(relays))], 1+rng.IntN(6))
		case n < 19 && len(relays) < 3:
			relays = append(relays, begin())
		case len(relays) > 0:
			relays = relays[1:]
		}
	}
	lossy = false
	last := begin()
	time.Sleep(2 * time.Second)
	poll(last, 2000)
	for _, o := range rooms {
		o.complete(t, 0)
	}
}
