package crowd

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const room = "r"

// truth is a history of n messages at seqs 10, 20, …, and people who saw all of it; the first sent and had acked every message.
func truth(n int) (History, []*Person) {
	people := []*Person{{Name: "ann", Seen: newWitness("ann")}, {Name: "bob", Seen: newWitness("bob")}}
	h := History{}
	for _, p := range people {
		p.Seen.begin(room, 5)
	}
	for i := range n {
		m := Message{Seq: int64(10 * (i + 1)), ID: fmt.Sprintf("id%d", i), Text: fmt.Sprintf("text %d", i)}
		h[room] = append(h[room], m)
		people[0].Seen.acked(room, m.ID, m.Text, time.Now())
		for _, p := range people {
			p.Seen.event("message:new", room, m.Seq, m.ID, m.Text, time.Now(), time.Time{})
		}
	}
	return h, people
}

func TestJudgePassesTheTruth(t *testing.T) {
	h, people := truth(5)
	people[1].Seen.rooms[room].events = people[1].Seen.rooms[room].events[:2] // he missed three, and was told
	people[1].Seen.gap(room, 20, 50)
	people[0].Seen.event("room:joined", room, 60, "join", "", time.Now(), time.Time{}) // no message, so not in a list of messages
	v, err := Judge(people, h)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Verdict{Acked: 5, Kept: 5, Seen: 7, Gaps: 1}); v != want {
		t.Errorf("counted %+v, want %+v", v, want)
	}
}

// Every way in which a chat server breaks its word, made up, must be found; else a trial that passes says nothing.
func TestJudgeFindsWhatIsMadeUp(t *testing.T) {
	drop := func(ms []Message, i int) []Message { return slices.Delete(slices.Clone(ms), i, i+1) }
	for name, c := range map[string]struct {
		harm func(h History, ann, bob *Witness)
		says string
	}{
		"an acked message is lost": {func(h History, ann, bob *Witness) {
			h[room] = drop(h[room], 2)
			for _, w := range []*Witness{ann, bob} { // nobody saw it
				w.rooms[room].events = slices.Delete(w.rooms[room].events, 2, 3)
			}
		}, "was acked as id2 and is not in history"},
		"an acked message of a room without history": {func(h History, ann, bob *Witness) {
			ann.acked("elsewhere", "id9", "text 9", time.Now())
		}, "was acked in room elsewhere"},
		"an acked message has another text": {func(h History, ann, bob *Witness) { h[room][2].Text = "other" }, `which is "other" in history`},
		"history has an id twice": {func(h History, ann, bob *Witness) {
			h[room] = append(h[room], Message{Seq: 60, ID: "id1", Text: "text 1"})
		}, "id1 (\"text 1\") is in history twice"},
		"history has a text twice under another id": {func(h History, ann, bob *Witness) {
			h[room] = append(h[room], Message{Seq: 60, ID: "new", Text: "text 1"})
		}, "is in history twice"},
		"history goes back": {func(h History, ann, bob *Witness) { h[room][1], h[room][2] = h[room][2], h[room][1] }, "history goes from 30 to 20"},
		"a message became a tombstone": {func(h History, ann, bob *Witness) {
			h[room][3].Deleted = true
		}, "could not be kept"},
		"seen, and lost before it was durable": {func(h History, ann, bob *Witness) {
			bob.event("message:new", room, 60, "ghost", "boo", time.Now(), time.Time{})
		}, `saw ghost at 60 in room r, history has "" there`},
		"seen at another place": {func(h History, ann, bob *Witness) { bob.rooms[room].events[4].seq = 55 }, "bob saw id4 at 55"},
		"seen with another body": {func(h History, ann, bob *Witness) {
			bob.rooms[room].events[1].id = "id9"
		}, `saw id9 at 20 in room r, history has "id1" there`},
		"seen with another text": {func(h History, ann, bob *Witness) { bob.rooms[room].events[1].text = "other" }, `bob saw "other" at 20 in room r, history has "text 1" there`},
		"seen in another order": {func(h History, ann, bob *Witness) {
			e := bob.rooms[room].events
			e[1], e[2] = e[2], e[1]
		}, "bob saw 20 after 30"},
		"seen twice": {func(h History, ann, bob *Witness) {
			bob.event("message:new", room, 50, "id4", "text 4", time.Now(), time.Time{})
		}, "event 50 came after 50"},
		"never seen": {func(h History, ann, bob *Witness) {
			bob.rooms[room].events = slices.Delete(bob.rooms[room].events, 2, 3)
		}, "bob never got 30 of room r, and no gap says so"},
		"a gap that is too short": {func(h History, ann, bob *Witness) {
			bob.rooms[room].events = bob.rooms[room].events[:2]
			bob.gap(room, 20, 40)
		}, "bob never got 50 of room r"},
		"the last message never came": {func(h History, ann, bob *Witness) {
			bob.rooms[room].events = bob.rooms[room].events[:4]
		}, "bob never got 50 of room r"},
		"what lies before the join": {func(h History, ann, bob *Witness) {
			bob.event("message:new", room, 4, "old", "", time.Now(), time.Time{})
		}, "lies before the stream's beginning"},
		"never joined":       {func(h History, ann, bob *Witness) { bob.rooms[room].started = false }, "bob never joined room r"},
		"what a person says": {func(h History, ann, bob *Witness) { bob.fail("not answered") }, "bob: not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			h, people := truth(5)
			c.harm(h, people[0].Seen, people[1].Seen)
			_, err := Judge(people, h)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the judge says %v, wanted %q", err, c.says)
			}
		})
	}
}

