// Package deploy_test reads what deploy/ offers: that it is well formed, that images are pinned, and that every command line of hubbub
// in it is one that hubbub takes. What is here was not run where it was written.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// service is what is looked at of a service in compose.yaml.
type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     []string
	Environment map[string]string
	DependsOn   yaml.Node `yaml:"depends_on"`
	Volumes     []string
	Networks    []string
	Grace       string `yaml:"stop_grace_period"`
}

type compose struct {
	Services map[string]service
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
	Volumes map[string]any
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readCompose(t *testing.T) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// nodes are the services that run hubbub.
func (c compose) nodes() (names []string) {
	for name, s := range c.Services {
		if s.Build.Dockerfile != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

var variable = regexp.MustCompile(`\$\{(\w+)(:[-?][^}]*)?\}`)

// filled gives a value with ${NAME:?…} and ${NAME:-…} as compose would fill them in, from an environment with all required variables.
func filled(value string) string {
	return variable.ReplaceAllStringFunc(value, func(m string) string {
		part := variable.FindStringSubmatch(m)
		if rest, ok := strings.CutPrefix(part[2], ":-"); ok {
			return rest
		}
		return strings.Repeat("0123456789abcdef", 4)
	})
}

// parse reads a command line as hubbub would, and every address in it.
func parse(t *testing.T, args []string, environment map[string]string) config.Config {
	t.Helper()
	if len(args) == 0 || args[0] != "serve" {
		t.Fatalf("%q is not hubbub serve", args)
	}
	flags := flagNames(t)
	for name := range environment {
		if strings.HasPrefix(name, "HUBBUB_") && !slices.ContainsFunc(flags, func(f string) bool { return config.Variable(f) == name }) {
			t.Errorf("%s is no setting of hubbub", name)
		}
	}
	c, err := config.Parse(args[1:], func(name string) string { return filled(environment[name]) }, io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return c
}

var flagLine = regexp.MustCompile(`(?m)^  -([a-z-]+)`)

func flagNames(t *testing.T) (names []string) {
	t.Helper()
	var out bytes.Buffer
	if _, err := config.Parse([]string{"-h"}, func(string) string { return "" }, &out); !errors.Is(err, config.ErrHelp) {
		t.Fatal(err)
	}
	for _, m := range flagLine.FindAllStringSubmatch(out.String(), -1) {
		names = append(names, m[1])
	}
	return names
}

func TestTheNodesOfCompose(t *testing.T) {
	c := readCompose(t)
	names := c.nodes()
	if len(names) < 2 {
		t.Fatalf("nodes: %v", names)
	}
	for _, name := range names {
		s := c.Services[name]
		conf := parse(t, s.Command, s.Environment)
		if !conf.Shared() || conf.SingleBroker || conf.Advertise != name+":3001" || !strings.HasSuffix(conf.Listen, ":3001") {
			t.Errorf("%s: %+v", name, conf)
		}
		kafka, err1 := msglog.ParseKafka(conf.Log.Full())
		redis, err2 := bus.ParseRedis(conf.Bus.Full())
		mongo, err3 := store.ParseMongo(conf.Store.Full())
		proxies, err4 := auth.ParseProxies(conf.TrustProxy)
		_, err5 := auth.ParseNodeAddress(conf.Advertise)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			t.Fatal(err)
		}
		if subnet := c.Networks["inside"].IPAM.Config[0].Subnet; conf.TrustProxy != subnet || len(proxies) == 0 {
			t.Errorf("%s believes %s, but the proxy is in %s", name, conf.TrustProxy, subnet)
		}
		for _, at := range slices.Concat(kafka.Seeds, redis.Hosts, strings.Split(mongo.Hosts, ",")) {
			host, _, _ := strings.Cut(at, ":")
			if _, ok := c.Services[host]; !ok {
				t.Errorf("%s looks for %s, and there is no such service", name, host)
			}
		}
		if len(kafka.Seeds) < 3 {
			t.Errorf("%d brokers", len(kafka.Seeds))
		}
		if grace, err := time.ParseDuration(s.Grace); err != nil || grace < conf.Drain+10*time.Second {
			t.Errorf("%s is given %s to stop, and drains for %v", name, s.Grace, conf.Drain)
		}
		if !slices.ContainsFunc(s.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+conf.Data) }) {
			t.Errorf("%s: %s is in no volume", name, conf.Data)
		}
	}
}

func TestWhatComposeNamesIsThere(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Build.Dockerfile == "" && !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %q is not pinned", name, s.Image)
		}
		for _, other := range dependencies(t, s.DependsOn) {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s waits for %s, and there is no such service", name, other)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "./") {
				read(t, from)
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s: there is no volume %s", name, from)
			}
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s: there is no network %s", name, n)
			}
		}
		if s.Build.Dockerfile != "" {
			read(t, s.Build.Context+"/"+s.Build.Dockerfile)
		}
	}
	if got := c.Services["kafka-1"].Environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"]; got != "3" {
		t.Errorf("the brokers' settings are not merged in: %q", got)
	}
}

