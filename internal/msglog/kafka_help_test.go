package msglog_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// follower is a Handler that remembers what it was given, and goes on from there when a partition comes back. Several members of a group
// may share one: it is then what a store would be.
type follower struct {
	block func(ctx context.Context, p int) // in Records with something in them; nil: do not

	mu    sync.Mutex
	marks map[int]chat.Mark
	ids   []chat.MessageID
	held  map[int]bool
	moved chan struct{} // closed and replaced at each change
}

func newFollower() *follower {
	return &follower{marks: map[int]chat.Mark{}, held: map[int]bool{}, moved: make(chan struct{})}
}

func (f *follower) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
	close(f.moved)
	f.moved = make(chan struct{})
}

func (f *follower) Begin(_ context.Context, p int) (m chat.Mark, _ error) {
	f.change(func() { m, f.held[p] = f.marks[p], true })
	return m, nil
}

func (f *follower) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, _ bool) {
	if f.block != nil && len(rs) > 0 {
		f.block(ctx, p)
	}
	if ctx.Err() != nil {
		return
	}
	f.change(func() {
		for _, r := range rs {
			f.ids = append(f.ids, r.ID)
		}
		f.marks[p] = upTo
	})
}

func (f *follower) End(p int) { f.change(func() { delete(f.held, p) }) }

// until waits for a state of the follower; ok is called under its lock.
func (f *follower) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(kafkaPatience)
	for {
		f.mu.Lock()
		done, moved := ok(), f.moved
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-moved:
		case <-timeout:
			f.mu.Lock()
			defer f.mu.Unlock()
			t.Fatalf("waited in vain until %s; it holds %v and has seen %d records", what, slices.Sorted(maps.Keys(f.held)), len(f.ids))
		}
	}
}

// join runs Join; stop ends it, and tells an error of its.
func join(t testing.TB, log chat.Log, group string, h chat.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- log.Join(ctx, group, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Join of %s: %v", group, err)
			}
		case <-time.After(kafkaPatience):
			t.Errorf("Join of %s does not end", group)
		}
	})
	t.Cleanup(stop)
	return stop
}

// sees joins a group, and waits for so many records.
func sees(t testing.TB, log chat.Log, group string, n int) {
	t.Helper()
	f := newFollower()
	stop := join(t, log, group, f)
	f.until(t, "a member sees everything", func() bool { return len(f.ids) == n })
	stop()
}
