package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/bench"
)

// What a bench can not do is one sentence and a non-zero end.
func TestRefusedBenches(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()
	for _, c := range [][]string{
		{"connection refused", "room", "--rate", "1", "--url", nobody},
		{"connection refused", "senders", "--url", nobody},
		{"connection refused", "idle", "--url", nobody},
		{"either --in-flight or --rate", "room", "--rate", "1", "--in-flight", "1", "--url", nobody},
		{"either --in-flight or --rate", "room", "--url", nobody},
		{"do not fit", "room", "--rate", "1", "--sockets", "1000000000", "--url", nobody},
		{"do not fit", "idle", "--sockets", "1000000000", "--url", nobody},
		{"no more rooms than sockets", "room", "--rate", "1", "--sockets", "2", "--rooms", "3", "--url", nobody},
		{"is not an address", "room", "--rate", "1", "--url", "nonsense"},
		{"--pid", "room", "--rate", "1", "--pid", "x", "--url", nobody},
		{"--hold", "idle", "--hold", "1ms", "--url", nobody},
		{"is not a flag", "room", "more"},
	} {
		out, problem, code := ends(t, append([]string{"bench"}, c[1:]...)...)
		problem = strings.ReplaceAll(problem, "\r\x1b[K", "")
		if code != 1 || !oneSentence(problem, c[0]) || out != "" {
			t.Errorf("%v: exit %d, %q, %q", c, code, out, problem)
		}
	}
	if _, problem, code := ends(t, "bench", "marathon"); code != 1 || !strings.Contains(problem, `there is no bench "marathon"`) || !strings.Contains(problem, "bench idle") {
		t.Errorf("an unknown kind: exit %d, %q", code, problem)
	}
	if out, _, code := ends(t, "bench"); code != 0 || !strings.Contains(out, "bench senders") {
		t.Errorf("without a kind: exit %d, %q", code, out)
	}
	if _, problem, code := ends(t, "bench", "room", "-h"); code != 0 || !strings.Contains(problem, "-in-flight") {
		t.Errorf("help: exit %d, %q", code, problem)
	}
}

// A bench of the product itself, in JSON: every figure is there and nothing is wrong.
func TestABenchOfTheProduct(t *testing.T) {
	ready, stop := serving(t, "--listen", "127.0.0.1:0", "--data", t.TempDir())
	defer stop()
	url := strings.TrimSuffix(strings.Fields(ready[strings.Index(ready, "http://"):])[0], "/")
	out, problem, code := ends(t, "bench", "room", "--url", url, "--sockets", "20", "--rooms", "4", "--rate", "100", "--warmup", "100ms", "--duration", "500ms", "--json")
	var r bench.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit %d, %v, %q, %q", code, err, out, problem)
	}
	if r.Sockets != 20 || r.Sent < 20 || r.Acked != r.Sent || r.Delivered != 5*r.Sent || r.Wrong() != nil || r.Delivery.P99 <= 0 {
		t.Errorf("%+v", r)
	}
	out, problem, code = ends(t, "bench", "idle", "--url", url, "--sockets", "10", "--hold", "1s")
	if code != 0 || !strings.Contains(out, "10, connected in") {
		t.Errorf("exit %d, %q, %q", code, out, problem)
	}
	out, problem, code = ends(t, "bench", "senders", "--url", url, "--senders", "3", "--warmup", "0s", "--duration", "300ms")
	if code != 0 || !strings.Contains(out, fmt.Sprint("3 in 3 rooms")) {
		t.Errorf("exit %d, %q, %q", code, out, problem)
	}
}
