package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// rounds is how often a test that looks for a race is repeated: HUBBUB_TEST_ROUNDS, else usual.
func rounds(t *testing.T, usual int) int {
	t.Helper()
	text := os.Getenv("HUBBUB_TEST_ROUNDS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HUBBUB_TEST_ROUNDS=%q is no number of rounds", text)
	}
	return n
}

// Everybody sees that topic, database and keys are missing, and everybody makes them: one deployment comes of it. See cases.md 19.
// HUBBUB_TEST_ROUNDS=20 is the whole of it.
func TestFiveNodesStartOnEmptyEnginesAtOnce(t *testing.T) {
	for round := range rounds(t, 2) {
		if !t.Run(fmt.Sprint(round), fiveAtOnce) {
			return
		}
	}
}

func fiveAtOnce(t *testing.T) {
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	all, logs, begin := make([]*running, 5), make([]*lines, 5), make(chan struct{})
	var up, down sync.WaitGroup
	for i := range all {
		logs[i] = &lines{}
		all[i] = &running{t: t, data: t.TempDir(), args: args, logs: slog.New(slog.NewTextHandler(logs[i], nil))}
		up.Go(func() {
			<-begin
			all[i].up()
		})
	}
	close(begin)
	up.Wait()
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(func() {
		for _, n := range all {
			down.Go(func() { n.stop() })
		}
		down.Wait()
	})
	var people []*person
	for _, n := range all {
		people = append(people, n.lobby(t, ""))
	}
	for i, p := range people {
		p.send("lobby", fmt.Sprint("from ", i))
	}
	for i, p := range people {
		until(t, "all hear all", func() bool { return len(p.of("lobby", "message:new")) >= len(all) })
		heard := p.of("lobby", "message:new")
		if len(heard) != len(all) || chat.Seq(heard[0].Seq).Generation() != 1 || p.log != people[0].log {
			t.Errorf("node %d: %d messages, the first in generation %d, of the log %s", i, len(heard), chat.Seq(heard[0].Seq).Generation(), p.log)
		}
	}
	db := database(t, name)
	until(t, "all is saved", func() bool {
		return len(find(t, db, "rows", bson.D{{Key: "kind", Value: int(chat.KindMessage)}})) == len(all)
	})
	for i, n := range all {
		if rooms := people[i].must("room:list", map[string]any{})["rooms"].([]any); len(rooms) != 1 {
			t.Errorf("node %d lists %v", i, rooms)
		}
		until(t, "all are well", func() bool { h := n.health(t); return h.State == "ok" && h.Lag == 0 })
		if strings.Contains(logs[i].String(), "level=ERROR") {
			t.Errorf("node %d says:\n%s", i, logs[i])
		}
	}
	if topics := topicsOf(t, name); !slices.Equal(topics, []string{name + "-g1"}) {
		t.Errorf("topics %v", topics)
	}
	oneStore(t, db)
}

// oneStore looks at a database as an independent reader: one store, one log, one lobby, each index once.
func oneStore(t *testing.T, db *mongo.Database) {
	t.Helper()
	for what, c := range map[string]struct {
		collection string
		filter     bson.D
	}{
		"store":           {"state", bson.D{{Key: "p", Value: -2}}},
		"log":             {"state", bson.D{{Key: "p", Value: -1}}},
		"room":            {"rooms", bson.D{}},
		"lobby":           {"rooms", bson.D{{Key: "_id", Value: "lobby"}}},
		"lobby's making":  {"rows", bson.D{{Key: "kind", Value: int(chat.KindCreate)}}},
		"generation":      {"state", bson.D{{Key: "p", Value: -1}, {Key: "generation", Value: 1}}},
		"partition count": {"state", bson.D{{Key: "p", Value: -1}, {Key: "partitions", Value: 4}}},
	} {
		if n := len(find(t, db, c.collection, c.filter)); n != 1 {
			t.Errorf("%s: %d instead of one", what, n)
		}
	}
	for collection, want := range map[string]string{"rows": "_id_ edits place talk", "rooms": "_id_ name", "members": "_id_ room state user"} {
		specs, err := db.Collection(collection).Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range specs {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		if strings.Join(names, " ") != want {
			t.Errorf("indexes of %s: %v, want %s", collection, names, want)
		}
	}
}

// database opens a deployment's database on the shared server without any code of ours.
func database(t *testing.T, name string) *mongo.Database {
	t.Helper()
	cl, err := mongo.Connect(options.Client().ApplyURI(enginetest.Mongo(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.Disconnect(context.Background()) })
	return cl.Database(name)
}

func find(t *testing.T, db *mongo.Database, collection string, filter bson.D) (all []bson.D) {
	t.Helper()
	c, err := db.Collection(collection).Find(t.Context(), filter)
	if err == nil {
		err = c.All(t.Context(), &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}
