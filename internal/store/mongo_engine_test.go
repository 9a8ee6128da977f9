package store_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/persist"
	"github.com/hubbub-chat/hubbub/internal/store"
	"go.mongodb.org/mongo-driver/v2/bson"
)

var rounds = flag.Int("store.rounds", 5, "rounds of TestFiveAtOnce")

// TestFiveAtOnce is case 19: five nodes open an empty database in the same instant, adopt their log and make the lobby. All are ready;
// there is one store, one log, one lobby, and each index once.
func TestFiveAtOnce(t *testing.T) {
	addr := enginetest.Mongo(t)
	for round := range *rounds {
		database := enginetest.Name(t)
		db := rawMongo(t, addr, database)
		names, errs := make([]string, 5), make([]error, 5)
		var nodes sync.WaitGroup
		for i := range 5 {
			nodes.Go(func() { names[i], errs[i] = firstStart(t.Context(), addr+"/"+database) })
		}
		nodes.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if slices.Sort(names); names[0] != names[4] || !strings.HasPrefix(names[0], database+"-") {
			t.Fatalf("round %d: the store is called %q", round, names)
		}
		want := map[string]int{"rows": 4, "rooms": 2, "members": 4} // with that of _id
		for name, n := range want {
			specs, err := db.Collection(name).Indexes().ListSpecifications(t.Context())
			if err != nil || len(specs) != n {
				t.Fatalf("round %d: %s has %d indexes, want %d (%v)", round, name, len(specs), n, err)
			}
		}
		for name, n := range map[string]int64{"rows": 1, "rooms": 1, "members": 0, "state": 3} { // a name, a log, a mark
			if got, err := db.Collection(name).CountDocuments(t.Context(), bson.D{}); err != nil || got != n {
				t.Fatalf("round %d: %s has %d documents, want %d (%v)", round, name, got, n, err)
			}
		}
	}
}

// firstStart is what a node does with its store when it starts, and gives the store's name.
func firstStart(ctx context.Context, addr string) (name string, err error) {
	o, err := store.ParseMongo(addr)
	if err != nil {
		return "", err
	}
	s, err := store.OpenMongo(ctx, o)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if err := s.Adopt(ctx, chat.LogInfo{ID: "log", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		return "", err
	}
	body := chat.Body{ID: "lobby-create", RoomID: chat.LobbyID, Room: &chat.RoomInfo{Name: "lobby", Owner: chat.SystemUser}, At: 1}
	lobby := chat.Record{Seq: chat.MakeSeq(1, 0), Kind: chat.KindCreate, Room: chat.LobbyID, ID: "lobby-create", User: chat.SystemUser, Body: body.Encode()}
	if err := s.Save(ctx, 0, []chat.Change{{Row: lobby, Room: &lobby}}, chat.Mark{Seq: lobby.Seq, Proof: 3}); err != nil {
		return "", err
	}
	st, err := s.State(ctx)
	if err == nil && (len(st.W) != 1 || st.W[0] != chat.Mark{Seq: lobby.Seq, Proof: 3} || st.Log.ID != "log") {
		err = fmt.Errorf("the state is %+v", st)
	}
	return st.Store, err
}

// TestBrokenOffBehindTheRows: who died after the rows and before their effects is made up for by whoever saves the same again.
func TestBrokenOffBehindTheRows(t *testing.T) {
	s, _ := freshMongo(t)
	if err := s.Adopt(t.Context(), chat.LogInfo{ID: "l", Generation: 1, Partitions: make([]chat.Partition, 1)}); err != nil {
		t.Fatal(err)
	}
	log := outageLog(1, 40)
	if err := store.SaveUnchecked(t.Context(), s, log[0][:30]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Room(t.Context(), "room1"); !errors.Is(err, chat.ErrNotFound) {
		t.Fatalf("rows alone made a room: %v", err)
	}
	if err := s.Save(t.Context(), 0, log[0], chat.Mark{Seq: log[0][39].Row.Seq}); err != nil {
		t.Fatal(err)
	}
	sameAsLog(t, s, log)
}

// TestGeneralErrorOfTheEngine: what the server itself says of a value that it can not hold is not taken for an outage. (Save asks first,
// and so never sees it.)
func TestGeneralErrorOfTheEngine(t *testing.T) {
	s, database := freshMongo(t)
	rs := bulkRecords()
	rs[1].User = "u\x00"
	err := store.SaveUnchecked(t.Context(), s, []chat.Change{{Row: rs[0]}, {Row: rs[1]}, {Row: rs[2]}})
	var info struct {
		FerretDB string `bson:"ferretdbVersion"`
	}
	db := rawMongo(t, enginetest.Mongo(t), database)
	if err := db.Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		t.Fatal(err)
	}
	var never *chat.Unstorable
	if info.FerretDB == "" {
		if err != nil { // a mongod holds it
			t.Fatal(err)
		}
	} else if !errors.As(err, &never) || never.Index > 0 {
		t.Fatalf("got %v", err)
	}
}

// TestPoisonedLog is case 2: records put straight into the log, through the persister into the real engines. The rest is saved at once.
func TestPoisonedLog(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { // it holds everything
		poisonedLog(t, openAt(t, filepath.Join(t.TempDir(), "s.db")), 0)
	})
	t.Run("mongodb", func(t *testing.T) {
		s, _ := freshMongo(t)
		poisonedLog(t, s, 1)
		dead, err := s.Dead(t.Context(), 10)
		if err != nil || len(dead) != 1 || dead[0].Record.Subject != "v\x00" || !strings.Contains(dead[0].Reason, "U+0000") {
			t.Fatalf("the dead: %+v, %v", dead, err)
		}
	})
}

