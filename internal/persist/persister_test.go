package persist_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/persist"
)

// bubble runs f in virtual time with a world of its own.
func bubble(t *testing.T, partitions int, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, partitions)
		f(t, w)
		w.end()
	})
}

func TestSavesInOrder(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		for i := range 120 {
			w.log.say(0, fmt.Sprint("a", i))
		}
		w.log.say(1, "b")
		p, _ := w.start()
		settle()
		w.exact()
		w.healthy(p)
		if w.log.group != "hubbub-persist-s1" || p.Group() != w.log.group {
			t.Errorf("joined %q", w.log.group)
		}
		n := 0
		for _, id := range w.arc.order {
			if id == "b" {
				continue
			}
			if want := fmt.Sprint("a", n); string(id) != want {
				t.Fatalf("row %d is %s", n, id)
			}
			n++
		}
		s := p.Stats()
		if s.Records != 121 || s.Pauses != 0 || s.Failures != 0 || s.Buried != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestFoldsABatch(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		first := w.log.say(0, "hello")
		w.log.say(0, "hello") // a copy in the same batch
		w.log.say(0, "other")
		p, _ := w.start()
		settle()
		w.log.say(0, "hello") // a copy in a later one
		settle()
		w.exact()
		if got := w.row("hello").Seq; got != first.Seq {
			t.Errorf("the row is at %d, the first copy at %d", got, first.Seq)
		}
		if s := p.Stats(); s.Copies != 1 || s.Records != 3 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestChanges(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		name, ann := "New name", chat.User{ID: "ann", Name: "Ann"}
		add := func(id string, k chat.Kind, subject chat.UserID, b chat.Body) {
			b.ID, b.RoomID, b.User = chat.MessageID(id), "x", ann
			w.log.add(0, 0, chat.Record{Kind: k, Room: "x", ID: b.ID, User: "ann", Subject: subject, Body: b.Encode()})
		}
		add("create", chat.KindCreate, "ann", chat.Body{Room: &chat.RoomInfo{Name: "X", Owner: "ann"}})
		add("update", chat.KindUpdate, "", chat.Body{Name: &name})
		add("invite", chat.KindInvite, "bob", chat.Body{Invitee: "bob"})
		add("join", chat.KindJoin, "ann", chat.Body{})
		add("leave", chat.KindLeave, "ann", chat.Body{})
		add("message", chat.KindMessage, "", chat.Body{Text: &name})
		w.start()
		settle()
		w.exact()
		for id, want := range map[chat.MessageID]struct {
			room   bool
			member chat.MemberState
		}{
			"create": {true, chat.StateJoined}, "update": {true, 0}, "invite": {false, chat.StateInvited},
			"join": {false, chat.StateJoined}, "leave": {false, chat.StateLeft}, "message": {false, 0},
		} {
			c := w.arc.changes[id]
			if (c.Room != nil) != want.room || (c.Member != nil) != (want.member != 0) {
				t.Errorf("%s: change %+v", id, c)
				continue
			}
			if c.Room != nil && c.Room.ID != id {
				t.Errorf("%s changes the room by %s", id, c.Room.ID)
			}
			if c.Member != nil && (c.Member.State != want.member || c.Member.Rev != c.Row.Seq || c.Member.Room != "x") {
				t.Errorf("%s: member %+v", id, c.Member)
			}
		}
	})
}

func TestWMovesOverNothing(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.say(0, "one")
		p, _ := w.start()
		settle()
		w.log.set(func(l *logDouble) { l.parts[0].next += 7 }) // markers of a transaction
		settle()
		w.exact()
		w.healthy(p)
		before := w.arc.saves
		pass(time.Minute)
		if w.arc.saves != before {
			t.Errorf("%d saves in an idle minute", w.arc.saves-before)
		}
	})
}

func TestLagWhileCatchingUp(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		for i := range 500 {
			w.log.say(0, fmt.Sprint(i))
		}
		w.arc.set(slowly(time.Second))
		p, _ := w.start()
		pass(4500 * time.Millisecond)
		if s := p.State(); s.Phase != persist.Running || s.Lag < 200 || s.Lag > 450 {
			t.Errorf("state %+v", s)
		}
		pass(time.Minute)
		w.healthy(p)
		w.exact()
	})
}

// TestTakenBackWhilePaused: the partition goes elsewhere; what was not saved is the next owner's.
func TestTakenBackWhilePaused(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.say(0, "one")
		p, stop := w.start()
		settle()
		w.arc.set(gone())
		two := w.log.say(0, "two")
		settle()
		if s := p.State(); s.Phase != persist.Paused || s.Partitions[0].Position != two.Seq {
			t.Errorf("state %+v", s)
		}
		stop()
		if s := p.State(); len(s.Partitions) != 0 || s.Phase != persist.Running {
			t.Errorf("state without partitions %+v", s)
		}
		if got := w.arc.w[0].Seq; got != two.Seq-1 {
			t.Errorf("W is %d", got)
		}
		w.arc.set(nil)
		next, _ := w.start()
		settle()
		w.exact()
		w.healthy(next)
	})
}

// TestUnreadableWFetchesNothing: a server that starts while its store is away.
func TestUnreadableWFetchesNothing(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.log.say(0, "one")
		w.log.say(1, "two")
		w.arc.set(gone("state"))
		p, _ := w.start()
		pass(time.Minute)
		if s := p.State(); s.Phase != persist.Paused || s.Reason == "" || w.log.fetched != 0 {
			t.Errorf("%d records fetched, state %+v", w.log.fetched, s)
		}
		w.arc.set(nil)
		pass(10 * time.Second)
		w.exact()
		w.healthy(p)
		if len(w.told) == 0 || w.told[0].Phase != persist.Paused || w.told[len(w.told)-1].Phase != persist.Running {
			t.Errorf("told %+v", w.told)
		}
	})
}

// TestWUnreadableAtBegin: the store goes away between the group's join and a partition's begin.
func TestWUnreadableAtBegin(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		w.log.say(0, "one")
		w.arc.set(gone())
		p := persist.New(w.log, w.arc, w.opt)
		for range 3 {
			if _, err := p.Begin(t.Context(), 0); err == nil {
				t.Error("begin without W gave no error")
			}
		}
		if s := p.State(); s.Phase != persist.Paused || len(s.Partitions) != 1 || s.Partitions[0].Position != 0 {
			t.Errorf("state %+v", s)
		}
		p.Records(t.Context(), 7, nil, chat.Mark{Seq: 9}, true) // not ours: nothing happens
		pass(time.Minute)
		if s := p.State(); s.Phase != persist.Running { // the partition went elsewhere without a word
			t.Errorf("state a minute later %+v", s)
		}
		w.arc.set(nil)
		m, err := p.Begin(t.Context(), 0)
		if err != nil || m != (chat.Mark{}) {
			t.Errorf("begins at %+v, %v", m, err)
		}
		w.healthyAfterBegin(p)
		if _, err := p.Begin(t.Context(), 1); err == nil {
			t.Error("begin of a partition that is not there gave no error")
		}
		if paused, resumed := w.pauses(); len(paused)+len(resumed) != 0 {
			t.Errorf("a begin was logged as a pause: %v %v", paused, resumed)
		}
	})
}

// healthyAfterBegin: one record waits and nothing is wrong.
func (w *world) healthyAfterBegin(p *persist.Persister) {
	w.t.Helper()
	if s := p.State(); s.Phase != persist.Running || s.Lag != 1 {
		w.t.Errorf("state %+v", s)
	}
}
