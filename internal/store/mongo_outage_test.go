package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// outageLog is a log of batches: two rooms, messages, and users who leave and join again.
func outageLog(batches, size int) (log [][]chat.Change) {
	place := int64(0)
	for range batches {
		var batch []chat.Change
		for i := range size {
			place++
			room := chat.RoomID(fmt.Sprint("room", place%2))
			user := chat.UserID(fmt.Sprint("user", place%10))
			r := chat.Record{Seq: chat.MakeSeq(1, place), Kind: chat.KindMessage, Room: room, ID: chat.MessageID(fmt.Sprint("id", place)), User: user}
			b := chat.Body{ID: r.ID, RoomID: room, User: chat.User{ID: user, Name: fmt.Sprint("N", place)}, At: place}
			switch {
			case place <= 2:
				r.Kind, r.Subject, b.Room = chat.KindCreate, user, &chat.RoomInfo{Name: string(room), Owner: user}
			case i%5 == 3:
				r.Kind, r.Subject = chat.KindJoin, user
			case i%5 == 4 && i%20 != 19:
				r.Kind, r.Subject = chat.KindLeave, user
			}
			r.Body = b.Encode()
			c := chat.Change{Row: r}
			if r.Kind == chat.KindCreate {
				c.Room = &r
			}
			if m, ok := chat.MembershipChange(r); ok {
				c.Member = &m
			}
			batch = append(batch, c)
		}
		log = append(log, batch)
	}
	return log
}

// TestKilledAndPausedInMidSave: the server is killed, and stopped for longer than a save waits, while saves are under way. Whoever saves
// begins again at W each time. Nothing is lost, nothing is there twice, members are right, and W never goes back.
func TestKilledAndPausedInMidSave(t *testing.T) {
	t.Parallel()
	server := enginetest.NewMongo(t)
	s := mongoAt(t, server.Addr(), "hubbub")
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	log := outageLog(40, 40)
	begun, trouble := make(chan int), make(chan error, 1000)
	saved := make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	go func() {
		defer close(saved)
		saveAll(ctx, t, s, log, begun, trouble)
	}()
	type fault struct {
		at         int // the batch at which it comes
		hurt, mend func() error
	}
	faults := []fault{{4, server.Kill, server.Restart}, {11, server.Pause, server.Continue}, {18, server.Kill, server.Restart},
		{25, server.Pause, server.Continue}, {32, server.Kill, server.Restart}}
	for n := range begun {
		if len(faults) == 0 || n < faults[0].at {
			continue
		}
		if err := faults[0].hurt(); err != nil {
			t.Fatal(err)
		}
		for hurts := false; !hurts; {
			select {
			case err := <-trouble:
				t.Logf("batch %d: %v", n, err)
				hurts = true
			case n = <-begun: // it was faster
			}
		}
		if err := faults[0].mend(); err != nil {
			t.Fatal(err)
		}
		faults = faults[1:]
	}
	<-saved
	if len(faults) > 0 {
		t.Errorf("%d faults did not happen", len(faults))
	}
	sameAsLog(t, s, log)
}

// saveAll saves as a persister does: from W on, and after an error again from W on. It tells of each save before it begins, and of each
// error.
func saveAll(ctx context.Context, t *testing.T, s *store.Mongo, log [][]chat.Change, begun chan<- int, trouble chan<- error) {
	defer close(begun)
	var w chat.Seq
	for ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
		st, err := s.State(short)
		cancel()
		if err != nil {
			trouble <- err
			continue
		}
		if st.W[0].Seq < w {
			t.Errorf("W went back from %d to %d", w, st.W[0].Seq)
			return
		}
		w = st.W[0].Seq
		n := 0
		for n < len(log) && log[n][len(log[n])-1].Row.Seq <= w {
			n++
		}
		if n == len(log) {
			return
		}
		select {
		case begun <- n:
		case <-ctx.Done():
			return
		}
		short, cancel = context.WithTimeout(ctx, 1500*time.Millisecond)
		if err := s.Save(short, 0, log[n], chat.Mark{Seq: log[n][len(log[n])-1].Row.Seq, Proof: uint64(n)}); err != nil {
			trouble <- err
		}
		cancel()
	}
	t.Error("not all was saved in time")
}

// sameAsLog compares what the store holds with the log's fold.
func sameAsLog(t *testing.T, s storeUnderTest, log [][]chat.Change) {
	t.Helper()
	for i := range 2 {
		room := chat.RoomID(fmt.Sprint("room", i))
		view := chat.NewView(chat.Room{}, nil)
		var want []chat.Record
		for _, batch := range log {
			for _, c := range batch {
				if c.Row.Room == room {
					want, view = append(want, c.Row), view.Fold(c.Row)
				}
			}
		}
		p, err := s.Page(t.Context(), room, chat.Range{All: true}, 5000)
		if err != nil || len(p.Rows) != len(want) || p.HasMore {
			t.Fatalf("%s has %d rows of %d, %v", room, len(p.Rows), len(want), err)
		}
		for i, r := range p.Rows {
			if r.ID != want[i].ID || r.Seq != want[i].Seq || string(r.Body) != string(want[i].Body) {
				t.Fatalf("%s: row %d is %+v, want %+v", room, i, r, want[i])
			}
		}
		members, _, err := s.Members(t.Context(), room, "", 100)
		if err != nil || len(members) != view.Members() {
			t.Fatalf("%s has %d members, want %d (%v)", room, len(members), view.Members(), err)
		}
		for _, m := range members {
			if m != view.Member(m.User.ID) {
				t.Errorf("%s: %+v, want %+v", room, m, view.Member(m.User.ID))
			}
		}
		if got, _, err := s.Room(t.Context(), room); err != nil || got != view.Room() {
			t.Errorf("%s is %+v, want %+v (%v)", room, got, view.Room(), err)
		}
	}
}
