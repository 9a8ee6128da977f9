package node_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

var sample = regexp.MustCompile(`(?m)^(hubbub_\w+(?:\{le="[^"]+"\})?) (\S+)$`)

// numbers gives a node's own metrics as they stand, those of histograms by name and le.
func (r *running) numbers(t *testing.T) map[string]float64 {
	t.Helper()
	_, text, _ := request(t, "GET", "http://"+r.addr+"/metrics", "", nil)
	out := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		out[m[1]] = v
	}
	return out
}

// What people send is measured until it is durable, and once for each record until it is live, however many hear it.
func TestLatencyIsCounted(t *testing.T) {
	t.Parallel()
	n := start(t)
	ann := n.lobby(t, "")
	bob := n.guest("Bob")
	bob.must("room:join", map[string]any{"roomId": "lobby", "clientId": newID()})
	say := func(text string) {
		ann.send("lobby", text)
		bob.await("message:new", func(e event) bool { return e.Text == text })
		ann.await("message:new", func(e event) bool { return e.Text == text })
		bob.must("message:list", map[string]any{"roomId": "lobby"}) // the room is done with what it was at, its counting too
	}
	say("zero") // and behind it the joins are counted
	before := n.numbers(t)
	for _, text := range []string{"one", "two", "three"} {
		say(text)
	}
	after := n.numbers(t)
	for _, name := range []string{"hubbub_append_seconds", "hubbub_live_seconds"} {
		if got := after[name+"_count"] - before[name+"_count"]; got != 3 {
			t.Errorf("%s counted %v records of 3", name, got)
		}
		if all := after[name+`_bucket{le="+Inf"}`]; all != after[name+"_count"] || after[name+`_bucket{le="30"}`] != all {
			t.Errorf("%s: buckets of %v and %v for %v", name, all, after[name+`_bucket{le="30"}`], after[name+"_count"])
		}
		if sum := after[name+"_sum"] - before[name+"_sum"]; sum < 0 || sum > 60 {
			t.Errorf("%s: three records took %v s", name, sum)
		}
		buckets := 0
		for key := range after {
			if strings.HasPrefix(key, name+"_bucket{") {
				buckets++
			}
		}
		if buckets != 15 { // with +Inf
			t.Errorf("%s has %d buckets", name, buckets)
		}
	}
	if after["hubbub_append_seconds_sum"] == before["hubbub_append_seconds_sum"] {
		t.Error("the log took no time at all")
	}
}

// An append that the log refuses, here for want of space, took no time that counts.
func TestLatencyLeavesOutRefusals(t *testing.T) {
	t.Parallel()
	n := &running{t: t, data: t.TempDir()}
	n.up()
	t.Cleanup(func() { n.stop() })
	ann := n.lobby(t, "")
	n.stop()
	n.args = []string{"--reserve-bytes", strconv.FormatInt(1e15, 10)}
	n.up()
	ann = n.connect(map[string]any{"token": ann.token})
	if _, err := ann.ask("message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "no room"}); !refusedWith(err, chat.CodeUnavailable) {
		t.Fatalf("a send without space: %v", err)
	}
	got := n.numbers(t)
	if failed := got["hubbub_appends_failed_total"]; failed < 1 {
		t.Errorf("%v appends failed", failed)
	}
	for _, name := range []string{"hubbub_append_seconds_count", "hubbub_live_seconds_count"} {
		if v, there := got[name]; !there || v != 0 {
			t.Errorf("%s is %v (there: %v)", name, v, there)
		}
	}
}
