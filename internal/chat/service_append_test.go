package chat_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/chat/chattest"
)

// lobby gives a house with a room in which ann is.
func lobby(t *testing.T, f func(t *testing.T, h house, ann chat.User)) {
	t.Helper()
	in(t, chat.Limits{}, func(t *testing.T, h house) {
		h.must(h.EnsureLobby(context.Background()))
		_, err := h.Join(context.Background(), user("ann"), chat.LobbyID, "")
		h.must(err)
		f(t, h, user("ann"))
	})
}

func hello(id string) chat.SendRequest {
	return chat.SendRequest{Room: chat.LobbyID, ClientID: id, Text: "hello"}
}

func TestARetryIsAnsweredLikeTheFirstTime(t *testing.T) {
	for name, prepare := range map[string]func(h house){
		"in the room's memory": func(house) {},
		"in the store":         func(h house) { time.Sleep(2 * time.Minute); h.Forget(chat.LobbyID) },
	} {
		t.Run(name, func(t *testing.T) {
			lobby(t, func(t *testing.T, h house, ann chat.User) {
				req := hello(fresh())
				first, err := h.send(ann, req)
				h.must(err)
				prepare(h)
				n := len(h.Records())
				again, err := h.send(ann, req)
				h.must(err)
				if again != first || len(h.Records()) != n {
					t.Errorf("first %+v, again %+v; %d records more", first, again, len(h.Records())-n)
				}
				req.Text = "something else"
				if _, err = h.send(ann, req); !errors.Is(err, chat.ErrConflict) {
					t.Errorf("same clientId, other text: %v", err)
				}
			})
		})
	}
}

func TestRetriesWaitWithTheFirst(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		h.Hold(true)
		req := hello("not-a-uuid")
		answers := make(chan chat.Sent, 3)
		for range 3 {
			h.Send(context.Background(), ann, req, func(s chat.Sent, err error) {
				if err != nil {
					t.Error(err)
				}
				answers <- s
			})
		}
		other := req
		other.Text = "other"
		if _, err := h.send(ann, other); !errors.Is(err, chat.ErrConflict) {
			t.Errorf("conflict while in flight: %v", err)
		}
		if st := h.Stats(); st.InFlight != 1 {
			t.Errorf("%d in flight", st.InFlight)
		}
		h.Hold(false)
		synctest.Wait()
		a, b, c := <-answers, <-answers, <-answers
		if a != b || b != c || a.Seq == 0 {
			t.Errorf("answers %+v %+v %+v", a, b, c)
		}
	})
}

func TestAnUnknownSendIsSettledByItsRetry(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		h.Hold(true)
		req, begin := hello(fresh()), time.Now()
		_, err := h.send(ann, req)
		took := time.Since(begin)
		if !errors.Is(err, chat.ErrUnknown) || took < 5*time.Second || took > 6*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		if !h.Stats().Stuck {
			t.Error("the log is not taken for stuck")
		}
		begin = time.Now()
		if _, err = h.send(ann, hello(fresh())); !errors.Is(err, chat.ErrUnavailable) || time.Since(begin) > 0 {
			t.Errorf("a new send while the log is stuck: %v after %v", err, time.Since(begin))
		}
		n := len(h.Records())
		time.AfterFunc(time.Second, func() { h.Hold(false) })
		sent, err := h.send(ann, req)
		h.must(err)
		if got := h.Records(); len(got) != n+1 || got[n].Seq != sent.Seq {
			t.Errorf("%d records, sent %+v", len(got)-n, sent)
		}
		if _, err = h.send(ann, hello(fresh())); err != nil || h.Stats().Stuck {
			t.Errorf("after the log is back: %v", err)
		}
	})
}

