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

func at(offset int64) chat.Seq { return chat.MakeSeq(1, offset) }

// small has tails of ten records, and pieces of four.
func small(c *hub.Config) { c.Limits.TailRecords, c.Limits.PieceFrames = 10, 4 }

// filled makes room "r" (offsets 0 ann, 1 bob) with messages at 2 to last.
func filled(w *world, last int) {
	w.room("r", "ann", "bob")
	for i := 2; i <= last; i++ {
		w.put(chat.KindMessage, "r", "ann")
	}
	w.save()
	if _, _, err := w.hub.View(context.Background(), "r", 0); err != nil {
		w.t.Fatal(err)
	}
	w.p0, w.heads = w.log.end(0), map[chat.RoomID]chat.Seq{}
}

func TestResumeFromTheTail(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		for after, want := range map[int64][]any{21: nil, 20: {21}, 15: seqs(16, 21), 11: seqs(12, 21)} {
			s := &socket{}
			if a := w.attach("r", "bob", at(after), s); a.AsOf != at(21) || a.Gaps != 0 || !a.View.IsMember("bob") {
				t.Errorf("after %d: %+v", after, a)
			}
			if s.most > 4 {
				t.Errorf("after %d: %d frames without a look at the socket", after, s.most)
			}
			s.wants(t, want...)
			w.hub.Detach("r", s)
		}
		if w.hist.fills != 0 {
			t.Errorf("the history was asked %d times", w.hist.fills)
		}
	})
}

func TestResumeFromTheHistory(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		s := &socket{}
		w.attach("r", "bob", at(3), s)
		w.say("r", "ann")
		s.wants(t, seqs(4, 22)...)
		if s.most > 4 || w.hist.fills != 1 {
			t.Errorf("%d frames at once; the history was asked %d times", s.most, w.hist.fills)
		}
	})
}

// A history whose store is away gives the log's records as they are; what the room knows as a copy is not shown again (G4). Found by the
// simulation: seed 100008, with the store down, retries that overtake and clients that move.
func TestResumeFromTheHistoryShowsNoCopy(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 12)
		again := w.log.put(w.log.parts[0][5]) // 13
		w.relay(again)
		rows := []chat.Record{again}
		for range 17 {
			rows = append(rows, w.say("r", "ann"))
		}
		w.hist.set(func() { w.hist.give = &chat.Page{Rows: rows, AsOf: at(30)} })
		s := &socket{}
		w.attach("r", "bob", at(12), s)
		s.wants(t, seqs(14, 30)...)
		if w.hist.fills != 1 {
			t.Errorf("the history was asked %d times", w.hist.fills)
		}
	})
}

func TestResumeWaitsForItsPlace(t *testing.T) {
	run(t, small, func(w *world) {
		s := live(w)
		r := w.put(chat.KindMessage, "r", "ann") // another node has shown it; this one has not heard of it
		w.spanOf(r)
		l := &socket{}
		if a := w.attach("r", "ann", r.Seq, l); a.AsOf != r.Seq || a.Gaps != 0 {
			t.Errorf("%+v", a)
		}
		s.wants(t, 2)
		l.wants(t)
		w.say("r", "ann")
		l.wants(t, 3)
	})
}

func TestResumeBeyondTheEnd(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 5)
		s := &socket{}
		a := w.attach("r", "bob", at(9), s)
		w.say("r", "ann")
		if a.AsOf != at(5) || a.Gaps != 1 {
			t.Errorf("%+v", a)
		}
		s.wants(t, "gap reset 9-0", 6)
		w.log.change(func() { w.log.down = true })
		begun := time.Now()
		_, err := w.hub.Attach(context.Background(), "r", user("ann"), at(9), &socket{})
		if !errors.Is(err, chat.ErrUnavailable) || time.Since(begun) > 3*second {
			t.Errorf("while the log is down: %v after %v", err, time.Since(begun))
		}
		if _, err := w.hub.Attach(context.Background(), "r", user("ann"), -7, s); chat.AsError(err).Code != chat.CodeInvalid {
			t.Errorf("after -7: %v", err)
		}
	})
}

