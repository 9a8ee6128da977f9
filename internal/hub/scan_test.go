package hub_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestManyRoomsShareAScan(t *testing.T) {
	run(t, nil, func(w *world) {
		for i := range 200 {
			w.put(chat.KindCreate, chat.RoomID(fmt.Sprint("r", i)), "ann")
		}
		errs := make(chan error, 200)
		for i := range 200 {
			go func() {
				_, _, err := w.hub.View(context.Background(), chat.RoomID(fmt.Sprint("r", i)), 0)
				errs <- err
			}()
		}
		for range 200 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if n := w.log.tails; n > 40 {
			t.Errorf("%d readings of the log for 200 rooms", n)
		}
	})
}

// A room that opens may have a long way to read; a hole in a live room does not wait for it.
func TestHoleDoesNotWaitForAnOpening(t *testing.T) {
	run(t, nil, func(w *world) {
		s := live(w)
		w.hist.set(func() { w.hist.w = 0 })
		gate := make(chan struct{})
		w.log.change(func() { w.log.below, w.log.gate = at(1), gate })
		opened := make(chan error, 1)
		go func() {
			_, _, err := w.hub.View(context.Background(), "other", 0)
			opened <- err
		}()
		synctest.Wait()
		w.spanOf(w.put(chat.KindMessage, "r", "ann"))
		w.say("r", "ann")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		s.wants(t, 2, 3)
		close(gate)
		if err := <-opened; chat.AsError(err).Code != chat.CodeNotFound {
			t.Errorf("the room that opened: %v", err)
		}
	})
}

func TestPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, log: newMemLog(4), bus: &memBus{}, heads: map[chat.RoomID]chat.Seq{}}
		w.hist = &memHistory{log: w.log}
		end := w.start(nil)
		defer end()
		socks := map[chat.RoomID]*socket{}
		used := map[int]bool{}
		for i := range 12 {
			id := chat.RoomID(fmt.Sprint("r", i))
			used[chat.PartitionOf(id, 4)] = true
			w.put(chat.KindCreate, id, "ann")
			socks[id] = &socket{}
			w.attach(id, "ann", chat.AttachHead, socks[id])
		}
		if len(used) != 4 {
			t.Fatalf("the rooms lie in %v", used)
		}
		for id := range socks {
			w.put(chat.KindMessage, id, "ann") // no relay, no digest: every partition is tailed
		}
		time.Sleep(4 * second)
		synctest.Wait()
		for id, s := range socks {
			if s.got() == "[]" {
				t.Errorf("room %s of partition %d got nothing", id, chat.PartitionOf(id, 4))
			}
		}
		if n := w.hub.Stats(); n.Tailing != 4 {
			t.Errorf("stats: %+v", n)
		}
		w.bus.send(chat.DigestChannel(2), chat.Digest{P0: w.log.end(2), P1: w.log.end(2)}.Encode())
		if n := w.hub.Stats(); n.Tailing != 3 {
			t.Errorf("a digest ends the tailing of its own partition only: %+v", n)
		}
	})
}