func TestALogThatFailsIsNotStuck(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		for _, want := range []error{chat.ErrUnavailable, chat.ErrOverloaded, chat.ErrUnknown} {
			h.SetFail(want)
			time.Sleep(6 * time.Second)
			if _, err := h.send(ann, hello(fresh())); !errors.Is(err, want) {
				t.Errorf("want %v, got %v", want, err)
			}
		}
		h.SetFail(errors.New("disk on fire"))
		if _, err := h.send(ann, hello(fresh())); !errors.Is(err, chat.ErrUnknown) {
			t.Errorf("an error without a code: %v", err)
		}
		h.SetFail(nil)
		_, err := h.send(ann, hello(fresh()))
		h.must(err)
	})
}

// What the store knows of an old request says nothing of the log: it neither hides that the log is stuck, nor counts as an append.
func TestTheStoresAnswerIsNotTheLogs(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		old := hello("no-uuid")
		_, err := h.send(ann, old)
		h.must(err)
		other := old
		other.Text = "something else"
		before := h.Stats()
		h.Hold(true)
		h.Send(context.Background(), ann, hello(fresh()), func(chat.Sent, error) {})
		for range 4 {
			time.Sleep(time.Second)
			h.Forget(chat.LobbyID)
			_, err := h.send(ann, old)
			h.must(err)
			if _, err := h.send(ann, other); !errors.Is(err, chat.ErrConflict) {
				t.Errorf("same clientId, other text: %v", err)
			}
		}
		if st := h.Stats(); st.Appended != before.Appended || st.Failed != before.Failed {
			t.Errorf("nothing came of the log: before %+v, then %+v", before, st)
		}
		time.Sleep(1500 * time.Millisecond)
		begin := time.Now()
		if _, err := h.send(ann, hello(fresh())); !errors.Is(err, chat.ErrUnavailable) || time.Since(begin) > 0 {
			t.Errorf("a new send, 5.5 s after the log fell silent: %v after %v", err, time.Since(begin))
		}
		h.Hold(false)
	})
}

func TestLookUpsNeedTheStoreOnlyWhereACopyWouldHarm(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		ctx, topic := context.Background(), "t"
		room := h.create(ann, "Mine", false)
		h.SetStoreDown(true)
		if _, err := h.send(ann, hello("plain")); err != nil {
			t.Errorf("a message without a store: %v", err)
		}
		if _, err := h.Join(ctx, user("bob"), room, ""); err != nil {
			t.Errorf("a join without a store: %v", err)
		}
		update := chat.UpdateRequest{Room: room, ClientID: fresh(), Topic: &topic}
		if _, err := h.Update(ctx, ann, update); err != nil {
			t.Errorf("a young update without a store: %v", err)
		}
		update.ClientID = "plain"
		if _, err := h.Update(ctx, ann, update); !errors.Is(err, chat.ErrUnavailable) {
			t.Errorf("an undated update without a store: %v", err)
		}
		h.SetStoreDown(false)
		if _, err := h.Update(ctx, ann, update); err != nil {
			t.Errorf("the same with it: %v", err)
		}
	})
}

func TestNothingIsLookedUpWhileThePersisterIsPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := chattest.New(silent{})
		ports, looks := w.Ports(), 0
		ports.History = countingHistory{ports.History, &looks}
		ports.Paused = func() bool { return true }
		s := chat.NewService(ports, chat.Limits{}, chat.DefaultTimes(), nil)
		h := house{t, w, s}
		h.must(h.EnsureLobby(context.Background()))
		_, err := h.Join(context.Background(), user("ann"), chat.LobbyID, "")
		h.must(err)
		if _, err := h.send(user("ann"), hello("old")); err != nil || looks != 0 {
			t.Errorf("%v, %d look-ups", err, looks)
		}
	})
}

type countingHistory struct {
	chat.History
	looks *int
}

func (c countingHistory) ByID(ctx context.Context, room chat.RoomID, id chat.MessageID) (chat.Record, error) {
	*c.looks++
	return c.History.ByID(ctx, room, id)
}