func TestResumeAcrossAMembership(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 5)
		w.do(chat.KindLeave, "r", "bob") // 6
		w.say("r", "ann")
		w.do(chat.KindJoin, "r", "bob") // 8
		w.say("r", "ann")
		s := &socket{}
		if a := w.attach("r", "bob", at(4), s); a.Gaps != 1 {
			t.Errorf("%+v", a)
		}
		s.wants(t, "gap not_found 4-7", 8, 9)
		w.do(chat.KindLeave, "r", "bob")
		if _, err := w.hub.Attach(context.Background(), "r", user("bob"), at(9), &socket{}); !errors.Is(err, chat.ErrNotFound) {
			t.Errorf("who has left: %v", err)
		}
	})
}

func TestResumeWhatCannotBeHad(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		w.hist.set(func() { w.hist.down = true })
		s, begun := &socket{}, time.Now()
		if a := w.attach("r", "bob", at(3), s); a.Gaps != 1 || time.Since(begun) > 3*second {
			t.Errorf("%+v after %v", a, time.Since(begun))
		}
		s.wants(t, list("gap unavailable 3-11", seqs(12, 21))...)

		go func() {
			time.Sleep(second)
			w.hist.set(func() { w.hist.down = false })
		}()
		l := &socket{}
		if a := w.attach("r", "bob", at(3), l); a.Gaps != 0 {
			t.Errorf("back in time: %+v", a)
		}
		l.wants(t, seqs(4, 21)...)
	})
}

func TestResumeWithGapsOfTheHistory(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 30)
		all := w.hist.rows("r", 0, at(30))
		for name, c := range map[string]struct {
			page chat.Page
			want []any
		}{
			"before the rows": {chat.Page{Rows: all[10:31], Gap: &chat.Gap{Room: "r", From: at(2), To: at(9), Reason: chat.GapLimit}},
				list("gap limit 2-9", seqs(10, 30))},
			"among the rows": {chat.Page{Rows: append(all[3:6:6], all[9:31]...), Gap: &chat.Gap{Room: "r", From: at(5), To: at(8), Reason: chat.GapTrimmed}},
				list(seqs(3, 5), "gap trimmed 5-8", seqs(9, 30))},
			"after the rows": {chat.Page{Rows: all[3:9], Gap: &chat.Gap{Room: "r", From: at(8), To: at(30), Reason: chat.GapTrimmed}},
				list(seqs(3, 8), "gap trimmed 8-30")},
			"more follows":       {chat.Page{Rows: all[3:9], HasMore: true}, seqs(3, 30)},
			"not now, but later": {chat.Page{Rows: all[3:9], Gap: &chat.Gap{Room: "r", From: at(8), To: at(30), Reason: chat.GapUnavailable}}, seqs(3, 30)},
		} {
			w.hist.set(func() { w.hist.give = &c.page })
			s := &socket{}
			w.attach("r", "bob", at(2), s)
			t.Log(name)
			s.wants(t, c.want...)
			w.hub.Detach("r", s)
		}
	})
}

// A slow reader's replay holds up neither the room nor anybody else; while he waits in Ready, his time does not run.
func TestSlowListener(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		gate := make(chan struct{})
		slow, quick := &socket{ready: func(ctx context.Context) error {
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}, &socket{}
		w.attach("r", "ann", chat.AttachHead, quick)
		done := make(chan chat.Attached, 1)
		go func() {
			done <- w.attach("r", "bob", at(5), slow)
		}()
		synctest.Wait()
		for i := 22; i <= 80; i++ {
			w.say("r", "ann")
			quick.wants(t, i)
		}
		w.sleep(30 * second)
		close(gate)
		if a := <-done; a.Gaps != 0 || a.AsOf != at(80) {
			t.Errorf("%+v", a)
		}
		w.say("r", "ann")
		slow.wants(t, seqs(6, 81)...)
		if slow.most > 5 {
			t.Errorf("%d frames without a look at the socket", slow.most)
		}
	})
}

