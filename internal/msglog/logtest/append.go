package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func testAppendOrder(t *testing.T, h Harness) {
	room := rooms()[1]
	const n = 500
	var mu sync.Mutex
	var order []int
	var seqs []chat.Seq
	var extra atomic.Int32
	all := make(chan struct{})
	for i := range n {
		h.Log.Append(record(room, i), func(seq chat.Seq, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
			order, seqs = append(order, i), append(seqs, seq)
			if len(order) == n {
				close(all)
			}
			if len(order) > n {
				extra.Add(1)
			}
		})
	}
	select {
	case <-all:
	case <-time.After(patience):
		t.Fatal("not all appends are answered")
	}
	got, _ := read(t, h.Log, 1, chat.Mark{})
	mu.Lock()
	defer mu.Unlock()
	if !slices.IsSorted(order) || extra.Load() > 0 {
		t.Fatalf("answers came out of order or twice: %v", order)
	}
	for i, r := range got {
		if r.ID != record(room, i).ID {
			t.Fatalf("record %d is %s: appends of one caller to one room must keep their order", i, r.ID)
		}
		if seqs[i] != 0 && seqs[i] != r.Seq {
			t.Fatalf("record %d was said to be at %d and is at %d", i, seqs[i], r.Seq)
		}
	}
	if len(got) != n {
		t.Fatalf("%d records, want %d", len(got), n)
	}
}

func testAppendLocks(t *testing.T, h Harness) {
	// A caller may hold a lock that his done takes, and a done may append again.
	var mu sync.Mutex
	done := make(chan error, 2)
	mu.Lock()
	h.Log.Append(record("a", 1), func(_ chat.Seq, err error) {
		mu.Lock()
		defer mu.Unlock()
		done <- err
		h.Log.Append(record("a", 2), func(_ chat.Seq, err error) { done <- err })
	})
	big := record("a", 3)
	big.Body = bytes.Repeat([]byte("x"), chat.MaxRecordSize+1)
	refused := make(chan error, 1)
	h.Log.Append(big, func(_ chat.Seq, err error) {
		mu.Lock()
		defer mu.Unlock()
		refused <- err
	})
	mu.Unlock()
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			t.Fatal("an append is not answered")
		}
	}
	select {
	case err := <-refused:
		if err == nil {
			t.Fatal("a record above the limit was taken")
		}
	case <-time.After(patience):
		t.Fatal("a refused append is not answered")
	}
}

