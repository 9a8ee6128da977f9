package msglog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	tailBytes  = 4 << 20                // of one reading
	tailWait   = 20 * time.Millisecond  // between two looks at a partition in which nothing happens,
	tailRest   = 160 * time.Millisecond // after a while
	tailGiveUp = 3 * time.Second        // of readings that fail: then the log is away
)

// Tail implements chat.Log. It reads over a connection that all Tails share, so that it never waits at the broker: a partition in which
// nothing happens is looked at again after a moment. While the log is away it ends with ErrUnavailable.
func (k *Kafka) Tail(ctx context.Context, p int, after chat.Mark, f func(rs []chat.Record, upTo chat.Mark, atEnd bool) error) error {
	if p < 0 || p >= k.partitions {
		return k.noPartition(p)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	at, err := k.stand(ctx, p, after)
	if err == nil {
		err = (&tail{k: k, p: p, at: at, f: f, told: time.Now().Add(-beat)}).run(ctx)
	}
	if err != nil && (errors.Is(err, chat.ErrTrimmed) || errors.Is(err, chat.ErrRewound) || errors.Is(err, chat.ErrUnavailable)) && ctx.Err() == nil {
		return fmt.Errorf("read partition %d of %s from %d: %w", p, k.topic, after.Seq, err)
	}
	return err
}

// tail is one reader of one partition.
type tail struct {
	k    *Kafka
	p    int
	at   place
	f    func(rs []chat.Record, upTo chat.Mark, atEnd bool) error
	told time.Time // when f was last called
}

func (t *tail) run(ctx context.Context) error {
	good, idle := time.Now(), 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.k.life.Err() != nil {
			return fmt.Errorf("%w: the log is closed", chat.ErrUnavailable)
		}
		got, err := t.read(ctx)
		if err == nil {
			good = time.Now()
			moved, err := t.give(got)
			if err != nil {
				return err
			}
			if moved {
				idle = 0
			}
			if !got.atEnd {
				continue
			}
			idle++
			t.rest(ctx, min(tailWait<<min(idle/8, 8), tailRest))
			continue
		}
		if final := t.k.readable(ctx, t.p, t.at, err); final != nil {
			return final
		}
		if time.Since(good) > tailGiveUp || t.k.state.problem() != nil {
			return fmt.Errorf("%w: %w", chat.ErrUnavailable, err)
		}
		t.rest(ctx, tailRest)
		t.k.refresh(ctx)
	}
}

var errNoLeader = errors.New("the partition has no leader")

func (t *tail) read(ctx context.Context) (portion, error) {
	leader, ok := t.k.leader(t.p)
	if !ok {
		return portion{}, errNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, tailGiveUp)
	defer cancel()
	all, err := t.k.fetch(ctx, t.k.admin, leader, []reading{{t.p, t.at, tailBytes}}, 0)
	switch {
	case err != nil:
		return portion{}, err
	case len(all) != 1:
		return portion{}, errNoLeader
	}
	return all[0], all[0].err
}

// give hands over what was read, in pieces that a reader may be given; nothing, if he has been told so a moment ago.
func (t *tail) give(got portion) (moved bool, err error) {
	moved = got.to.next > t.at.next
	if !moved && time.Since(t.told) < beat {
		return false, nil
	}
	for piece := range pieces(got) {
		t.at, t.told = piece.to, time.Now()
		if err := t.f(piece.rs, t.k.mark(piece.to), piece.atEnd); err != nil {
			return moved, err
		}
	}
	t.told = time.Now()
	return moved, nil
}

func (t *tail) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-t.k.life.Done():
	}
}

// kafkaBatch is how many records a reader gets at once: less than chat.MaxBatch, since the stores beside Kafka are other machines, and a save
// there costs by the record.
const kafkaBatch = 2000

// fits says how many of the records a reader may be given at once, one at least.
func fits(rs []chat.Record) int {
	size := 0
	for i, r := range rs {
		if size += r.Size(); i == kafkaBatch || i > 0 && size > chat.MaxBatchBytes {
			return i
		}
	}
	return len(rs)
}

// pieces cuts a portion into what a reader gets at once: 2,000 records or 8 MiB. Only the last reaches to its end.
func pieces(got portion) func(yield func(portion) bool) {
	return func(yield func(portion) bool) {
		rest := got.rs
		for n := fits(rest); n < len(rest); n = fits(rest) {
			head := slices.Clip(rest[:n])
			last := head[n-1]
			rest = rest[n:]
			if !yield(portion{p: got.p, rs: head, to: place{last.Seq.Offset() + 1, -1}}) {
				return
			}
		}
		yield(portion{p: got.p, rs: slices.Clip(rest), to: got.to, atEnd: got.atEnd})
	}
}
