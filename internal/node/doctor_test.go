package node_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/node"
)

// examine gives the doctor's report on the flags of a server.
func examine(t *testing.T, args ...string) (report string, grave, slight int) {
	t.Helper()
	return examineAt(t, time.Now, args...)
}

// examineAt is examine by another clock.
func examineAt(t *testing.T, now func() time.Time, args ...string) (report string, grave, slight int) {
	t.Helper()
	c, err := config.ParseTool("hubbub doctor: test.", nil, args, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	grave, slight = node.Doctor(t.Context(), c, &out, now)
	for _, vague := range []string{"See operations.md", "See what it says", "1 brokers", "1 copies", "1 nodes", "1 members"} {
		if strings.Contains(out.String(), vague) {
			t.Errorf("the report says %q:\n%s", vague, out.String())
		}
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the report shows a password:\n%s", out.String())
	}
	return out.String(), grave, slight
}

// line gives a report's line of one part.
func line(report, part string) string {
	for l := range strings.Lines(report) {
		if strings.HasPrefix(l, part+" ") {
			return l
		}
	}
	return ""
}

// Before the first start there is nothing to complain of, and looking makes nothing.
func TestDoctorBeforeTheFirstStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	report, grave, slight := examine(t, "--data", data, "--listen", nobody(t))
	if grave != 0 || slight != 0 || strings.Count(report, "not made yet") != 2 || !strings.Contains(report, "none runs here now") {
		t.Errorf("%d grave, %d slight:\n%s", grave, slight, report)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("looking made the data directory")
	}
}

// Beside a node that runs on its own disk: the log is read under its hands, and it is none the worse for it.
func TestDoctorBesideARunningNode(t *testing.T) {
	n := start(t)
	ann := n.guest("Ann")
	ann.must("room:join", map[string]any{"roomId": "lobby"})
	ann.send("lobby", "before")
	report, grave, slight := examine(t, "--data", n.data, "--listen", n.addr)
	if grave != 0 || slight != 0 || !strings.Contains(line(report, "log"), "generation 1") || !strings.Contains(line(report, "node"), "is well") {
		t.Errorf("%d grave, %d slight:\n%s", grave, slight, report)
	}
	ann.send("lobby", "after")
	ann.await("message:new", func(e event) bool { return e.Text == "after" })
}

// A log that is damaged in the middle is named by its file.
func TestDoctorFindsADamagedLog(t *testing.T) {
	n := start(t)
	ann := n.lobby(t, "")
	for i := range 50 {
		ann.send("lobby", fmt.Sprint("message ", i))
	}
	n.stop()
	files, err := filepath.Glob(filepath.Join(n.data, "log", "*"))
	if err != nil {
		t.Fatal(err)
	}
	damaged := ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		if i := bytes.Index(b, []byte("message 10")); err == nil && i >= 0 {
			b[i]++
			damaged, err = filepath.Base(f), os.WriteFile(f, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	report, grave, _ := examine(t, "--data", n.data, "--listen", nobody(t))
	if damaged == "" || grave == 0 || !strings.Contains(line(report, "log"), "bad") || !strings.Contains(report, damaged) || !strings.Contains(report, "backup") {
		t.Errorf("%q is damaged, %d grave:\n%s", damaged, grave, report)
	}
}

// What a node says of itself is part of the report.
func TestDoctorAsksTheNode(t *testing.T) {
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			fmt.Fprintln(w, `{"state":"degraded","log":"ok","bus":"ok","store":"down","lag":7,"reason":"the store is away"}`)
		}
	}))
	defer sick.Close()
	report, grave, _ := examine(t, "--data", filepath.Join(t.TempDir(), "data"), "--listen", strings.TrimPrefix(sick.URL, "http://"))
	if grave != 1 || !strings.Contains(line(report, "node"), "bad") || !strings.Contains(report, "the store is away") {
		t.Errorf("%d grave:\n%s", grave, report)
	}
}

