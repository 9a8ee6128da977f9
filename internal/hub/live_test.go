package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// live makes room "r" with ann and bob (offsets 0 and 1) and a socket of bob's at its head.
func live(w *world) *socket {
	w.room("r", "ann", "bob")
	s := &socket{}
	w.attach("r", "bob", chat.AttachHead, s)
	return s
}

func TestOrderAndCopies(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		a := w.say("r", "ann")
		s.wants(w.t, 2)
		copied := a
		copied.Seq = 0
		w.relay(w.log.put(copied)) // a retry: the same id at another place
		b := w.say("r", "bob")
		s.wants(w.t, 4)
		if got, ok := w.hub.Seen("r", a.ID); !ok || got.Seq != a.Seq || got.Sent != a.Sent {
			t.Errorf("Seen: %+v %v", got, ok)
		}
		if _, pos, err := w.hub.View(context.Background(), "r", b.Seq); err != nil || pos != b.Seq {
			t.Errorf("View: %v %v", pos, err)
		}
		if n := w.hub.Stats(); n.Copies != 1 || n.Delivered != 2 {
			t.Errorf("stats: %+v", n)
		}
	})
}

func TestSpansLostLateRepeatedReordered(t *testing.T) {
	for name, order := range map[string][]int{
		"in order": {0, 1, 2, 3}, "repeated": {0, 0, 1, 1, 0, 2, 3, 2}, "reversed": {3, 2, 1, 0}, "mixed": {2, 0, 3, 1},
		"first lost": {1, 2, 3}, "middle lost": {0, 3}, "all but the last lost": {3}, "late for good": {1, 3, -1, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, func(w *world) {
				s := live(w)
				var spans []chat.Span
				for range 4 {
					spans = append(spans, w.spanOf(w.put(chat.KindMessage, "r", "ann")))
				}
				for _, i := range order {
					if i < 0 {
						time.Sleep(second)
						continue
					}
					w.publish("r", spans[i])
				}
				time.Sleep(200 * time.Millisecond)
				synctest.Wait()
				s.wants(t, seqs(2, 5)...)
			})
		})
	}
}

func TestLateSpanIsNotFilled(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		before := w.log.tails
		a, b := w.spanOf(w.put(chat.KindMessage, "r", "ann")), w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.publish("r", b)
		time.Sleep(30 * time.Millisecond)
		s.wants(t)
		w.publish("r", a)
		s.wants(t, 2, 3)
		time.Sleep(second)
		if w.log.tails != before {
			t.Errorf("the log was read %d times for a hole that had closed", w.log.tails-before)
		}
	})
}

func TestTwoRelays(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		other := *w
		other.heads = map[chat.RoomID]chat.Seq{}
		for i := range 6 {
			r := w.put(chat.KindMessage, "r", "ann")
			if a, b := w.spanOf(r), other.spanOf(r); i%2 == 0 {
				w.publish("r", a)
			} else {
				w.publish("r", b) // each loses what the other brings
			}
			if i == 2 {
				other.digest()
			}
		}
		w.sleep(2 * second)
		s.wants(t, seqs(2, 7)...)
	})
}

func TestRelayThatStartsLate(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.put(chat.KindMessage, "r", "ann") // nobody relays these
		w.put(chat.KindMessage, "r", "ann")
		w.p0 = w.log.end(0) // a relay begins at the end
		w.say("r", "ann")
		s.wants(t)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		s.wants(t, 2, 3, 4)
	})
}

func TestLostLastMessageIsFoundByDigest(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.say("r", "ann")
		w.spanOf(w.put(chat.KindMessage, "r", "ann")) // published and lost
		w.sleep(second)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		s.wants(t, 2, 3)
		if n := w.hub.Stats(); n.Fallbacks != 0 {
			t.Errorf("stats: %+v", n)
		}
	})
}

// Digests that follow on each other say nothing of a hole that opened before them.
func TestDigestsDoNotJumpAHole(t *testing.T) {
	for broken, want := range map[hub.Break][]any{"": {2, 3}, hub.DigestPerPartition: {3}} {
		run(t, func(c *hub.Config) { c.Breaks = hub.Breaks{broken: true} }, func(w *world) {
			s := live(w)
			w.digest()
			w.log.change(func() { w.log.down = true })
			w.spanOf(w.put(chat.KindMessage, "r", "ann")) // published and lost
			w.sleep(3 * second)
			w.log.change(func() { w.log.down = false })
			w.sleep(3 * second)
			w.say("r", "ann")
			s.wants(t, want...)
		})
	}
}

