package store_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/store"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func check(t *testing.T, addr string) (store.MongoReport, error) {
	t.Helper()
	o, err := store.ParseMongo(addr)
	if err != nil {
		t.Fatal(err)
	}
	return store.CheckMongo(t.Context(), o)
}

// said joins what a report says.
func said(r store.MongoReport) (all string) {
	for _, p := range r.Problems {
		all += p.What + "\n"
		if p.Mend == "" {
			all += "and no word of what to do\n"
		}
	}
	return all
}

// TestCheckMongo: a look changes nothing, and tells what is there.
func TestCheckMongo(t *testing.T) {
	addr, database := enginetest.Mongo(t), enginetest.Name(t)
	db := rawMongo(t, addr, database)
	r, err := check(t, addr+"/"+database)
	if err != nil || r.Store != "" || r.Version == "" || r.RoundTrip <= 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if names, err := db.ListCollectionNames(t.Context(), bson.D{}); err != nil || len(names) != 0 {
		t.Fatalf("the look made %v, %v", names, err)
	}
	s := mongoAt(t, addr, database)
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	before := r.Problems
	r, err = check(t, addr+"/"+database)
	if err != nil || !strings.HasPrefix(r.Store, database+"-") || r.Log != "l" || !slices.Equal(r.Problems, before) {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := db.Collection("rows").Indexes().DropOne(t.Context(), "edits"); err != nil {
		t.Fatal(err)
	}
	r, err = check(t, addr+"/"+database)
	if err != nil || !strings.Contains(said(r), "the index edits of the collection rows is missing") {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestCheckMongoProblems: what is wrong is said, with how to mend it.
func TestCheckMongoProblems(t *testing.T) {
	answers := storing()
	answers["hello"] = append(answers["hello"], bson.E{Key: "localTime", Value: time.Now().Add(time.Hour)})
	answers["isMaster"] = slices.Clone(answers["hello"])
	w := newWire(t, answers)
	r, err := check(t, w.addr)
	if err != nil || r.ReplicaSet != "rs0" || len(r.Members) != 1 || r.Version != "7.0.1" || !strings.Contains(said(r), "has 1 member;") || strings.Contains(said(r), "no word") {
		t.Errorf("%+v, %v", r, err)
	}
	if r.Clock < 59*time.Minute || r.Clock > 61*time.Minute {
		t.Errorf("the clock is %v ahead", r.Clock)
	}
	answers = storing()
	answers["hello"], answers["isMaster"] = member(), member()
	if _, err := check(t, newWire(t, answers).addr); err == nil || !strings.Contains(err.Error(), "--replSet") {
		t.Errorf("a mongod on its own: %v", err)
	}
}

// TestBuryAnything: what no row can hold, and no document either, is kept as far as it goes.
func TestBuryAnything(t *testing.T) {
	s, _ := freshMongo(t)
	odd := chat.Record{Seq: chat.MakeSeq(1, 1), Kind: 1, Room: chat.RoomID(strings.Repeat("\x00\xff$.", 2000)), ID: "\xff", User: "\x00", Body: []byte("{\x00\xff")}
	huge := chat.Record{Seq: chat.MakeSeq(1, 2), Kind: 1, Room: "r", ID: "i", User: "u", Body: make([]byte, 17<<20)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 {
		for _, r := range []chat.Record{odd, huge} {
			if err := s.Bury(ctx, r, "a reason\x00\xff"); err != nil {
				t.Fatal(err)
			}
		}
	}
	dead, err := s.Dead(ctx, 10)
	if err != nil || len(dead) != 2 {
		t.Fatalf("%d dead, %v", len(dead), err)
	}
	slices.SortFunc(dead, func(a, b store.Dead) int { return int(a.Record.Seq - b.Record.Seq) })
	if got := dead[0].Record; got.Room != odd.Room || got.User != odd.User || string(got.Body) != string(odd.Body) || got.Seq != odd.Seq {
		t.Errorf("the odd one is %.100v", got)
	}
	if got := dead[1].Record; got.ID != "i" || len(got.Body) < 14<<20 || dead[1].Reason != "a reason??" {
		t.Errorf("of the huge one %d bytes, %q", len(got.Body), dead[1].Reason)
	}
}
