package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// refuses starts a node that must not come up: within 15 s, one sentence with all of says, and no password in it.
func refuses(t *testing.T, args []string, says ...string) {
	t.Helper()
	logs := &lines{}
	args = append([]string{"--listen", "127.0.0.1:0", "--data", t.TempDir(), "--drain", "0s"}, args...)
	c, err := config.Parse(args, func(string) string { return "" }, io.Discard)
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		err = node.Run(ctx, c, node.Options{Logger: slog.New(slog.NewTextHandler(logs, nil)), Version: "test"})
		// The bound is 15 s; the rest is for a busy machine.
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	if err == nil {
		t.Fatalf("the node ran:\n%s", logs)
	}
	text := err.Error()
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("it says %q, which does not name %q", text, s)
		}
	}
	if strings.Contains(text, "hunter2") || strings.Contains(text, "\n") {
		t.Errorf("it says %q", text)
	}
}

// with gives args with one flag's value changed.
func with(args []string, flag string, change func(string) string) []string {
	out := slices.Clone(args)
	i := slices.Index(out, flag)
	out[i+1] = change(out[i+1])
	return out
}

// nobody gives an address of this machine at which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWrongConfigurations(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	at := nobody(t)
	to := func(s string) func(string) string { return func(string) string { return s } }
	locked := enginetest.NewRedis(t, "--requirepass", "right")
	for title, c := range map[string]struct {
		args []string
		says []string
	}{
		"no Kafka":         {with(args, "--log", to("kafka://ann:hunter2@"+at+"/"+name)), []string{at, "--log"}},
		"no Redis":         {with(args, "--bus", to("redis://:hunter2@"+at)), []string{at}},
		"no MongoDB":       {with(args, "--store", to("mongodb://ann:hunter2@"+at+"/"+name)), []string{at}},
		"wrong password":   {with(args, "--bus", to("redis://:hunter2@"+strings.TrimPrefix(locked.Addr(), "redis://"))), []string{"password"}},
		"one broker":       {slices.DeleteFunc(slices.Clone(args), func(s string) bool { return s == "--allow-single-broker" }), []string{"--allow-single-broker"}},
		"memory bus":       {with(args, "--bus", to("memory:")), []string{"--bus", "split"}},
		"SQLite":           {with(args, "--store", to("sqlite:x.db")), []string{"--store", "split"}},
		"disk with Redis":  {with(args, "--log", to("disk:x")), []string{"--log", "split"}},
		"no secret":        {with(args, "--secret", to("")), []string{"--secret"}},
		"nonsense in log":  {with(args, "--log", func(s string) string { return s + "&colour=red" }), []string{"colour"}},
		"nonsense in bus":  {with(args, "--bus", func(s string) string { return s + "&colour=red" }), []string{"colour"}},
		"a short secret":   {with(args, "--secret", to("short")), []string{"--secret", "16"}},
		"a name of a port": {with(args, "--log", to("kafka://127.0.0.1:nine/"+name)), []string{"host:port"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			refuses(t, c.args, c.says...)
		})
	}
}

// A log that is no longer what the store remembers: the count of its partitions, its identity, its length.
func TestALogThatChanged(t *testing.T) {
	t.Parallel()
	n := nodes(t, 1)[0]
	ann := n.guest("Ann")
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	for range 20 {
		ann.send("lobby", "hello")
	}
	until(t, "all is heard and saved", func() bool { return len(ann.of("lobby", "message:new")) == 20 && n.health(t).Lag == 0 })
	topic := logName(n.args) + "-g1"
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(enginetest.Kafka(t), "kafka://")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)

	refuses(t, with(n.args, "--log", func(s string) string { return strings.Replace(s, "partitions=4", "partitions=8", 1) }), topic, "partitions=8")

	if _, err := adm.DeleteTopics(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	until(t, "the running node says that its log is gone", func() bool {
		h := n.health(t)
		return h.Log == "down" && strings.Contains(h.Reason, topic)
	})
	_, err = ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "too late"})
	if !refusedWith(err, "unavailable") {
		t.Errorf("a send into a log that is gone: %v", err)
	}
	if got := texts(ann.must("message:list", map[string]any{"roomId": "lobby", "limit": 50})); len(got) != 20 {
		t.Errorf("without its log the node reads %d messages %v", len(got), ann.must("message:list", map[string]any{"roomId": "lobby", "limit": 50}))
	}
	until(t, "the topic is made anew", func() bool {
		_, err := adm.CreateTopic(t.Context(), 4, 1, nil, topic)
		return err == nil
	})
	until(t, "the running node says that it is another log", func() bool { return strings.Contains(n.health(t).Reason, "made anew") })
	_, err = ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "into another log"})
	if !refusedWith(err, "unavailable") {
		t.Errorf("a send into another log: %v", err)
	}
	n.stop()
	refuses(t, n.args, "hubbub log next") // it is another one by its id, and shorter than W
}