func TestFallbackAndItsEnd(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.sleep(2 * second)
		w.put(chat.KindMessage, "r", "ann")
		time.Sleep(4 * second)
		synctest.Wait()
		s.wants(t, 2)
		w.put(chat.KindMessage, "r", "ann")
		synctest.Wait()
		s.wants(t, 3)
		if n := w.hub.Stats(); n.Fallbacks != 1 || n.Tailing != 1 {
			t.Errorf("while silent: %+v", n)
		}
		late := w.room("r2", "ann") // opened while the node tails itself
		l := &socket{}
		w.attach(late, "ann", chat.AttachHead, l)
		w.put(chat.KindMessage, late, "ann")
		time.Sleep(2 * second)
		synctest.Wait()
		l.wants(t, 5)
		w.p0, w.heads = w.log.end(0), map[chat.RoomID]chat.Seq{} // the bus is back, the relay starts
		w.digest()
		w.say("r", "ann")
		w.sleep(2 * second)
		s.wants(t, 6)
		if n := w.hub.Stats(); n.Fallbacks != 1 || n.Tailing != 0 {
			t.Errorf("after the digest: %+v", n)
		}
		before := w.log.tails
		w.sleep(10 * second)
		if w.log.tails != before {
			t.Errorf("the log is still read: %d more times", w.log.tails-before)
		}
	})
}

func TestTrimmedHoleResets(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.save()
		w.log.change(func() { w.log.first[0] = w.log.end(0) + 1 })
		w.digest()
		time.Sleep(second)
		synctest.Wait()
		s.wants(t, "ended unavailable")
		if n := w.hub.Stats(); n.Resets != 1 || n.Listeners != 0 {
			t.Errorf("stats: %+v", n)
		}
		again := &socket{}
		w.attach("r", "bob", chat.MakeSeq(1, 1), again) // it comes back and resumes
		again.wants(t, 2, 3)
	})
}

func TestLogThatWentBack(t *testing.T) {
	run(t, nil, func(w *world) {
		w.room("r", "ann")
		s := &socket{}
		w.attach("r", "ann", chat.AttachHead, s)
		w.log.change(func() { w.log.proof++ }) // another log under the same name
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.digest() // names the room's head: a hole, to be read from a place whose proof is of the old log
		time.Sleep(second)
		synctest.Wait()
		s.wants(t, "ended unavailable")
	})
}

func TestLogOutageDuringAHole(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.log.change(func() { w.log.down = true })
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		for range 60 { // more spans than are kept aside
			w.say("r", "ann")
		}
		w.sleep(5 * second)
		s.wants(t)
		w.log.change(func() { w.log.down = false })
		w.sleep(2 * second)
		s.wants(t, seqs(2, 62)...)
		if n := w.hub.Stats(); n.AheadDropped == 0 {
			t.Errorf("nothing was dropped: %+v", n)
		}
	})
}

func TestMalformedNotes(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		stray := w.record(chat.KindMessage, "other", "ann")
		stray.Seq = chat.MakeSeq(1, 5)
		for _, data := range [][]byte{nil, []byte("?"), []byte("S"), chat.Digest{}.Encode(), chat.Span{From: 9, To: 3}.Encode(),
			chat.Span{From: 1, To: chat.MakeSeq(1, 9), Records: []chat.Record{stray}}.Encode()} {
			w.bus.send(chat.RoomChannel("r"), data)
		}
		for _, data := range [][]byte{nil, []byte("D"), chat.Span{}.Encode(), chat.Digest{P0: 9, P1: 3}.Encode()} {
			w.bus.send(chat.DigestChannel(0), data)
		}
		synctest.Wait()
		s.wants(t)
		if n := w.hub.Stats().Malformed; n != 10 {
			t.Errorf("%d notes counted as malformed, not 10", n)
		}
		w.say("r", "ann")
		s.wants(t, 2)
	})
}

// A span that begins beyond the log's end (of another log, say) does not keep the log being read for ever.
func TestSpanFromNowhere(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.publish("r", chat.Span{From: chat.MakeSeq(9, 1), To: chat.MakeSeq(9, 2)})
		w.sleep(10 * second)
		before := w.log.tails
		w.say("r", "ann")
		w.sleep(10 * second)
		s.wants(t, 2)
		if n := w.hub.Stats(); w.log.tails != before || n.AheadDropped != 1 {
			t.Errorf("read %d times more; %+v", w.log.tails-before, n)
		}
	})
}

func TestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newMemLog(1), bus: &memBus{}, heads: map[chat.RoomID]chat.Seq{}}
		w.hist = &memHistory{log: w.log}
		end := w.start(nil)
		s := live(w)
		end()
		s.wants(t, "ended unavailable")
		if _, _, err := w.hub.View(context.Background(), "r", 0); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("View after the end: %v", err)
		}
		if n := w.bus.listens(chat.RoomChannel("r")) + w.bus.listens(chat.DigestChannel(0)); n != 0 {
			t.Errorf("%d subscriptions to the bus are left", n)
		}
		if n := w.hub.Stats(); n.OpenRooms != 0 || n.Listeners != 0 {
			t.Errorf("stats: %+v", n)
		}
	})
}
