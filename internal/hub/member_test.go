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

func TestDeliveryBeginsAndEndsWithTheMembership(t *testing.T) {
	run(t, nil, func(w *world) {
		bob := live(w)
		if _, err := w.hub.Attach(context.Background(), "r", user("cat"), chat.AttachHead, &socket{}); !errors.Is(err, chat.ErrNotFound) {
			t.Fatalf("a stranger's attach: %v", err)
		}
		j := w.do(chat.KindJoin, "r", "cat")
		cat, cat2 := &socket{}, &socket{}
		w.attach("r", "cat", j.Seq-1, cat) // from before her join: it comes with her own join record
		w.attach("r", "cat", chat.AttachHead, cat2)
		w.say("r", "ann")
		w.do(chat.KindLeave, "r", "cat")
		w.say("r", "ann")
		cat.wants(t, 2, 3, 4, "ended not_found")
		cat2.wants(t, 3, 4, "ended not_found")
		bob.wants(t, 2, 3, 4, 5)
		w.do(chat.KindJoin, "r", "cat")
		w.say("r", "ann")
		cat.wants(t) // the old subscription is over
		if n := w.hub.Stats(); n.Listeners != 1 {
			t.Errorf("stats: %+v", n)
		}
	})
}

func TestLeaveAndMessageInOneSpan(t *testing.T) {
	run(t, nil, func(w *world) {
		bob := live(w)
		a := w.put(chat.KindMessage, "r", "ann")
		l := w.put(chat.KindLeave, "r", "bob")
		b := w.put(chat.KindMessage, "r", "ann")
		w.publish("r", chat.Span{From: a.Seq - 1, To: b.Seq, Records: []chat.Record{a, l, b}})
		bob.wants(t, 2, 3, "ended not_found")
		w.heads["r"] = b.Seq
		v, _, err := w.hub.View(context.Background(), "r", b.Seq)
		if err != nil || v.IsMember("bob") || !v.IsMember("ann") || v.Members() != 1 {
			t.Errorf("view: %+v %v", v, err)
		}
	})
}

func TestRoomThatDoesNotExist(t *testing.T) {
	run(t, nil, func(w *world) {
		_, _, err := w.hub.View(context.Background(), "r", 0)
		_, err2 := w.hub.Attach(context.Background(), "r", user("ann"), 0, &socket{})
		if !errors.Is(err, chat.ErrNotFound) || !errors.Is(err2, chat.ErrNotFound) {
			t.Fatalf("View: %v, Attach: %v", err, err2)
		}
		if w.hist.opens != 1 {
			t.Errorf("the history was asked %d times for a room that is known not to exist", w.hist.opens)
		}
		c := w.do(chat.KindCreate, "r", "ann") // it is made while the hub remembers that it is not
		if v, _, err := w.hub.View(context.Background(), "r", c.Seq); err != nil || !v.CanSend("ann") {
			t.Errorf("after its creation: %v", err)
		}
		_, _, _ = w.hub.View(context.Background(), "nobody", 0)
		w.sleep(10 * second)
		if n := w.hub.Stats(); n.OpenRooms != 1 {
			t.Errorf("a room that does not exist stays open: %+v", n)
		}
	})
}

func TestTooManyRooms(t *testing.T) {
	run(t, func(c *hub.Config) { c.Limits.OpenRooms = 2 }, func(w *world) {
		w.room("a", "ann")
		w.room("b", "ann")
		for _, r := range []chat.RoomID{"a", "b"} {
			w.attach(r, "ann", chat.AttachHead, &socket{})
		}
		if _, _, err := w.hub.View(context.Background(), "c", 0); !errors.Is(err, chat.ErrOverloaded) {
			t.Errorf("one room more: %v", err)
		}
	})
}

