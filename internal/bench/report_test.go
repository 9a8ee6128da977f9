package bench

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTheReport(t *testing.T) {
	r := &Result{Sockets: 20, Rooms: 2, Sent: 7, Acked: 5, Refused: 2, RefusedWhy: "rate_limited", GivenUp: 1, Delivered: 50, Lost: 3, Duplicated: 4, OutOfOrder: 5, OtherOrder: 6,
		Closed: 8, ClosedWhy: "slow", DeliveriesPerSecond: 1234, AcksPerSecond: 99, Ack: Percentiles{1, 2, 3, 4}, Delivery: Percentiles{5, 6, 7, 8},
		Seconds: 2, GeneratorCPU: 1}
	r.use(nil, nil, 50)
	text := written(t, r)
	for _, want := range []string{"20 in 2 rooms", "7 sent, 5 acked, 2 refused, 1 given up", "rate_limited", "50: 3 lost, 4 twice, 5 out of order, 6 sockets with another order", "8 sockets, for instance: slow",
		"1234 deliveries/s, 99 acks/s, over 2s", "p50 1.0 ms, p90 2.0 ms, p99 3.0 ms, longest 4.0 ms", "p99 7.0 ms", "50 % of a core"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "CPU per delivery") {
		t.Errorf("no process is watched, and it says\n%s", text)
	}
	r.use([]Process{{"node1", 1}, {"kafka", 2}}, map[string]float64{"node1": 1, "kafka": 0.5}, 1000)
	for _, want := range []string{"CPU of node1", "CPU of kafka", "1500.00 µs"} {
		if text := written(t, r); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if err := r.Wrong(); err == nil || err.Error() != "3 deliveries lost, 4 twice, 5 out of order, 6 sockets with another order" {
		t.Errorf("it says %v", err)
	}
	if err := (&Result{Refused: 3, Closed: 1}).Wrong(); err != nil {
		t.Errorf("refusals are no fault: %v", err)
	}
}

func TestTheReportOfIdleSockets(t *testing.T) {
	r := &IdleResult{Sockets: 1024, ConnectSeconds: 2, CPUPerConnect: 300, Before: 10 << 20, After: 30 << 20, PerSocket: 20480, KernelPerSocket: 4096, IdleCPU: 1.5, HoldSeconds: 10, Pings: 7, Closed: 3}
	text := written(t, r)
	for _, want := range []string{"1024, connected in 2s (512 a second), 3 closed since", "7 answered in 10s", "20.0 KiB per socket (10 MiB before, 30 MiB after)", "300 µs per connect, 1.5 % of a core", "4.0 KiB per socket"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func written(t *testing.T, r interface{ Write(io.Writer) error }) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type full struct{}

var errFull = errors.New("the disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestAReportThatCanNotBeWritten(t *testing.T) {
	for _, err := range []error{(&Result{}).Write(full{}), (&IdleResult{ConnectSeconds: 1}).Write(full{})} {
		if !errors.Is(err, errFull) {
			t.Errorf("it says %v", err)
		}
	}
}

func TestTheBar(t *testing.T) {
	for want, c := range map[string][2]int{"[..............................] 0 of 9": {0, 9}, "[###############...............] 5 of 10": {5, 10}, "[##############################] 12 of 10": {12, 10}, "[..............................] 0 of 0": {0, 0}} {
		if got := bar(c[0], c[1]); got != want {
			t.Errorf("%v: %s", c, got)
		}
	}
}
