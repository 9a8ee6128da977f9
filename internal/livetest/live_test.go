package livetest_test

import (
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/bus/bustest"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// TestLiveOverMemory and TestLiveOverRedis: two relays of one partition at once, one that starts late, one that hangs, one that stops,
// lost digests, a deaf node and a bus that drops, delays, repeats and reorders: a reader misses nothing, and gets nothing twice or out
// of order (issue 4).
func TestLiveOverMemory(t *testing.T) {
	b := bus.NewMemory(bus.Options{})
	t.Cleanup(b.Close)
	live(t, func() chat.Bus { return b }, func() {})
}

func TestLiveOverRedis(t *testing.T) {
	server := enginetest.NewRedis(t)
	live(t, func() chat.Bus {
		o, err := bus.ParseRedis(server.Addr())
		must(t, err)
		b, err := bus.OpenRedis(t.Context(), o)
		must(t, err)
		t.Cleanup(func() { b.Close() })
		return b
	}, func() {
		must(t, server.Kill())
		must(t, server.Restart())
	})
}

func live(t *testing.T, bus func() chat.Bus, harm func()) {
	const a = 400 * time.Millisecond // a while
	w := newWorld(t, bus)
	wild := bustest.Faults{Drop: 0.2, Repeat: 0.2, Late: 0.3, LateBy: 200 * time.Millisecond, Latency: 4 * time.Millisecond}
	first := w.relay("first", 1)
	one, two := w.node("one", 11), w.node("two", 12)
	w.talk(a)

	one.bus.Set(wild)
	late := w.relay("late", 2) // two at once from here on
	w.talk(a)
	two.bus.Set(wild)
	w.talk(a)

	two.bus.Set(bustest.Faults{Deaf: true})
	w.talk(a)
	two.bus.Set(wild)

	first.mute.set("digest:") // for longer than a hub waits for a digest
	late.mute.set("digest:")
	w.talk(3 * a)
	first.mute.set("")
	late.mute.set("")

	first.bus.Set(bustest.Faults{Down: true}) // holds the partition and says nothing
	w.talk(a)
	harm()
	w.talk(a)
	late.stop() // nobody relays
	w.talk(a)
	w.judge() // by now from the log itself
	third := w.relay("third", 3)
	w.node("three", 13) // and a node that has missed all this
	w.talk(a)
	first.bus.Set(bustest.Faults{})
	w.talk(a)
	one.bus.Set(bustest.Faults{})
	w.talk(a)
	w.judge()

	if n := first.mute.lost.Load() + late.mute.lost.Load(); n == 0 {
		t.Error("no digest was lost: the test showed nothing")
	}
	if s := one.bus.Stats(); s.Dropped == 0 || s.Repeated == 0 || s.Delayed == 0 {
		t.Errorf("no faults: %+v", s)
	}
	if s := third.bus.Stats(); s.Refused != 0 {
		t.Errorf("the last relay was refused: %+v", s)
	}
}

// TestLiveLastMessage: the very last message of a room, whose span is lost, comes by the next digest.
func TestLiveLastMessage(t *testing.T) {
	b := bus.NewMemory(bus.Options{})
	t.Cleanup(b.Close)
	w := newWorld(t, func() chat.Bus { return b })
	r := w.relay("only", 1)
	w.node("one", 11)
	w.talk(50 * time.Millisecond)
	w.judge()
	r.mute.set("room:")
	w.append(chat.KindMessage, w.rooms[0])
	for late := time.After(patience); r.mute.lost.Load() == 0; {
		select {
		case <-time.After(time.Millisecond):
		case <-late:
			t.Fatal("nothing was relayed")
		}
	}
	r.mute.set("")
	w.judge()
}
