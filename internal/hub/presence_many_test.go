package hub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/hub"
)

// farPresence takes its time to write, and notes when beats came.
type farPresence struct {
	handle
	far *far
}

type far struct {
	mu    sync.Mutex
	lag   time.Duration
	last  time.Time
	worst time.Duration // between two beats
}

func (p farPresence) Put(ctx context.Context, h chat.Here) error {
	p.far.mu.Lock()
	lag := p.far.lag
	p.far.mu.Unlock()
	select {
	case <-time.After(lag):
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.handle.Put(ctx, h)
}

func (p farPresence) Beat(ctx context.Context) ([]string, bool, error) {
	p.far.mu.Lock()
	if !p.far.last.IsZero() {
		p.far.worst = max(p.far.worst, time.Since(p.far.last))
	}
	p.far.last = time.Now()
	p.far.mu.Unlock()
	return p.handle.Beat(ctx)
}

// manyRooms makes a hub with a reader in each of n rooms, whose entries all have been written.
func manyRooms(t *testing.T, n int, f func(w *world, p *memPresence, far *far)) {
	p, far := &memPresence{here: map[chat.RoomID]map[string]chat.Here{}}, &far{}
	run(t, func(c *hub.Config) { c.Presence = farPresence{handle{p, "n1"}, far} }, func(w *world) {
		for i := range n {
			w.attach(w.room(chat.RoomID(fmt.Sprint("r", i)), "ann"), "ann", chat.AttachHead, &socket{})
		}
		w.sleep(2 * second)
		f(w, p, far)
	})
}

// lose is the loss of all entries, told by the next beat.
func (p *memPresence) lose() {
	p.set(func() { p.forgot, p.here = true, map[chat.RoomID]map[string]chat.Here{} })
}

func (p *memPresence) rooms() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.here)
}

// A node is taken for dead 7 s after its beat, and all that it wrote with it. So however long it takes to write all its entries, the beats
// go on: else a node with many rooms would lose them again and again, and never come to an end.
func TestBeatsGoOnWhileEntriesAreWritten(t *testing.T) {
	manyRooms(t, 300, func(w *world, p *memPresence, far *far) {
		far.mu.Lock()
		far.lag = 900 * time.Millisecond
		far.mu.Unlock()
		p.lose()
		w.sleep(60 * second)
		far.mu.Lock()
		defer far.mu.Unlock()
		if worst := max(far.worst, time.Since(far.last)); worst > 4*second {
			t.Errorf("%v without a beat", worst)
		}
	})
}

// All is rewritten within 5 s of a loss (DESIGN.md §4, Presence): 2 s until the beat tells, then the entries, an answer of the engine 5 ms away.
func TestManyEntriesAreRewrittenInTime(t *testing.T) {
	manyRooms(t, 2000, func(w *world, p *memPresence, far *far) {
		far.mu.Lock()
		far.lag = 5 * time.Millisecond
		far.mu.Unlock()
		p.lose()
		w.sleep(5 * second)
		if n := p.rooms(); n != 2000 {
			t.Errorf("5 s after all was lost %d of 2000 rooms are written", n)
		}
	})
}

// Who is here is asked of each member in the answer to a join: what the other nodes say is not gone through anew for every one of them.
func TestHereIsLookedUp(t *testing.T) {
	withPresence(t, func(w *world, p *memPresence) {
		members := []chat.UserID{"ann"}
		for i := range 150 {
			members = append(members, chat.UserID(fmt.Sprint("u", i)))
		}
		w.room("r", members...)
		for _, u := range members {
			w.attach("r", u, chat.AttachHead, &socket{})
		}
		_ = handle{p, "n2"}.Put(context.Background(), chat.Here{Room: "r", Node: "n2", Users: []chat.User{user("cat")}, Count: 1})
		w.sleep(second)
		w.isHere(t, "r", map[chat.UserID]string{"u7": "here", "cat": "here", "dan": "away"})
		if n := testing.AllocsPerRun(100, func() { w.hub.Here("r", "cat") }); n > 0 {
			t.Errorf("%v allocations for a look at an unchanged room", n)
		}
	})
}
