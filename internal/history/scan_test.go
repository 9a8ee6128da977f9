package history

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// The indexes hold what the list holds, no more, no less, and in its order, whatever is read and dropped; so the bounds of one are those
// of all. No public surface shows this.
func TestIndexesHoldWhatTheListHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		s := newScan(nil, 0, Options{Records: 50, Bytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)}, &budget{most: 1 << 30})
		s.reset(chat.Mark{Seq: chat.MakeSeq(1, 0) - 1})
		s.begun = true
		kinds := []chat.Kind{chat.KindMessage, chat.KindJoin, chat.KindCreate, chat.KindUpdate}
		for n := int64(0); n < 3000; n++ {
			r := chat.Record{Seq: chat.MakeSeq(1, n), At: time.Now().UnixMilli(), Kind: kinds[rng.IntN(4)], Body: make([]byte, rng.IntN(100)),
				Room: chat.RoomID(fmt.Sprint("room", rng.IntN(5))), ID: chat.MessageID(fmt.Sprint(n - rng.Int64N(3)))}
			if r.Kind == chat.KindJoin {
				r.Subject = chat.UserID(fmt.Sprint("u", rng.IntN(9)))
			}
			_ = s.take([]chat.Record{r}, chat.Mark{Seq: r.Seq})
			time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
			if rng.IntN(20) == 0 { // W rises to somewhere in the scan, or a little beyond it
				s.advance(chat.Mark{Seq: s.from.Seq + chat.Seq(rng.Int64N(int64(s.to.Seq-s.from.Seq)+2))})
			}
			checkIndexes(t, s)
		}
	})
}

func checkIndexes(t *testing.T, s *scan) {
	t.Helper()
	rooms, subjects, changes, size := map[chat.RoomID]int{}, map[chat.UserID]int{}, 0, 0
	for i, e := range s.list {
		if i > 0 && s.list[i-1].rec.Seq >= e.rec.Seq || e.rec.Seq <= s.from.Seq || e.rec.Seq > s.to.Seq || s.byID[e.rec.ID] != e {
			t.Fatalf("entry %d at %d does not belong into (%d, %d]", i, e.rec.Seq, s.from.Seq, s.to.Seq)
		}
		if s.byRoom[e.rec.Room][rooms[e.rec.Room]] != e {
			t.Fatalf("entry %d is not in its place of its room", i)
		}
		rooms[e.rec.Room]++
		size += e.rec.Size()
		if e.rec.Subject != "" {
			subjects[e.rec.Subject]++
		}
		if e.changesRoom() {
			if s.changes[changes] != e {
				t.Fatalf("entry %d is not in its place of the changes", i)
			}
			changes++
		}
	}
	for room, list := range s.byRoom {
		if len(list) != rooms[room] {
			t.Fatalf("room %s holds %d of %d", room, len(list), rooms[room])
		}
	}
	for u, list := range s.bySubject {
		if len(list) != subjects[u] {
			t.Fatalf("user %s holds %d of %d", u, len(list), subjects[u])
		}
	}
	if len(s.byID) != len(s.list) || len(s.changes) != changes || s.bytes != size || len(s.list) > s.maxRecords || s.shared.used.Load() != int64(size) {
		t.Fatalf("%d records, %d ids, %d of %d changes, %d of %d bytes, %d in all", len(s.list), len(s.byID), len(s.changes), changes, s.bytes, size,
			s.shared.used.Load())
	}
}

// W rises all the time; where all that is held is too young to be dropped, that costs no copy of the list.
func TestYoungRecordsAreNotCopied(t *testing.T) {
	s := newScan(nil, 0, Options{Records: 2000, Bytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)}, &budget{most: 1 << 30})
	s.begun = true
	for n := range int64(1000) {
		_ = s.take([]chat.Record{{Seq: chat.MakeSeq(1, n), At: time.Now().Add(time.Hour).UnixMilli(), ID: chat.MessageID(fmt.Sprint(n)), Room: "r"}}, chat.Mark{})
	}
	if n := testing.AllocsPerRun(100, func() { s.advance(chat.Mark{Seq: chat.MakeSeq(1, 500)}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	checkIndexes(t, s)
}

// Partitions of each of which much lies above W hold no more than may be held in all; each may hold a little, whatever the others do; and
// what one gives back another may have.
func TestPartitionsShareABound(t *testing.T) {
	shared := &budget{most: 16 << 20}
	var scans []*scan
	fill := func(s *scan) {
		for n := int64(len(s.list)); ; n++ {
			r := chat.Record{Seq: chat.MakeSeq(1, n), ID: chat.MessageID(fmt.Sprint(s.p, "-", n)), Room: "r", Body: make([]byte, 60<<10)}
			if s.take([]chat.Record{r}, chat.Mark{}) != nil {
				return
			}
		}
	}
	for p := range 5 {
		s := newScan(nil, p, Options{Records: 1 << 20, Bytes: 6 << 20, Logger: slog.New(slog.DiscardHandler)}, shared)
		s.begun = true
		scans = append(scans, s)
		fill(s)
	}
	slack := 64 << 10 // a record more than the bound
	if used := int(shared.used.Load()); used > 16<<20+2*leastBytes+5*slack || scans[0].bytes < 6<<20 {
		t.Errorf("%d bytes are held in all, %d of the first", used, scans[0].bytes)
	}
	for _, s := range scans {
		if s.bytes < leastBytes {
			t.Errorf("partition %d holds %d bytes", s.p, s.bytes)
		}
	}
	last := scans[4]
	scans[0].advance(scans[0].to) // all of it is saved
	before := last.bytes
	fill(last)
	if scans[0].bytes != 0 || last.bytes <= before {
		t.Errorf("the first still holds %d, the last only %d", scans[0].bytes, last.bytes)
	}
}