func TestOpenDuringAnOutage(t *testing.T) {
	run(t, nil, func(w *world) {
		w.room("r", "ann")
		w.hist.set(func() { w.hist.down = true })
		begun := time.Now()
		_, _, err := w.hub.View(context.Background(), "r", 0)
		if d := time.Since(begun); !errors.Is(err, chat.ErrUnavailable) || d != 2*second {
			t.Errorf("View after %v: %v", d, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), second)
		_, err = w.hub.Attach(ctx, "r", user("ann"), 0, &socket{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Attach whose ctx ends: %v", err)
		}
		w.sleep(2 * second)
		if n := w.hub.Stats(); n.OpenRooms != 0 || n.OpenRetries < 3 {
			t.Errorf("nobody waits, and the room is still opening: %+v", n)
		}
		got := make(chan error, 1)
		go func() {
			_, _, err := w.hub.View(context.Background(), "r", 0)
			got <- err
		}()
		time.Sleep(second)
		w.hist.set(func() { w.hist.down = false })
		if err := <-got; err != nil {
			t.Errorf("View through the end of the outage: %v", err)
		}
	})
}

// An opening that takes long comes to its end, though who asked for it has given up long ago: the next to ask finds the room open. Else a
// busy room behind a slow store, of which few ask, would be begun anew for ever.
func TestSlowOpeningComesToItsEnd(t *testing.T) {
	run(t, nil, func(w *world) {
		w.room("r", "ann")
		w.hist.set(func() { w.hist.slow = 25 * second })
		if _, _, err := w.hub.View(context.Background(), "r", 0); !errors.Is(err, chat.ErrUnavailable) {
			t.Fatalf("the first: %v", err)
		}
		w.sleep(24 * second)
		begun := time.Now()
		_, _, err := w.hub.View(context.Background(), "r", 0)
		opens := 0
		w.hist.set(func() { opens = w.hist.opens })
		if d := time.Since(begun); err != nil || d > 0 || opens != 1 {
			t.Errorf("the next, after %v: %v; the history was asked %d times", d, err, opens)
		}
	})
}

func TestOpenReadsToTheEndFirst(t *testing.T) {
	run(t, nil, func(w *world) {
		w.room("r", "ann", "bob")
		w.put(chat.KindLeave, "r", "bob") // above W
		m := w.put(chat.KindMessage, "r", "ann")
		again := m
		again.Seq = 0
		last := w.log.put(again) // a copy of what lies between W and the end
		if _, err := w.hub.Attach(context.Background(), "r", user("bob"), 0, &socket{}); !errors.Is(err, chat.ErrNotFound) {
			t.Errorf("who has left: %v", err)
		}
		if _, pos, err := w.hub.View(context.Background(), "r", 0); err != nil || pos != last.Seq {
			t.Errorf("View: %v %v", pos, err)
		}
		if n := w.hub.Stats(); n.Copies != 1 {
			t.Errorf("stats: %+v", n)
		}
	})
}

func TestIdleRoomCloses(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.sleep(200 * second)
		if n := w.hub.Stats(); n.OpenRooms != 1 {
			t.Fatalf("a room with a reader was closed: %+v", n)
		}
		w.hub.Detach("r", s)
		w.sleep(100 * second)
		if n := w.hub.Stats(); n.OpenRooms != 1 || w.bus.listens(chat.RoomChannel("r")) != 1 {
			t.Fatalf("closed too early: %+v", n)
		}
		w.sleep(30 * second)
		if n := w.hub.Stats(); n.OpenRooms != 0 || w.bus.listens(chat.RoomChannel("r")) != 0 {
			t.Errorf("still open: %+v", n)
		}
		s.wants(t)
	})
}

func TestMemoryOfIDs(t *testing.T) {
	run(t, func(c *hub.Config) { c.Limits.IDs = 10 }, func(w *world) {
		s := live(w)
		join := w.do(chat.KindJoin, "r", "cat")
		first := w.say("r", "ann")
		for range 10 {
			w.say("r", "ann")
		}
		if _, ok := w.hub.Seen("r", first.ID); ok {
			t.Error("the eleventh message from the end is remembered")
		}
		if got, ok := w.hub.Seen("r", join.ID); !ok || got.Seq != join.Seq {
			t.Error("messages pushed out a join")
		}
		w.sleep(601 * second)
		s.got()
		w.say("r", "ann") // time is that of the log: it passes with a record
		if _, ok := w.hub.Seen("r", join.ID); ok {
			t.Error("a join older than the window is remembered")
		}
		if _, ok := w.hub.Seen("closed", join.ID); ok {
			t.Error("a room that is not open remembers")
		}
		again := first
		again.Seq = 0
		w.relay(w.log.put(again)) // a copy later than the window is shown; the client knows its id
		s.wants(t, 14, 15)
	})
}

func TestWhisper(t *testing.T) {
	run(t, nil, func(w *world) {
		bob, ann := live(w), &socket{}
		w.attach("r", "ann", chat.AttachHead, ann)
		w.bus.send(chat.RoomChannel("r"), chat.Whisper{Name: "typing", From: "ann", Body: []byte("{}")}.Encode())
		synctest.Wait()
		bob.wants(t, "typing {}")
		ann.wants(t)
		w.do(chat.KindLeave, "r", "bob")
		bob.got()
		w.bus.send(chat.RoomChannel("r"), chat.Whisper{Name: "typing", From: "ann", Body: []byte("{}")}.Encode())
		bob.wants(t)
	})
}
