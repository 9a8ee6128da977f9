package presence_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/presence"
	"github.com/hubbub-chat/hubbub/internal/presence/presencetest"
)

func TestMemory(t *testing.T) {
	presencetest.Run(t, func(t *testing.T, f func(*testing.T, presencetest.Harness)) {
		synctest.Test(t, func(t *testing.T) {
			b := presence.NewBoard()
			f(t, presencetest.Harness{Node: b.Node, Pass: time.Sleep, Flush: b.Forget})
		})
	})
}

// TestExactLifetime: alive a moment before 7 s, dead at 7 s.
func TestExactLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := presence.NewBoard()
		a, c := b.Node("a"), b.Node("c")
		if _, _, err := a.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			d     time.Duration
			alive string
		}{{presence.Lifetime - 1, "[a c]"}, {1, "[c]"}} {
			time.Sleep(step.d)
			if alive, _, err := c.Beat(t.Context()); err != nil || fmt.Sprint(alive) != step.alive {
				t.Errorf("after %v more alive are %v, %v", step.d, alive, err)
			}
		}
	})
}

// TestNewLife: a node that crashed and is back under its name does not keep what its earlier life told.
func TestNewLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := presence.NewBoard()
		if err := b.Node("a").Put(t.Context(), chat.Here{Room: "x", Count: 3}); err != nil {
			t.Fatal(err)
		}
		again := b.Node("a")
		if _, forgotten, err := again.Beat(t.Context()); err != nil || forgotten {
			t.Errorf("the first beat: forgotten %v, %v", forgotten, err)
		}
		if hs, err := again.Union(t.Context(), []chat.RoomID{"x"}); err != nil || len(hs) != 0 {
			t.Errorf("union %v, %v", hs, err)
		}
	})
}

func TestRoomsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := presence.NewBoard().Node("a")
		put := func(i, count int) error {
			return a.Put(t.Context(), chat.Here{Room: chat.RoomID(fmt.Sprint(i)), Count: count})
		}
		for i := range presence.MaxRooms {
			if err := put(i, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := put(presence.MaxRooms, 1); !errors.Is(err, chat.ErrOverloaded) {
			t.Errorf("one more: %v", err)
		}
		if err := errors.Join(put(0, 2), put(1, -1), put(presence.MaxRooms, 1)); err != nil {
			t.Errorf("replace, remove, add: %v", err)
		}
	})
}

// TestManyNodesAtOnce is for the race detector.
func TestManyNodesAtOnce(t *testing.T) {
	b := presence.NewBoard()
	var wg sync.WaitGroup
	for i := range 8 {
		p := b.Node(fmt.Sprint(i))
		wg.Go(func() {
			for j := range 200 {
				err := p.Put(t.Context(), chat.Here{Room: "x", Users: []chat.User{{ID: "ann"}}, Count: 1})
				_, _, beat := p.Beat(t.Context())
				_, union := p.Union(t.Context(), []chat.RoomID{"x"})
				if err := errors.Join(err, beat, union); err != nil {
					t.Errorf("round %d: %v", j, err)
				}
			}
		})
	}
	wg.Wait()
	if hs, err := b.Node("last").Union(t.Context(), []chat.RoomID{"x"}); err != nil || len(hs) != 8 {
		t.Errorf("%d entries, %v", len(hs), err)
	}
}