// On the real engines: nothing grave before the first start and beside a node, and looking makes nothing.
func TestDoctorOnRealEngines(t *testing.T) {
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	report, grave, _ := examine(t, append(args, "--listen", nobody(t), "--advertise", "node-1:3001")...)
	if grave != 0 || !strings.Contains(line(report, "log"), "not made yet") || strings.Contains(report, "--advertise") || !strings.Contains(line(report, "bus"), "1 node)") {
		t.Errorf("before the first start, %d grave:\n%s", grave, report)
	}
	if topics := topicsOf(t, name); len(topics) > 0 {
		t.Errorf("looking made %v", topics)
	}
	n := &running{t: t, data: t.TempDir(), args: args}
	n.up()
	t.Cleanup(func() { n.stop() })
	until(t, "it is well", func() bool { return n.health(t).State == "ok" })
	report, grave, _ = examine(t, append(args, "--listen", n.addr)...)
	if grave != 0 || !strings.Contains(line(report, "log"), "4 partitions, 1 copy") || !strings.Contains(line(report, "store"), name) ||
		!strings.Contains(line(report, "node"), "is well") || !strings.Contains(report, "--advertise") {
		t.Errorf("beside a node, %d grave:\n%s", grave, report)
	}
}

// A machine whose clock is five minutes off: each engine that knows the time says so, and a right clock is called right. Nothing is made
// for it. See cases.md 15.
func TestDoctorComparesClocks(t *testing.T) {
	name := enginetest.Name(t)
	args := append(engineArgs(t, name), "--listen", nobody(t), "--advertise", "node-1:3001")
	for off, says := range map[time.Duration]string{5 * time.Minute: "5m0s behind", -5 * time.Minute: "5m0s ahead"} {
		report, grave, _ := examineAt(t, func() time.Time { return time.Now().Add(off) }, args...)
		for _, whose := range []string{"Kafka's controller", "the store"} {
			if !strings.Contains(report, "The clock of "+whose+" is "+says+" of this machine's.") {
				t.Errorf("%v: nothing is said of %s:\n%s", off, whose, report)
			}
		}
		if grave != 0 || !strings.Contains(line(report, "log"), "look") || !strings.Contains(line(report, "log"), "clock "+says) || !strings.Contains(report, "time server") {
			t.Errorf("%v, %d grave:\n%s", off, grave, report)
		}
	}
	report, _, _ := examine(t, args...)
	if strings.Contains(report, "The clock of") || !strings.Contains(line(report, "log"), "clock right") || !strings.Contains(line(report, "store"), "clock right") {
		t.Errorf("a clock that is right:\n%s", report)
	}
	if topics := topicsOf(t, name); len(topics) > 0 {
		t.Errorf("looking at the clock made %v", topics)
	}
}

func topicsOf(t *testing.T, name string) []string {
	t.Helper()
	topics, err := admin(t).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(topics.Names(), func(s string) bool { return !strings.HasPrefix(s, name) })
}

// admin asks the shared Kafka without any code of ours.
func admin(t *testing.T) *kadm.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(enginetest.Kafka(t), "kafka://")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