func dependencies(t *testing.T, n yaml.Node) (names []string) {
	t.Helper()
	var list []string
	var table map[string]any
	switch {
	case n.IsZero():
	case n.Decode(&list) == nil:
		return list
	case n.Decode(&table) == nil:
		for name := range table {
			names = append(names, name)
		}
	default:
		t.Fatalf("depends_on in line %d", n.Line)
	}
	return names
}

// pinned is an image with a whole version or a digest.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:\d+\.\d+\.\d+(-[a-z0-9.]+)?$|@sha256:[0-9a-f]{64}$`)

func TestTheContainerFile(t *testing.T) {
	text := read(t, "Containerfile")
	stages := map[string]bool{"scratch": true}
	lists := map[string][]string{}
	for line := range strings.Lines(text) {
		word := strings.Fields(line)
		switch {
		case len(word) > 1 && word[0] == "FROM":
			if !stages[word[1]] && !pinned.MatchString(word[1]) {
				t.Errorf("the image %q is not pinned", word[1])
			}
			if len(word) == 4 {
				stages[word[3]] = true
			}
		case len(word) > 1 && (word[0] == "ENTRYPOINT" || word[0] == "CMD"):
			var args []string
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, word[0])), &args); err != nil {
				t.Errorf("%s: %v", word[0], err)
			}
			lists[word[0]] = args
		}
	}
	if !slices.Equal(lists["ENTRYPOINT"], []string{"/hubbub"}) {
		t.Errorf("it starts %q", lists["ENTRYPOINT"])
	}
	if c := parse(t, lists["CMD"], nil); c.Shared() || !strings.Contains(text, "VOLUME "+c.Data) {
		t.Errorf("%+v", c)
	}
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=\S*/hubbub (.*)$`)
var stopWithin = regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`)

func TestTheUnit(t *testing.T) {
	text := read(t, "hubbub.service")
	start, stop := execStart.FindStringSubmatch(text), stopWithin.FindStringSubmatch(text)
	if start == nil || stop == nil {
		t.Fatal("no ExecStart or TimeoutStopSec")
	}
	c := parse(t, strings.Fields(start[1]), nil)
	shared := parse(t, strings.Fields(start[1]), map[string]string{"HUBBUB_LOG": "kafka://h", "HUBBUB_BUS": "redis://h", "HUBBUB_STORE": "mongodb://h", "HUBBUB_SECRET": "0123456789abcdef"})
	if within, _ := time.ParseDuration(stop[1] + "s"); within < max(c.Drain, shared.Drain)+10*time.Second {
		t.Errorf("%v to stop, with a drain of %v", within, shared.Drain)
	}
	if listens := parse(t, strings.Fields(start[1]), map[string]string{"HUBBUB_LISTEN": "0.0.0.0:3001"}).Listen; c.Listen != "127.0.0.1:3001" || listens != "0.0.0.0:3001" {
		t.Errorf("it listens on %s, and on %s where the file of settings wants it to be reached", c.Listen, listens)
	}
	if !strings.Contains(text, "StateDirectory="+strings.TrimPrefix(c.Data, "/var/lib/")+"\n") {
		t.Errorf("%s is not its own directory", c.Data)
	}
	for _, name := range regexp.MustCompile(`HUBBUB_[A-Z_]*[A-Z]`).FindAllString(text, -1) {
		if !slices.ContainsFunc(flagNames(t), func(f string) bool { return config.Variable(f) == name }) {
			t.Errorf("%s is no setting of hubbub", name)
		}
	}
}

var upstream = regexp.MustCompile(`(?m)^\s+server ([a-z0-9-]+):3001\b`)
var readTimeout = regexp.MustCompile(`proxy_read_timeout (\w+);`)

func TestTheProxy(t *testing.T) {
	text := read(t, "nginx.conf")
	var names []string
	for _, m := range upstream.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	if want := readCompose(t).nodes(); !slices.Equal(names, want) {
		t.Errorf("it passes on to %v, the nodes are %v", names, want)
	}
	if m := regexp.MustCompile(`(?m)^\s*(ip_hash|hash|sticky|random|least_conn)\b`).FindString(text); m != "" {
		t.Errorf("it is no round robin: %q", m)
	}
	c := parse(t, []string{"serve"}, nil)
	if d, err := time.ParseDuration(readTimeout.FindStringSubmatch(text)[1]); err != nil || d <= c.PingInterval+c.PingTimeout {
		t.Errorf("a long poll lasts up to %v: %v", c.PingInterval+c.PingTimeout, err)
	}
	for _, header := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Upgrade", "Connection"} {
		if !strings.Contains(text, "proxy_set_header "+header+" ") {
			t.Errorf("it does not set %s", header)
		}
	}
	if strings.Count(text, "{") != strings.Count(text, "}") {
		t.Error("its braces do not match")
	}
}

// What was not run says so.
func TestWhatWasNotRunSaysSo(t *testing.T) {
	for name, says := range map[string]string{"compose.yaml": "NOT RUN where it was written", "nginx.conf": "NOT run in this image",
		"Containerfile": "NOT built where it was written", "hubbub.service": "not run as a service where it was written"} {
		if !strings.Contains(read(t, name), says) {
			t.Errorf("%s does not say that it was not run", name)
		}
	}
}
