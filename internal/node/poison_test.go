package node_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
)

// A record that the store can never hold, put straight into the log past every check: a tombstone takes its place, its bytes are kept, and
// those behind it are saved at once.
func TestAPoisonRecordHoldsNobodyUp(t *testing.T) {
	n := nodes(t, 1)[0]
	name := logName(n.args)
	ann := n.guest("Ann")
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	ann.send("lobby", "before")

	o, err := msglog.ParseKafka(n.args[slices.Index(n.args, "--log")+1])
	if err != nil {
		t.Fatal(err)
	}
	o.AllowSingleBroker = true
	log, err := msglog.OpenKafka(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	done := make(chan error, 1)
	beside := chat.RoomID("beside") // a room that nobody has open, in the lobby's partition
	for chat.PartitionOf(beside, 4) != chat.PartitionOf("lobby", 4) {
		beside += "x"
	}
	poison := chat.Record{Kind: chat.KindMessage, Room: beside, ID: "poison", User: ann.user.ID, Sent: time.Now().UnixMilli(),
		Body: []byte("{\"id\":\"poison\",\"text\":\"a\x00b\"}")}
	log.Append(poison, func(_ chat.Seq, err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for range 10 {
		ann.send("lobby", "behind")
	}
	cl, err := mongo.Connect(options.Client().ApplyURI(enginetest.Mongo(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(t.Context())
	db := cl.Database(name)
	count := func(collection string, filter bson.D) int {
		c, err := db.Collection(collection).Find(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		var all []bson.D
		if err := c.All(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	until(t, "those behind it are saved", func() bool {
		return count("rows", bson.D{{Key: "room", Value: "lobby"}, {Key: "kind", Value: int(chat.KindMessage)}}) == 11
	})
	if got := count("rows", bson.D{{Key: "kind", Value: int(chat.KindTombstone)}}); got != 1 {
		t.Errorf("%d tombstones", got)
	}
	if got := count("dead", bson.D{}); got != 1 {
		t.Errorf("%d dead letters", got)
	}
	until(t, "all is well", func() bool { h := n.health(t); return h.State == "ok" && h.Lag == 0 })
	_, text, _ := request(t, "GET", "http://"+n.addr+"/metrics", "", nil)
	if !strings.Contains(text, "\nhubbub_persister_dead_total 1") {
		t.Error("the metric does not tell")
	}
}
