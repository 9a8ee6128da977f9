package node_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// lines keeps a log. Safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The MongoDB-wire server goes away under traffic and comes back: sends are acked meanwhile, everybody is told, the persister resumes at the
// very record at which it paused, and an independent reader of the database finds every message once.
func TestThePersisterPausesAndResumesWhereItWas(t *testing.T) {
	t.Parallel()
	server := enginetest.NewMongo(t)
	name := enginetest.Name(t)
	args := with(engineArgs(t, name), "--store", func(string) string { return server.Addr() + "/" + name })
	log := &lines{}
	n := &running{t: t, data: t.TempDir(), args: args, logs: slog.New(slog.NewTextHandler(log, nil))}
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.guest("Ann")
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	for i := range 20 {
		ann.send("lobby", fmt.Sprint("m", i))
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		ann.send("lobby", fmt.Sprint("m", 20+i))
	}
	ann.await("status", func(e event) bool { return strings.Contains(string(e.raw), `"store":"down"`) })
	until(t, "the metric says that the persister is paused", func() bool {
		_, text, _ := request(t, "GET", "http://"+n.addr+"/metrics", "", nil)
		return strings.Contains(text, "\nhubbub_persister_paused 1") && strings.Contains(text, "\nhubbub_store_up 0")
	})
	waits := positions(log.String(), "persister paused")
	if got := n.savePlaces(); len(waits) == 0 || !contains(got, waits) {
		t.Errorf("paused at %v by the log lines, %v by the metric", waits, got)
	}
	if h := n.health(t); h.Store != "down" || h.State != "degraded" || h.Reason == "" {
		t.Errorf("readyz: %+v", h)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, "all is saved", func() bool { h := n.health(t); return h.State == "ok" && h.Lag == 0 })
	ann.await("status", func(e event) bool { return strings.Contains(string(e.raw), `"store":"ok"`) })

	for p, at := range n.savePlaces() {
		if at <= waits[p] {
			t.Errorf("partition %s is saved on from %s, and waited at %s", p, at, waits[p])
		}
	}
	paused, resumed := positions(log.String(), "persister paused"), positions(log.String(), "persister resumed")
	if !maps.Equal(paused, waits) || !maps.Equal(paused, resumed) {
		t.Errorf("paused at %v, resumed at %v:\n%s", paused, resumed, log.String())
	}
	cl, err := mongo.Connect(options.Client().ApplyURI(server.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(t.Context())
	cursor, err := cl.Database(name).Collection("rows").Find(t.Context(), bson.D{{Key: "room", Value: "lobby"}}, options.Find().SetSort(bson.D{{Key: "seq", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Seq  int64
		Body string
	}
	if err := cursor.All(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, r := range rows {
		if strings.Contains(r.Body, fmt.Sprintf(`"text":"m%d"`, next)) {
			next++
		} else if strings.Contains(r.Body, `"text"`) {
			t.Fatalf("row %d holds %s, and m%d was to come", r.Seq, r.Body, next)
		}
	}
	if next != 50 {
		t.Errorf("the database has %d messages of 50 in %d rows", next, len(rows))
	}
}

var positioned = regexp.MustCompile(`msg="([^"]+)" partition=(\d+) position=(\d+)`)

// positions gives the position of each partition's last line of a kind.
func positions(log, kind string) map[string]string {
	out := map[string]string{}
	for _, m := range positioned.FindAllStringSubmatch(log, -1) {
		if strings.HasPrefix(m[1], kind) {
			out[m[2]] = m[3]
		}
	}
	return out
}

var placed = regexp.MustCompile(`(?m)^hubbub_persister_position\{partition="(\d+)"\} (\S+)$`)

// savePlaces gives the metric's place of each partition, written as in a log line.
func (r *running) savePlaces() map[string]string {
	r.t.Helper()
	_, text, _ := request(r.t, "GET", "http://"+r.addr+"/metrics", "", nil)
	out := map[string]string{}
	for _, m := range placed.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			r.t.Fatal(err)
		}
		out[m[1]] = strconv.FormatInt(int64(v), 10)
	}
	return out
}

// contains says whether all has each of some.
func contains(all, some map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}