func TestMembershipRequestsHaveATime(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		ctx := context.Background()
		now := time.Now()
		for name, c := range map[string]struct {
			id   string
			want chat.Code
		}{
			"made by the server": {"", "ok"},
			"fresh":              {chat.NewUUIDv7(now), "ok"},
			"three minutes old":  {chat.NewUUIDv7(now.Add(-3 * time.Minute)), "ok"},
			"five minutes old":   {chat.NewUUIDv7(now.Add(-5 * time.Minute)), "conflict"},
			"five minutes ahead": {chat.NewUUIDv7(now.Add(5 * time.Minute)), "conflict"},
			"no UUIDv7":          {"join-1", "invalid"},
			"a UUIDv4":           {"0b1f6d1e-7c1a-4b7e-9d39-2f1c3f4e5a6b", "invalid"},
		} {
			if _, err := h.Join(ctx, ann, chat.LobbyID, c.id); code(err) != c.want {
				t.Errorf("join, %s: %v", name, err)
			}
			if name != "made by the server" && c.want != "ok" {
				if err := h.Leave(ctx, ann, chat.LobbyID, c.id); code(err) != c.want {
					t.Errorf("leave, %s: %v", name, err)
				}
			}
		}
		// An old request whose first copy is still known is answered like the first time.
		id := chat.NewUUIDv7(time.Now())
		_, err := h.Join(ctx, ann, chat.LobbyID, id)
		h.must(err)
		time.Sleep(6 * time.Minute)
		if _, err = h.Join(ctx, ann, chat.LobbyID, id); err != nil {
			t.Errorf("a known old join: %v", err)
		}
		// But not as if he were a member still.
		h.must(h.Leave(ctx, ann, chat.LobbyID, ""))
		if _, err = h.Join(ctx, ann, chat.LobbyID, id); code(err) != chat.CodeConflict {
			t.Errorf("a join that has ended since: %v", err)
		}
	})
}

func TestAJoinIsAnsweredFromTheViewThatHasIt(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		for _, blind := range []bool{false, true} {
			h.SetBlind(blind)
			h.SetDelay(200 * time.Millisecond)
			st, err := h.Join(context.Background(), user("bob"), chat.LobbyID, "")
			h.must(err)
			rs := h.Records()
			if st.AsOf < rs[len(rs)-1].Seq || st.Member.State != chat.StateJoined {
				t.Errorf("blind %v: as of %d, member %+v", blind, st.AsOf, st.Member)
			}
		}
	})
}

func TestTheCallerMayLeaveWhileTheAppendGoesOn(t *testing.T) {
	lobby(t, func(t *testing.T, h house, ann chat.User) {
		h.Hold(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		n := len(h.Records())
		if _, err := h.Join(ctx, user("bob"), chat.LobbyID, ""); !errors.Is(err, chat.ErrUnknown) {
			t.Errorf("join: %v", err)
		}
		h.Hold(false)
		if len(h.Records()) != n+1 {
			t.Error("the join is not in the log")
		}
	})
}

func TestInFlightIsBounded(t *testing.T) {
	in(t, chat.Limits{InFlight: 2, Retries: 1}, func(t *testing.T, h house) {
		h.must(h.EnsureLobby(context.Background()))
		ann := user("ann")
		_, err := h.Join(context.Background(), ann, chat.LobbyID, "")
		h.must(err)
		h.Hold(true)
		ignore := func(chat.Sent, error) {}
		h.Send(context.Background(), ann, hello("one"), ignore)
		h.Send(context.Background(), ann, hello("two"), ignore)
		if _, err := h.send(ann, hello("three")); !errors.Is(err, chat.ErrOverloaded) {
			t.Errorf("a third in flight: %v", err)
		}
		if _, err := h.send(ann, hello("one")); !errors.Is(err, chat.ErrOverloaded) {
			t.Errorf("a second try of one: %v", err)
		}
		h.Hold(false)
	})
}