func testAppendMany(t *testing.T, h Harness) {
	const callers, each = 16, 60
	all := rooms()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			rs := make([]chat.Record, each)
			for i := range rs {
				rs[i] = record(all[(c+i)%Partitions], c*1000+i)
			}
			for i, a := range appendAll(t, h.Log, rs...) {
				if a.err != nil {
					t.Errorf("caller %d, append %d: %v", c, i, a.err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[chat.MessageID]bool{}
	latest := map[string]uint64{}
	for p := range Partitions {
		rs, _ := read(t, h.Log, p, chat.Mark{})
		var last chat.Seq
		for _, r := range rs {
			by := fmt.Sprint(r.Sum/1000, r.Room)
			switch {
			case seen[r.ID]:
				t.Fatalf("%s is there twice", r.ID)
			case chat.PartitionOf(r.Room, Partitions) != p:
				t.Fatalf("room %s is in partition %d", r.Room, p)
			case r.Seq <= last:
				t.Fatalf("seq %d behind %d", r.Seq, last)
			case latest[by] > r.Sum:
				t.Fatalf("caller's record %d behind %d", r.Sum, latest[by])
			}
			seen[r.ID], last, latest[by] = true, r.Seq, r.Sum
		}
	}
	if len(seen) != callers*each {
		t.Fatalf("%d records, want %d", len(seen), callers*each)
	}
}

func testAppendTooLarge(t *testing.T, h Harness) {
	room := rooms()[0]
	big, fits := record(room, 1), record(room, 2)
	big.Body = []byte(`{"text":"` + strings.Repeat("x", chat.MaxRecordSize) + `"}`)
	fits.Body = []byte(`{"text":"` + strings.Repeat("x", chat.MaxRecordSize-len(chat.AppendRecord(nil, record(room, 2)))) + `"}`)
	fits.Body = fits.Body[:len(fits.Body)-(len(chat.AppendRecord(nil, fits))-chat.MaxRecordSize)]
	a := appendAll(t, h.Log, record(room, 0), big, fits, record(room, 3))
	if !errors.Is(a[1].err, &chat.Error{Code: chat.CodeTooLarge}) {
		t.Fatalf("a record above the limit: %v", a[1].err)
	}
	if a[0].err != nil || a[2].err != nil || a[3].err != nil {
		t.Fatalf("its neighbours: %v, %v, %v", a[0].err, a[2].err, a[3].err)
	}
	got, _ := read(t, h.Log, 0, chat.Mark{})
	same(t, got, []chat.Record{record(room, 0), fits, record(room, 3)})
}

func testRoundTrip(t *testing.T, h Harness) {
	before := time.Now().Add(-time.Minute).UnixMilli()
	want := []chat.Record{
		{Kind: chat.KindCreate, Room: "räum", ID: "1", User: "ü", Subject: "ü", Sent: -5, Sum: 1<<64 - 1, Body: []byte(`{"name":"\u001e"}`)},
		{Kind: chat.KindMessage, Room: "räum", ID: "2", User: "v", Sent: 1 << 50, Body: []byte("{\"text\":\"\x00\xff\"}")},
		{Kind: chat.KindLeave, Room: "räum", ID: "3", User: "w", Subject: "ü", Body: []byte(`{}`), Seq: 99, At: 99},
	}
	for _, a := range appendAll(t, h.Log, want...) {
		if a.err != nil {
			t.Fatal(a.err)
		}
	}
	got, _ := read(t, h.Log, chat.PartitionOf("räum", Partitions), chat.Mark{})
	same(t, got, want)
	if at := got[0].At; at < before || at > time.Now().Add(time.Minute).UnixMilli() {
		t.Fatalf("appended at %d, which is not now", at)
	}
}

func testInfo(t *testing.T, h Harness) {
	ctx := context.Background()
	info, err := h.Log.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if info.ID == "" || info.Generation < 1 || info.Generation > chat.MaxGeneration || len(info.Partitions) != Partitions {
		t.Fatalf("info %+v", info)
	}
	for p, at := range info.Partitions {
		if at.Last >= at.First || at.First.Generation() != info.Generation {
			t.Fatalf("empty partition %d reaches from %d to %d", p, at.First, at.Last)
		}
	}
	mustAppend(t, h.Log, rooms()[2], 7)
	rs, upTo := read(t, h.Log, 2, chat.Mark{})
	later, err := h.Other(t).Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	last := rs[len(rs)-1].Seq
	if at := later.Partitions[2]; later.ID != info.ID || at.First > rs[0].Seq || at.Last < last || upTo.Seq < last || last.Generation() != info.Generation {
		t.Fatalf("info %+v after records %d to %d, read up to %+v", later, rs[0].Seq, last, upTo)
	}
	if at := later.Partitions[1]; at.Last >= at.First {
		t.Fatalf("partition 1 got nothing and reaches from %d to %d", at.First, at.Last)
	}
}

func testReopen(t *testing.T, h Harness) {
	before, err := h.Log.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	room := rooms()[3]
	want := mustAppend(t, h.Log, room, 50)
	first, mark := read(t, h.Log, 3, chat.Mark{})
	log := h.Reopen(t)
	after, err := log.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if after.ID != before.ID || after.Generation != before.Generation {
		t.Fatalf("was %+v, is %+v", before, after)
	}
	got, _ := read(t, log, 3, chat.Mark{})
	same(t, got, want)
	for i := range got {
		if got[i].Seq != first[i].Seq || got[i].At != first[i].At {
			t.Fatalf("record %d moved from %d (%d) to %d (%d)", i, first[i].Seq, first[i].At, got[i].Seq, got[i].At)
		}
	}
	for _, a := range appendAll(t, log, record(room, 777)) {
		if a.err != nil {
			t.Fatal(a.err)
		}
	}
	next, _ := read(t, log, 3, mark) // a mark of before the restart still holds
	same(t, next, []chat.Record{record(room, 777)})
	if next[0].Seq <= mark.Seq || next[0].At < got[len(got)-1].At {
		t.Fatalf("the next record is at %d, time %d", next[0].Seq, next[0].At)
	}
}
