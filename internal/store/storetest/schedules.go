package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// story is a log of one partition with everything that a persister meets: rooms, all kinds, copies near and far.
type story struct {
	log   []chat.Record
	rooms []chat.RoomID
}

func makeStory(rng *rand.Rand, n int) *story {
	s := &story{rooms: []chat.RoomID{"r0", "r1", "r2"}}
	users := []chat.UserID{"u0", "u1", "u2", "u3"}
	place := 0
	for i := range n {
		place += 1 + rng.IntN(3) // places are not dense
		if len(s.log) > 0 && rng.IntN(4) == 0 {
			c := s.log[rng.IntN(len(s.log))]
			c.Seq, c.At = at(place), c.At+int64(i)
			s.log = append(s.log, c)
			continue
		}
		kinds := []chat.Kind{chat.KindMessage, chat.KindMessage, chat.KindJoin, chat.KindLeave, chat.KindCreate, chat.KindUpdate, chat.KindInvite}
		kind, user := kinds[rng.IntN(len(kinds))], users[rng.IntN(len(users))]
		s.log = append(s.log, record(at(place), kind, s.rooms[rng.IntN(len(s.rooms))], user, fmt.Sprint("c", i), func(b *chat.Body) {
			switch kind {
			case chat.KindUpdate:
				name := fmt.Sprint("name ", i)
				b.Name = &name
			case chat.KindInvite:
				b.Invitee = users[rng.IntN(len(users))]
			}
		}))
	}
	return s
}

// through is the reference: the first copies of a room up to w, and their fold.
func (s *story) through(room chat.RoomID, w chat.Seq) (rows []chat.Record, v *chat.View) {
	v = chat.NewView(chat.Room{}, nil)
	seen := map[chat.MessageID]bool{}
	for _, r := range s.log {
		if r.Seq > w || seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		if r.Room == room {
			rows, v = append(rows, r), v.Fold(r)
		}
	}
	return rows, v
}

// persister saves the story in batches; it may begin again anywhere below what it, or W, has reached.
type persister struct {
	s     *story
	next  int // index of the next record
	batch int
}

func (p *persister) step(t *testing.T, to Store, rng *rand.Rand) {
	end := min(len(p.s.log), p.next+1+rng.IntN(p.batch))
	if p.next == end {
		return
	}
	rs := p.s.log[p.next:end]
	if err := to.Save(ctxOf(t), 0, changes(rs...), chat.Mark{Seq: rs[len(rs)-1].Seq}); err != nil {
		t.Error(err)
	}
	p.next = end
}

// testSchedules: batches that overlap, repeat, and begin again at W or before it, of two persisters in turn.
func testSchedules(t *testing.T, h Harness) {
	for seed := range uint64(cmp.Or(h.Schedules, 5)) {
		rng := rand.New(rand.NewPCG(seed, 1))
		story, s := makeStory(rng, 120), open(t, h)
		ps := []*persister{{s: story, batch: 10}, {s: story, batch: 25}}
		for step := 0; ps[0].next < len(story.log) || ps[1].next < len(story.log); step++ {
			p := ps[rng.IntN(2)]
			switch rng.IntN(6) {
			case 0:
				p.next -= rng.IntN(min(p.next, 30) + 1) // the same again
			case 1:
				p.next = story.atW(t, s) // a restart
			}
			p.step(t, s, rng)
			if step%6 == 0 && (h.Sample <= 1 || step%12 == 0) {
				story.check(t, s, seed, false)
			}
		}
		story.check(t, s, seed, true)
		ps[0].next = 0 // and once more from the very first
		for ps[0].next < len(story.log) {
			ps[0].step(t, s, rng)
		}
		story.check(t, s, seed, true)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// testTwoAtOnce: the same with real concurrency, of three persisters in two processes.
func testTwoAtOnce(t *testing.T, h Harness) {
	for seed := range uint64(min(3, cmp.Or(h.Schedules, 3))) {
		story, s := makeStory(rand.New(rand.NewPCG(seed, 2)), 150), open(t, h)
		handles := []Store{s, h.Beside(t, s), s}
		var wg sync.WaitGroup
		for i, handle := range handles {
			rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
			wg.Go(func() {
				for p := (&persister{s: story, batch: 12}); p.next < len(story.log); {
					p.step(t, handle, rng)
				}
			})
		}
		wg.Wait()
		story.check(t, s, seed, true)
	}
}

// atW gives the index of the first record above W.
func (s *story) atW(t *testing.T, store Store) int {
	st, err := store.State(ctxOf(t))
	must(t, err)
	for i, r := range s.log {
		if r.Seq > st.W[0].Seq {
			return i
		}
	}
	return len(s.log)
}

// check compares the store with the reference as of W; at the end also the states, which before may be ahead of W.
func (s *story) check(t *testing.T, store Store, seed uint64, end bool) {
	t.Helper()
	for _, room := range s.rooms {
		p := page(t, store, room, chat.Range{All: true}, MaxPage)
		rows, v := s.through(room, p.AsOf)
		same(t, fmt.Sprintf("seed %d, rows of %s as of %d", seed, room, p.AsOf.Offset()), p.Rows, rows)
		if end {
			sameView(t, view(t, store, room), v)
		}
	}
	if last := s.log[len(s.log)-1].Seq; end {
		if p := page(t, store, s.rooms[0], chat.Range{}, 1); p.AsOf != last {
			t.Fatalf("seed %d: W ends at %d, the log at %d", seed, p.AsOf.Offset(), last.Offset())
		}
	}
}

// MaxPage is the largest page that every engine must give.
const MaxPage = 5000