// Of many breaches the first are told and the rest counted.
func TestJudgeIsBrief(t *testing.T) {
	h, people := truth(50)
	h[room] = nil
	_, err := Judge(people, h)
	if err == nil || !strings.Contains(err.Error(), "more") || strings.Count(err.Error(), "\n") > 13 {
		t.Errorf("the judge says %v", err)
	}
}

func TestSettleNamesWhoIsBehind(t *testing.T) {
	h, people := truth(3)
	if err := settle(t.Context(), people, h, 0); err != nil {
		t.Error(err)
	}
	people[1].Seen.rooms[room].events = people[1].Seen.rooms[room].events[:2]
	if err := settle(t.Context(), people, h, 0); err == nil || !strings.Contains(err.Error(), "bob has not seen the end of room r (20 of 30)") {
		t.Errorf("settle says %v", err)
	}
}

// A second copy that comes when everyone has everything already is seen all the same.
func TestALateRepeatIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, people := truth(3)
		go func() {
			<-time.After(time.Second)
			people[1].Seen.event("message:new", room, 30, "id2", "text 2", time.Now(), time.Time{})
		}()
		if _, err := (&Crowd{People: people}).Judge(t.Context(), h); err == nil || !strings.Contains(err.Error(), "event 30 came after 30") {
			t.Errorf("the judge says %v", err)
		}
	})
}

// A delay counts by when the message was sent; what came by a replay does not count.
func TestDelays(t *testing.T) {
	w := newWitness("ann")
	start := time.Now().Add(-time.Minute)
	w.event("message:new", room, 1, "replayed", "", start, start.Add(time.Second))
	w.event("message:new", room, 2, "live", "", start.Add(2*time.Second), start.Add(time.Second))
	w.acked(room, "live", "t", start.Add(2*time.Second))
	acks, seen := w.samples(start, start.Add(10*time.Second))
	if len(acks) != 1 || len(seen) != 1 || seen[0] < 50*time.Second {
		t.Errorf("acks %v, seen %v", acks, seen)
	}
	if acks, seen := w.samples(start.Add(10*time.Second), start.Add(20*time.Second)); len(acks)+len(seen) != 0 {
		t.Errorf("later: acks %v, seen %v", acks, seen)
	}
}

func TestSkewedPicksEveryRoomAndFewOften(t *testing.T) {
	counts := make([]int, 8)
	for i := range 1000 {
		counts[skewed(float64(i)/1000, len(counts))]++
	}
	if counts[0] != 800 || slices.Min(counts) == 0 {
		t.Errorf("picked %v", counts)
	}
	for _, n := range []int{1, 2, 5} {
		for i := range 1000 {
			if k := skewed(float64(i)/1000, n); k < 0 || k >= n {
				t.Fatalf("of %d picked %d", n, k)
			}
		}
	}
}