func poisonedLog(t *testing.T, s storeUnderTest, tombstones int) {
	log, err := msglog.Open(msglog.Options{Dir: t.TempDir(), ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	t.Cleanup(func() { stop(); parts.Wait(); log.Close() })
	parts.Go(func() { _ = log.Run(running) }) // ends with its context
	text := "with \u0000 and a lone half"
	for i := range 60 {
		r := chat.Record{Kind: chat.KindMessage, Room: "r", ID: chat.MessageID(fmt.Sprint("id", i)), User: "u"}
		b := chat.Body{ID: r.ID, RoomID: r.Room, User: chat.User{ID: r.User}, Text: &text}
		if i == 7 {
			r.Kind, r.Subject, b.Invitee = chat.KindInvite, "v\x00", "v\x00"
		}
		r.Body = b.Encode()
		done := make(chan error, 1)
		log.Append(r, func(_ chat.Seq, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	p := persist.New(log, s, persist.Options{Store: "s"})
	start := time.Now()
	parts.Go(func() { _ = p.Run(running) })
	until(t, "all is saved", func() bool {
		st := p.State()
		return st.Phase == persist.Running && len(st.Partitions) == 1 && st.Lag == 0 && p.Stats().Records == 60
	})
	t.Logf("lag 0 after %v, %+v", time.Since(start), p.Stats())
	page, err := s.Page(t.Context(), "r", chat.Range{All: true}, 100)
	if err != nil || len(page.Rows) != 60 || page.HasMore {
		t.Fatalf("%d rows, %v", len(page.Rows), err)
	}
	var stones int
	for i, r := range page.Rows {
		if r.ID != chat.MessageID(fmt.Sprint("id", i)) {
			t.Fatalf("row %d is %s", i, r.ID)
		}
		if r.Kind == chat.KindTombstone {
			stones++
		}
	}
	if stones != tombstones || p.Stats().Buried != uint64(tombstones) || p.Stats().Pauses != 0 {
		t.Fatalf("%d tombstones, %+v", stones, p.Stats())
	}
}

// storeUnderTest is what these tests ask of either engine.
type storeUnderTest interface {
	chat.Archive
	chat.Messages
	chat.Directory
}

// until polls, for as long as a loaded machine may need.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}