// Nodes that do not stand on the same engines (a report from the field): another store, another secret.
func TestNodesThatDisagree(t *testing.T) {
	n := nodes(t, 1)[0]
	until(t, "it is well, and others can know of it", func() bool { return n.health(t).State == "ok" && beats(t, logName(n.args)) == 1 })
	other := enginetest.Name(t)
	refuses(t, with(n.args, "--store", func(string) string { return enginetest.Mongo(t) + "/" + other }), "--store", other, logName(n.args))
	refuses(t, with(n.args, "--secret", func(string) string { return "the secret of somebody else's cluster" }), "--secret")

	// Another Redis: the chat stays whole, and both say that something is wrong.
	second := enginetest.NewRedis(t)
	odd := &running{t: t, data: t.TempDir(), args: with(n.args, "--bus", func(string) string { return second.Addr() + "?name=" + logName(n.args) })}
	odd.up()
	t.Cleanup(func() { odd.stop() })
	until(t, "both are degraded", func() bool { return n.health(t).Bus == "behind" && odd.health(t).Bus == "behind" })
	if h := odd.health(t); h.State != "degraded" || !strings.Contains(h.Reason, "another bus") {
		t.Errorf("the one with another Redis says %+v", h)
	}
	ann, bob := n.guest("Ann"), odd.guest("Bob")
	for _, p := range []*person{ann, bob} { // nobody takes half of who is here for the whole
		p.await("session", func(e event) bool { return strings.Contains(string(e.raw), `"bus":"behind"`) })
	}
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	bob.must("room:join", map[string]any{"roomId": "lobby"})
	ann.send("lobby", "from here")
	bob.send("lobby", "from there")
	ann.await("message:new", func(e event) bool { return e.Text == "from there" })
	bob.await("message:new", func(e event) bool { return e.Text == "from here" })
}

// Two nodes start in the same instant with two stores, so that neither finds the other: each store gets all of history or its node is refused,
// and those that run say what is wrong. See cases.md 3.
func TestTwoStoresAtOnce(t *testing.T) {
	t.Parallel()
	names := []string{enginetest.Name(t), enginetest.Name(t)}
	args, all, errs := engineArgs(t, names[0]), make([]*running, 2), make([]error, 2)
	var starting sync.WaitGroup
	for i := range all {
		all[i] = &running{t: t, data: t.TempDir(), args: with(args, "--store", func(string) string { return enginetest.Mongo(t) + "/" + names[i] })}
		starting.Go(func() { errs[i] = all[i].try() })
	}
	starting.Wait()
	var up []int
	for i, err := range errs {
		if err == nil {
			up = append(up, i)
			t.Cleanup(func() { all[i].stop() })
		} else if !strings.Contains(err.Error(), "--store") || !strings.Contains(err.Error(), names[1-i]) {
			t.Errorf("refused with %v", err)
		}
	}
	if len(up) == 0 {
		t.Fatal("none runs")
	}
	ann, want := all[up[0]].guest("Ann"), 0
	for i := range 8 { // of the partitions each has some
		room := ann.create(fmt.Sprint("room", i), false)
		for range 3 {
			ann.send(room, "hello")
			want++
		}
	}
	for _, i := range up {
		db := database(t, names[i])
		until(t, "its store has all of history", func() bool {
			return len(find(t, db, "rows", bson.D{{Key: "kind", Value: int(chat.KindMessage)}})) == want
		})
		if len(up) == 1 {
			break
		}
		until(t, "it says what is wrong", func() bool {
			h := all[i].health(t)
			return h.State == "degraded" && strings.Contains(h.Reason, "--store") && strings.Contains(h.Reason, names[1-i])
		})
	}
}

// beats counts the nodes of a deployment that tell the others of themselves, which begins a moment after the start.
func beats(t *testing.T, name string) int {
	t.Helper()
	cl, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{strings.TrimPrefix(enginetest.Redis(t), "redis://")}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	keys, err := cl.Do(t.Context(), cl.B().Keys().Pattern("{"+name+"}node:*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	return len(keys)
}

func logName(args []string) string {
	address := args[slices.Index(args, "--log")+1]
	name := address[strings.LastIndexByte(address, '/')+1:]
	name, _, _ = strings.Cut(name, "?")
	return name
}

// health is what the node's /readyz says.
func (r *running) health(t *testing.T) (h httpd.Health) {
	t.Helper()
	_, text, _ := request(t, http.MethodGet, "http://"+r.addr+"/readyz", "", nil)
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return h
}
