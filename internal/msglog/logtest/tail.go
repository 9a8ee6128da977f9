package logtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func testTailEveryPlace(t *testing.T, h Harness) {
	want := mustAppend(t, h.Log, rooms()[0], 40)
	all, end := read(t, h.Log, 0, chat.Mark{})
	same(t, all, want)
	for i, r := range all {
		got, upTo := read(t, h.Log, 0, chat.Mark{Seq: r.Seq})
		same(t, got, want[i+1:])
		if upTo.Seq != end.Seq {
			t.Fatalf("from %d the end is %d, from the start %d", r.Seq, upTo.Seq, end.Seq)
		}
	}
	got, _ := read(t, h.Log, 0, chat.Mark{Seq: all[0].Seq - 1})
	same(t, got, want)
	if got, upTo := read(t, h.Log, 0, end); len(got) > 0 || upTo.Seq != end.Seq {
		t.Fatalf("behind the end there are %d records up to %+v", len(got), upTo)
	}
}

func testTailBounded(t *testing.T, h Harness) {
	const n = 5000
	want := mustAppend(t, h.Log, rooms()[0], n)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var got []chat.Record
	var marks []chat.Mark
	err := h.Log.Tail(ctx, 0, chat.Mark{}, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
		if len(rs) > chat.MaxBatch {
			t.Errorf("%d records at once", len(rs))
		}
		if len(rs) > 0 && upTo.Seq < rs[len(rs)-1].Seq {
			t.Errorf("up to %d, but record %d was given", upTo.Seq, rs[len(rs)-1].Seq)
		}
		got, marks = append(got, rs...), append(marks, upTo)
		if atEnd {
			return errEnough
		}
		if len(got) >= n {
			t.Error("all was given, but not as the end")
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	same(t, got, want)
	for _, m := range marks { // what one reader was told another may go on from
		rest, _ := read(t, h.Other(t), 0, m)
		if len(rest) > 0 && rest[0].Seq <= m.Seq || len(rest) > n {
			t.Fatalf("from %+v: %d records, the first at %d", m, len(rest), rest[0].Seq)
		}
	}
}

func testTailFollows(t *testing.T, h Harness) {
	room := rooms()[1]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen := make(chan chat.Record, 100)
	atEnd := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- h.Other(t).Tail(ctx, 1, chat.Mark{}, func(rs []chat.Record, _ chat.Mark, end bool) error {
			for _, r := range rs {
				seen <- r
			}
			if end {
				select {
				case atEnd <- struct{}{}:
				default:
				}
			}
			return nil
		})
	}()
	<-atEnd // now it waits
	for i := range 20 {
		if a := appendAll(t, h.Log, record(room, i))[0]; a.err != nil {
			t.Fatal(a.err)
		}
		select {
		case r := <-seen:
			if r.ID != record(room, i).ID {
				t.Fatalf("record %d is %s", i, r.ID)
			}
		case <-ctx.Done():
			t.Fatal("a waiting tail does not see what is appended")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("ended by %v", err)
	}
}

func testTailBeats(t *testing.T, h Harness) {
	mustAppend(t, h.Log, rooms()[0], 3)
	_, end := read(t, h.Log, 0, chat.Mark{})
	for p, after := range []chat.Mark{end, {}} { // one that has records, one that is empty
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		calls, start := 0, time.Now()
		err := h.Log.Tail(ctx, p, after, func(rs []chat.Record, upTo chat.Mark, atEnd bool) error {
			if calls++; len(rs) > 0 || !atEnd || upTo.Seq < after.Seq {
				t.Errorf("call %d: %d records, up to %+v, at the end: %v", calls, len(rs), upTo, atEnd)
			}
			if calls == 4 {
				return errEnough
			}
			return nil
		})
		cancel()
		// One a second is promised; a busy machine and a broker's first fetch may cost some more.
		if took := time.Since(start); !errors.Is(err, errEnough) || took > 15*time.Second {
			t.Fatalf("%d calls in %s, %v", calls, took, err)
		}
	}
}

func testTailEnds(t *testing.T, h Harness) {
	mustAppend(t, h.Log, rooms()[0], 3)
	mine := errors.New("mine")
	calls := 0
	err := h.Log.Tail(context.Background(), 0, chat.Mark{}, func([]chat.Record, chat.Mark, bool) error {
		calls++
		return mine
	})
	if !errors.Is(err, mine) || calls != 1 {
		t.Fatalf("%v after %d calls, want the error of f after one", err, calls)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = h.Log.Tail(ctx, 0, chat.Mark{}, func([]chat.Record, chat.Mark, bool) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("with a dead context: %v", err)
	}
	for _, p := range []int{-1, Partitions} {
		if _, _, err := tryRead(h.Log, p, chat.Mark{}); !errors.Is(err, &chat.Error{Code: chat.CodeInvalid}) {
			t.Fatalf("partition %d: %v", p, err)
		}
	}
}

func testTailRewound(t *testing.T, h Harness) {
	mustAppend(t, h.Log, rooms()[0], 10)
	rs, end := read(t, h.Log, 0, chat.Mark{})
	if end.Proof == 0 {
		t.Fatal("the mark at the end has no proof")
	}
	for name, m := range map[string]chat.Mark{
		"beyond the end":  {Seq: end.Seq + 1000},
		"next generation": {Seq: chat.MakeSeq(end.Seq.Generation()+1, 0)},
		"wrong proof":     {Seq: end.Seq, Proof: end.Proof + 1},
	} {
		if rs, _, err := tryRead(h.Log, 0, m); !errors.Is(err, chat.ErrRewound) {
			t.Errorf("%s: %d records, %v", name, len(rs), err)
		}
	}
	if got, _ := read(t, h.Log, 0, end); len(got) > 0 {
		t.Errorf("the right proof gives %d records", len(got))
	}
	got, _ := read(t, h.Log, 0, chat.Mark{Seq: rs[3].Seq}) // unchecked
	same(t, got, rs[4:])
}

func testTrim(t *testing.T, h Harness) {
	ctx := context.Background()
	want := mustAppend(t, h.Log, rooms()[0], 3000)
	all, end := read(t, h.Log, 0, chat.Mark{})
	for _, i := range []int{0, 999, 1000, 2998} {
		through := all[i].Seq
		if err := h.Log.Trim(ctx, 0, through); err != nil {
			t.Fatal(err)
		}
		got, _ := read(t, h.Log, 0, chat.Mark{Seq: through})
		same(t, got, want[i+1:])
		info, err := h.Log.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		at := info.Partitions[0]
		if at.First > through+1 || at.Last < end.Seq && at.Last < all[len(all)-1].Seq {
			t.Fatalf("trimmed through %d, the log reaches from %d to %d", through, at.First, at.Last)
		}
		if at.First > all[0].Seq {
			if _, _, err := tryRead(h.Log, 0, chat.Mark{}); !errors.Is(err, chat.ErrTrimmed) {
				t.Fatalf("from the start of a trimmed log: %v", err)
			}
			if _, _, err := tryRead(h.Log, 0, chat.Mark{Seq: at.First - 2}); !errors.Is(err, chat.ErrTrimmed) {
				t.Fatalf("from two before the first: %v", err)
			}
		}
		rest, _ := read(t, h.Log, 0, chat.Mark{Seq: at.First - 1})
		if len(rest) == 0 || rest[0].Seq > through+1 {
			t.Fatalf("from the first place there are %d records", len(rest))
		}
	}
	if a := appendAll(t, h.Log, record(rooms()[0], 9999))[0]; a.err != nil {
		t.Fatalf("append after trim: %v", a.err)
	}
	if got, _ := read(t, h.Log, 0, end); len(got) != 1 {
		t.Fatalf("%d records behind the old end", len(got))
	}
}
