package msglog_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/msglog/logtest"
)

// ledger is what a store would be to the members of a group: what was read of each partition, in order, and how far. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	marks map[int]chat.Mark
	ids   map[int][]chat.MessageID
}

func newLedger() *ledger { return &ledger{marks: map[int]chat.Mark{}, ids: map[int][]chat.MessageID{}} }

func (l *ledger) at(p int) chat.Mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks[p]
}

// save is guarded as the store is: what is known already changes nothing.
func (l *ledger) save(p int, rs []chat.Record, upTo chat.Mark) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rs {
		if r.Seq > l.marks[p].Seq {
			l.ids[p] = append(l.ids[p], r.ID)
		}
	}
	if upTo.Seq > l.marks[p].Seq {
		l.marks[p] = upTo
	}
}

func (l *ledger) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ids := range l.ids {
		n += len(ids)
	}
	return n
}

// follower is a member of a group.
type follower struct {
	ledger *ledger
	block  func(ctx context.Context, p int) // in Records with something in them; nil: do not

	mu     logtest.Watched
	held   map[int]bool
	begins map[int]int
}

func newFollower(l *ledger) *follower {
	return &follower{ledger: l, held: map[int]bool{}, begins: map[int]int{}}
}

func (f *follower) Begin(_ context.Context, p int) (chat.Mark, error) {
	f.mu.Change(func() {
		f.held[p] = true
		f.begins[p]++
	})
	return f.ledger.at(p), nil
}

func (f *follower) Records(ctx context.Context, p int, rs []chat.Record, upTo chat.Mark, _ bool) {
	if f.block != nil && len(rs) > 0 {
		f.block(ctx, p)
	}
	if ctx.Err() != nil {
		return
	}
	f.mu.Change(func() { f.ledger.save(p, rs, upTo) })
}

func (f *follower) End(p int) { f.mu.Change(func() { delete(f.held, p) }) }

// until waits for a state of the follower; ok is called under its lock.
func (f *follower) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	if !f.mu.Until(kafkaPatience, ok) {
		f.mu.Lock()
		defer f.mu.Unlock()
		t.Fatalf("waited in vain until %s; it holds %v, and %d records are read", what, slices.Sorted(maps.Keys(f.held)), f.ledger.count())
	}
}

// join runs Join until stop, which tells an error of it.
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
	f := newFollower(newLedger())
	stop := join(t, log, group, f)
	f.until(t, "a member sees everything", func() bool { return f.ledger.count() == n })
	stop()
}

// within fails unless what comes true in time; it looks ten times a second.
func within(t testing.TB, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
