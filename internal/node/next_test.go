package node_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// nextLog is `hubbub log next` with a node's flags.
func nextLog(t *testing.T, data string, args []string, from string, loss bool) (string, error) {
	t.Helper()
	c, err := config.ParseTool("hubbub log next:", nil, append([]string{"--data", data}, args...), func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o := node.NextOptions{AcceptLoss: loss, Logger: slog.New(slog.DiscardHandler), Out: &out}
	if from != "" {
		if o.From, err = config.ParseLog("--from", from); err != nil {
			t.Fatal(err)
		}
	}
	err = node.NextGeneration(t.Context(), c, o)
	return out.String(), err
}

func (r *running) lobby(t *testing.T, token string, texts ...string) *person {
	t.Helper()
	auth := map[string]any{"name": "Ann"}
	if token != "" {
		auth = map[string]any{"token": token}
	}
	p := r.connect(auth)
	p.must("room:join", map[string]any{"roomId": "lobby", "clientId": newID()})
	for _, text := range texts {
		p.send("lobby", text)
	}
	return p
}

// saves waits until the store has what has been said: a lag of 0 that was measured after it, since the log is looked at twice a second.
func (r *running) saves(t *testing.T) {
	t.Helper()
	for range 2 {
		began := time.Now()
		until(t, "all is saved", func() bool { return time.Since(began) > 1200*time.Millisecond && r.health(t).Lag == 0 })
	}
}

// On disk: history goes over, the order goes on, and nothing that the store lacks is left behind unasked.
func TestTheNextGenerationOfADiskLog(t *testing.T) {
	t.Parallel()
	n := start(t)
	store := filepath.Join(n.data, "history.db")
	if _, err := nextLog(t, n.data, nil, "", false); err == nil || !strings.Contains(err.Error(), "another") {
		t.Errorf("under a running node: %v", err)
	}
	ann := n.lobby(t, "", "one")
	n.saves(t)
	n.stop()
	early, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	n.up()
	before := n.lobby(t, ann.token, "two").await("message:new", func(e event) bool { return e.Text == "two" })
	n.saves(t)
	n.stop()

	late := filepath.Join(t.TempDir(), "late.db")
	if err := os.WriteFile(late, early, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nextLog(t, n.data, []string{"--store", "sqlite:" + late}, "", false); err == nil || !strings.Contains(err.Error(), "--accept-loss") {
		t.Errorf("a store that lacks the end: %v", err)
	}
	if out, err := nextLog(t, n.data, nil, "", false); err != nil || !strings.Contains(out, "generation 2") {
		t.Fatalf("%q, %v", out, err)
	}
	n.up()
	ann = n.lobby(t, ann.token, "three")
	after := ann.await("message:new", func(e event) bool { return e.Text == "three" })
	if after.Seq <= before.Seq {
		t.Errorf("seq %d behind %d", after.Seq, before.Seq)
	}
	if got := texts(ann.must("message:list", map[string]any{"roomId": "lobby"})); strings.Join(got, " ") != "one two three" {
		t.Errorf("history: %v", got)
	}
	n.stop()
	refuses(t, []string{"--data", n.data, "--store", "sqlite:" + late}, "hubbub log next") // the old store does not fit the new generation
	if _, err := nextLog(t, n.data, []string{"--store", "sqlite:" + late}, "", true); err != nil {
		t.Errorf("with --accept-loss: %v", err)
	}
}

// From a disk to Kafka, and on to Kafka's next generation, with the same MongoDB.
func TestADeploymentMovesToKafka(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	cluster := engineArgs(t, name)
	one := &running{t: t, data: t.TempDir(), args: []string{"--store", enginetest.Mongo(t) + "/" + name, "--secret", clusterSecret}}
	one.up()
	ann := one.lobby(t, "", "on disk")
	one.saves(t)
	one.stop()
	refuses(t, cluster, "the store belongs to the log", "hubbub log next")
	if left := topicsOf(t, name); len(left) > 0 {
		t.Errorf("a refused start has made %v", left)
	}
	if _, err := nextLog(t, one.data, cluster, "", false); err == nil {
		t.Error("without --from the old log is not known, but nothing is said")
	}
	if out, err := nextLog(t, one.data, cluster, "disk:"+filepath.Join(one.data, "log"), false); err != nil {
		t.Fatalf("%q, %v", out, err)
	}
	many := &running{t: t, data: t.TempDir(), args: cluster}
	many.up()
	many.lobby(t, ann.token, "on Kafka")
	if _, err := nextLog(t, many.data, cluster, "", false); err == nil || !strings.Contains(err.Error(), "still run") {
		t.Errorf("under a running node: %v", err)
	}
	many.saves(t)
	many.stop()
	if out, err := nextLog(t, many.data, cluster, "", false); err != nil || !strings.Contains(out, "generation 3") {
		t.Fatalf("%q, %v", out, err)
	}
	many.up()
	t.Cleanup(func() { many.stop() })
	ann = many.lobby(t, ann.token, "once more")
	ann.await("message:new", func(e event) bool { return e.Text == "once more" })
	if got := texts(ann.must("message:list", map[string]any{"roomId": "lobby"})); strings.Join(got, ", ") != "on disk, on Kafka, once more" {
		t.Errorf("history: %v", got)
	}
}

// A log that is not there is not made by looking for it.
func TestTheNextGenerationOfNoLog(t *testing.T) {
	t.Parallel()
	n := start(t)
	n.lobby(t, "", "one")
	n.saves(t)
	n.stop()
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct{ args, from string }{{"", "disk:" + missing}, {"disk:" + missing, ""}, {"disk:" + missing, "disk:" + filepath.Join(n.data, "log")}} {
		var args []string
		if c.args != "" {
			args = []string{"--log", c.args}
		}
		if _, err := nextLog(t, n.data, args, c.from, false); err == nil || !strings.Contains(err.Error(), "there is no log in "+missing) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := os.Stat(missing); err == nil {
			t.Errorf("%+v: a log was made", c)
		}
	}
}
