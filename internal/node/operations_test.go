package node_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/store"
)

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	metricLine = regexp.MustCompile(`(?m)^# TYPE (hubbub_\w+) `)
	metricName = regexp.MustCompile("hubbub_[a-z_]*[a-z]")
)

// scrape gives the names of a node's own metrics, each once.
func (r *running) scrape(t *testing.T) (names []string) {
	t.Helper()
	status, text, _ := request(t, http.MethodGet, "http://"+r.addr+"/metrics", "", nil)
	if status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", status, text)
	}
	for _, m := range metricLine.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("only %v", names)
	}
	return names
}

// documented gives the metrics that operations.md names.
func documented(t *testing.T) []string {
	t.Helper()
	names := metricName.FindAllString(operations(t), -1)
	for i, name := range names {
		names[i] = strings.TrimSuffix(name, "_bucket") // an alarm asks for a histogram's buckets
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestTheMetricsOfOneNodeAreDocumented(t *testing.T) {
	names := documented(t)
	for _, m := range start(t).scrape(t) {
		if !slices.Contains(names, m) {
			t.Errorf("operations.md does not say what %s means", m)
		}
	}
}

// What a node of a cluster counts is documented, and what is documented is counted by one of the two kinds.
func TestTheMetricsOfAClusterAreDocumented(t *testing.T) {
	cluster := nodes(t, 1)[0].scrape(t)
	names := documented(t)
	for _, m := range cluster {
		if !slices.Contains(names, m) {
			t.Errorf("operations.md does not say what %s means", m)
		}
	}
	all := append(cluster, start(t).scrape(t)...)
	for _, m := range names {
		if !slices.Contains(all, m) {
			t.Errorf("operations.md explains %s, which no node has", m)
		}
	}
}

var settingRow = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)=([^`]+)` \\|")

// Every setting of an address that operations.md explains is one that the address may have.
func TestTheSettingsOfAddressesExist(t *testing.T) {
	text := operations(t)
	_, text, _ = strings.Cut(text, "**`--log kafka://")
	kafka, text, _ := strings.Cut(text, "**`--bus redis://")
	redis, _, found := strings.Cut(text, "**`--store mongodb://")
	if !found {
		t.Fatal("the three addresses are not where they were")
	}
	ca := t.TempDir() + "/ca.pem"
	someone := httptest.NewTLSServer(nil)
	defer someone.Close()
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: someone.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	count := func(text string, parse func(key, value string) error) (n int) {
		for _, m := range settingRow.FindAllStringSubmatch(text, -1) {
			n++
			if err := parse(m[1], strings.Replace(m[2], "FILE", ca, 1)); err != nil {
				t.Errorf("%s=%s: %v", m[1], m[2], err)
			}
		}
		return n
	}
	if n := count(kafka, func(key, value string) error {
		query := key + "=" + value
		if key == "ca" {
			query += "&tls=true"
		}
		_, err := msglog.ParseKafka("kafka://ann:pw@a:1,b/chat?" + query)
		return err
	}); n != 5 {
		t.Errorf("%d settings of Kafka", n)
	}
	if n := count(redis, func(key, value string) error {
		query := key + "=" + value
		if key == "sentinelPassword" {
			query += "&sentinel=main"
		}
		_, err := bus.ParseRedis("rediss://ann:pw@a:1,b?" + query)
		return err
	}); n != 4 {
		t.Errorf("%d settings of Redis", n)
	}
	if _, err := store.ParseMongo("mongodb://ann:pw@a:1,b/chat?replicaSet=rs0&tls=true&authSource=admin"); err != nil {
		t.Error(err)
	}
}

// A node that starts says what operations.md promises of its start: the sentence about sticky sessions, and none if it advertises.
func TestANodeWithoutAnAddressSaysSo(t *testing.T) {
	for _, more := range [][]string{nil, {"--advertise", "127.0.0.1:3001"}} {
		n, logs := startLogged(t, append(engineArgs(t, enginetest.Name(t)), more...)...)
		n.stop()
		if said := strings.Contains(logs.String(), "--advertise is not set"); said != (more == nil) {
			t.Errorf("%v: %v", more, said)
		}
	}
}