// Case 5: the socket goes while its Attach waits; nothing of it may stay.
func TestDetachDuringAttach(t *testing.T) {
	waiting := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		s     *socket
		set   func(w *world)
		after chat.Seq
	}{
		"waiting for the socket":    {&socket{ready: waiting}, func(*world) {}, at(15)},
		"waiting for the history":   {&socket{}, func(w *world) { w.hist.block = make(chan struct{}) }, at(3)},
		"between tries":             {&socket{}, func(w *world) { w.hist.down = true }, at(3)},
		"waiting for its place":     {&socket{}, func(w *world) { w.log.change(func() { w.log.down = true }) }, at(50)},
		"in a piece of the history": {&socket{ready: waiting}, func(*world) {}, at(3)},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, small, func(w *world) {
				filled(w, 21)
				w.hist.set(func() { c.set(w) })
				errs := make(chan error, 2)
				for range 2 { // the second waits for the first
					go func() {
						_, err := w.hub.Attach(context.Background(), "r", user("bob"), c.after, c.s)
						errs <- err
					}()
				}
				time.Sleep(150 * time.Millisecond)
				c.s.got()
				w.hub.Detach("r", c.s)
				for range 2 {
					if err := <-errs; err == nil {
						t.Error("an Attach succeeded after the Detach")
					}
				}
				w.log.change(func() { w.log.down = false })
				w.say("r", "ann")
				c.s.wants(t)
				if n := w.hub.Stats(); n.Listeners != 0 {
					t.Errorf("stats: %+v", n)
				}
			})
		})
	}
}

func TestAttachWhoseContextEnds(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		s := &socket{ready: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		ctx, cancel := context.WithTimeout(context.Background(), second)
		defer cancel()
		if _, err := w.hub.Attach(ctx, "r", user("bob"), at(3), s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		broken := errors.New("socket is gone")
		s.ready = func(context.Context) error { return broken }
		if _, err := w.hub.Attach(context.Background(), "r", user("bob"), at(3), s); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		w.say("r", "ann")
		s.wants(t)
	})
}

func TestOneSubscriptionPerSocketAndRoom(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		s := &socket{}
		done := make(chan chat.Attached, 3)
		for _, after := range []chat.Seq{at(3), chat.AttachHead, at(12)} {
			go func() { done <- w.attach("r", "bob", after, s) }()
			synctest.Wait()
		}
		for range 3 {
			if a := <-done; a.AsOf != at(21) {
				t.Errorf("%+v", a)
			}
		}
		w.say("r", "ann")
		s.wants(t, seqs(4, 22)...)
		w.hub.Detach("r", s)
		w.say("r", "ann")
		s.wants(t)
	})
}

// A user who leaves while he is being sent a replay gets no more of it; one who comes again meanwhile gets a gap.
func TestLeaveDuringReplay(t *testing.T) {
	for rejoins, after := range map[bool]int64{false: 3, true: 15} {
		run(t, small, func(w *world) {
			filled(w, 21)
			gate := make(chan struct{}, 100)
			s := &socket{ready: func(ctx context.Context) error {
				select {
				case <-gate:
				case <-ctx.Done():
				}
				return ctx.Err()
			}}
			errs := make(chan error, 1)
			go func() {
				_, err := w.hub.Attach(context.Background(), "r", user("bob"), at(after), s)
				errs <- err
			}()
			gate <- struct{}{}
			synctest.Wait()
			w.do(chat.KindLeave, "r", "bob") // 22
			w.say("r", "ann")
			if rejoins {
				w.do(chat.KindJoin, "r", "bob") // 24
			}
			for range 50 {
				gate <- struct{}{}
			}
			err := <-errs
			if rejoins {
				s.wants(t, list(seqs(16, 19), "gap not_found 19-23", 24)...)
			} else {
				s.wants(t, seqs(4, 7)...)
			}
			if rejoins != (err == nil) || !rejoins && !errors.Is(err, chat.ErrNotFound) {
				t.Errorf("rejoins %v: %v", rejoins, err)
			}
		})
	}
}

// A room that is closed under an Attach is asked for anew.
func TestRoomClosesDuringReplay(t *testing.T) {
	run(t, small, func(w *world) {
		filled(w, 21)
		gate := make(chan struct{})
		s := &socket{ready: func(context.Context) error { <-gate; return nil }}
		done := make(chan chat.Attached, 1)
		go func() { done <- w.attach("r", "bob", at(12), s) }()
		synctest.Wait()
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.save()
		w.log.change(func() { w.log.first[0] = w.log.end(0) + 1 })
		w.digest()
		w.sleep(second)
		if w.hub.Stats().Resets != 1 {
			t.Fatal("the room was not reset")
		}
		close(gate)
		if a := <-done; a.Gaps != 0 {
			t.Errorf("%+v", a)
		}
		s.wants(t, seqs(13, 22)...)
	})
}