// A topic that somebody made beforehand, with settings that delete (reports from the field): each is named, none is touched.
func TestDoctorOnATopicThatWouldLoseMessages(t *testing.T) {
	bad := map[string]string{"retention.ms": "3600000", "retention.bytes": "1048576", "cleanup.policy": "compact",
		"message.timestamp.type": "CreateTime", "max.message.bytes": "8192", "unclean.leader.election.enable": "true"}
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	adm, topic := admin(t), name+"-g1"
	conf := map[string]*string{}
	for k, v := range bad {
		conf[k] = &v
	}
	if _, err := adm.CreateTopic(t.Context(), 8, 1, conf, topic); err != nil {
		t.Fatal(err)
	}
	report := ""
	until(t, "the topic is known", func() bool {
		report, _, _ = examine(t, append(args, "--listen", nobody(t))...)
		return strings.Contains(line(report, "log"), "8 partitions")
	})
	for _, says := range slices.Concat(slices.Collect(maps.Keys(bad)), []string{"partitions=4", "kafka-configs.sh", topic}) {
		if !strings.Contains(report, says) {
			t.Errorf("%s is not named:\n%s", says, report)
		}
	}
	if got := strings.Count(report, "✗ "+topic); got != len(bad)+1 {
		t.Errorf("%d faults of the topic:\n%s", got, report)
	}
	after, err := adm.DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	res, err := after.On(topic, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range res.Configs {
		if want, ok := bad[c.Key]; ok && c.MaybeValue() != want {
			t.Errorf("%s is %s now: looking has changed it", c.Key, c.MaybeValue())
		}
	}
}

// A topic that no broker could ever acknowledge keeps a node from starting, with --allow-single-broker too.
func TestDoctorOnATopicThatAcknowledgesNothing(t *testing.T) {
	name := enginetest.Name(t)
	args := engineArgs(t, name)
	two := "2"
	if _, err := admin(t).CreateTopic(t.Context(), 4, 1, map[string]*string{"min.insync.replicas": &two}, name+"-g1"); err != nil {
		t.Fatal(err)
	}
	report := ""
	until(t, "the topic is known", func() bool {
		report, _, _ = examine(t, append(args, "--listen", nobody(t))...)
		return strings.Contains(line(report, "log"), "4 partitions")
	})
	if !strings.Contains(line(report, "log"), "bad") || !strings.Contains(report, "no message could ever be acknowledged") {
		t.Errorf("it is taken for good:\n%s", report)
	}
	refuses(t, args, "no message could ever be acknowledged")
}

// Each thing that is wrong, its sentence, and whether it is grave.
func TestDoctorOnEnginesThatAreWrong(t *testing.T) {
	t.Parallel()
	name := enginetest.Name(t)
	args := append(engineArgs(t, name), "--advertise", "node-1:3001", "--listen", nobody(t))
	at := nobody(t)
	to := func(s string) func(string) string { return func(string) string { return s } }
	forgets := enginetest.NewRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	tight := enginetest.NewRedis(t, "--client-output-buffer-limit", "pubsub 1mb 512kb 60")
	locked := enginetest.NewRedis(t, "--requirepass", "right")
	lock := strings.TrimPrefix(locked.Addr(), "redis://")
	type wrong struct {
		args  []string
		part  string
		grave int
		says  []string
	}
	cases := map[string]wrong{
		"one broker":     {slices.DeleteFunc(slices.Clone(args), func(s string) bool { return s == "--allow-single-broker" }), "log", 1, []string{"one broker", "--allow-single-broker"}},
		"no Kafka":       {with(args, "--log", to("kafka://ann:hunter2@"+at+"/"+name)), "log", 1, []string{at, "does not answer"}},
		"no Redis":       {with(args, "--bus", to("redis://:hunter2@"+at)), "bus", 1, []string{at, "can not be reached"}},
		"no MongoDB":     {with(args, "--store", to("mongodb://ann:hunter2@"+at+"/"+name)), "store", 1, []string{at, "can not be reached"}},
		"wrong password": {with(args, "--bus", to("redis://:hunter2@"+lock)), "bus", 1, []string{"refuses the user or password"}},
		"no password":    {with(args, "--bus", to("redis://"+lock)), "bus", 1, []string{"wants a password"}},
		"an eviction":    {with(args, "--bus", to(forgets.Addr())), "bus", 0, []string{"maxmemory-policy is allkeys-lru", "noeviction"}},
		"small buffers":  {with(args, "--bus", to(tight.Addr())), "bus", 0, []string{"is 1048576 524288 60", "32mb 8mb 60"}},
		"a bad address":  {with(args, "--log", to("kafka://127.0.0.1:nine/"+name)), "log", 1, []string{"host:port", "Correct --log"}},
		"a memory bus":   {with(args, "--bus", to("memory:")), "settings", 1, []string{"split"}},
		"a short secret": {with(args, "--secret", to("0123456789abcdef")), "settings", 0, []string{"--secret", "openssl rand"}},
		"a stand-in":     {args, "store", 0, []string{"FerretDB"}},
	}
	if os.Getenv("HUBBUB_TEST_MONGO") != "" {
		delete(cases, "a stand-in") // it may be a real mongod
	}
	for title, c := range cases {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			report, grave, slight := examine(t, c.args...)
			if verdict := line(report, c.part); grave != c.grave || slight == 0 && grave == 0 ||
				grave > 0 && !strings.Contains(verdict, "bad") || grave == 0 && !strings.Contains(verdict, "look") {
				t.Errorf("%d grave, %d slight:\n%s", grave, slight, report)
			}
			for _, s := range c.says {
				if !strings.Contains(report, s) {
					t.Errorf("%q is not said:\n%s", s, report)
				}
			}
		})
	}
}
