package node_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// The engines that nodes share are left as they are too, seen without any code of ours: before the first start, with what a node has left
// behind, and where an index is missing.
func TestDoctorWritesNothingIntoEngines(t *testing.T) {
	t.Parallel()
	name, redis := enginetest.Name(t), enginetest.NewRedis(t)
	args := with(engineArgs(t, name), "--bus", func(string) string { return redis.Addr() + "?name=" + name })
	still := func(when string) string {
		t.Helper()
		before := engineState(t, name, redis.Addr())
		report, grave, _ := examine(t, append(args, "--listen", nobody(t), "--advertise", "node-1:3001")...)
		if after := engineState(t, name, redis.Addr()); grave != 0 || before != after {
			t.Errorf("%s, %d grave, the look changed\n%s\nto\n%s\n%s", when, grave, before, after, report)
		}
		return report
	}
	still("before the first start")
	n := &running{t: t, data: t.TempDir(), args: args}
	n.up()
	n.lobby(t, "", "a message")
	n.saves(t)
	n.stop()
	still("after a start")
	if err := database(t, name).Collection("rows").Indexes().DropOne(t.Context(), "edits"); err != nil {
		t.Fatal(err)
	}
	if report := still("without an index"); !strings.Contains(report, "the index edits of the collection rows is missing") {
		t.Errorf("it is not named:\n%s", report)
	}
}

// harmless are commands of Redis that change no key; see its documentation of each.
var harmless = regexp.MustCompile(`^(info|ping|hello|role|client\|.*|config\|get|command.*|cluster\|.*|spublish|ssubscribe|sunsubscribe)$`)

// engineState tells all that a deployment has in its engines, and how often each command of its own Redis was called.
func engineState(t *testing.T, name, redis string) string {
	t.Helper()
	cl, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{strings.TrimPrefix(redis, "redis://")}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	info, err := cl.Do(t.Context(), cl.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	var commands []string // how often each was called, but for those that ask, and the two of a message that is not kept
	for l := range strings.Lines(info) {
		name, of, _ := strings.Cut(l, ":")
		if harmless.MatchString(strings.TrimPrefix(strings.TrimPrefix(name, "txt"), "cmdstat_")) {
			continue
		}
		calls, _, _ := strings.Cut(of, ",")
		commands = append(commands, name+" "+calls)
	}
	slices.Sort(commands)
	groups, err := admin(t).ListGroups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours := slices.DeleteFunc(groups.Groups(), func(s string) bool { return !strings.HasPrefix(s, name) })
	topics := topicsOf(t, name)
	out := fmt.Sprintln("commands of Redis", commands, "groups", ours, "topics", topics)
	if len(topics) > 0 { // without a topic all would be meant
		ends, err := admin(t).ListEndOffsets(t.Context(), topics...)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range ends.Offsets().Sorted() {
			out += fmt.Sprintln("topic", e.Topic, e.Partition, e.At)
		}
	}
	db := database(t, name)
	collections, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(collections)
	for _, c := range collections {
		specs, err := db.Collection(c).Indexes().ListSpecifications(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out += fmt.Sprintln("collection", c, find(t, db, c, bson.D{}))
		for _, s := range specs {
			out += fmt.Sprintln("index", s.Name, s.KeysDocument)
		}
	}
	return out
}
