package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/bench"
	"github.com/hubbub-chat/hubbub/internal/trial/hostile"
)

// sittingOf is a measurement with nothing wrong.
func sittingOf(p99 float64, clients int) sitting {
	return sitting{load: &bench.Result{Delivery: bench.Percentiles{P99: p99}, Ack: bench.Percentiles{P99: p99}}, most: 100 << 20,
		before: state{20 << 20, 30, 10}, after: state{90 << 20, 31, 11}, report: hostile.Report{Clients: clients}}
}

func TestCompanyIsJudged(t *testing.T) {
	alone := []sitting{sittingOf(9, 0), sittingOf(10, 0), sittingOf(500, 0)}
	for name, c := range map[string]struct {
		harm    func(all []sitting)
		lenient bool
		says    string
	}{
		"as good as alone":      {func([]sitting) {}, false, ""},
		"half as slow again":    {func(all []sitting) { all[0].load.Delivery.P99, all[1].load.Delivery.P99 = 15, 15 }, false, ""},
		"one slow run of three": {func(all []sitting) { all[1].load.Delivery.P99 = 900 }, false, ""},
		"two slow runs":         {func(all []sitting) { all[0].load.Delivery.P99, all[1].load.Delivery.P99 = 16, 900 }, false, "p99 is 1.60 times"},
		"no verdict on latency": {func(all []sitting) { all[0].load.Delivery.P99, all[1].load.Delivery.P99 = 16, 900 }, true, ""},
		"too much memory":       {func(all []sitting) { all[2].most = 1 << 30 }, true, "the server had 1024 MiB resident"},
		"a loss":                {func(all []sitting) { all[2].load.Lost = 1 }, true, "1 deliveries lost"},
		"twice":                 {func(all []sitting) { all[0].load.Duplicated = 2 }, true, "2 twice"},
		"another order":         {func(all []sitting) { all[0].load.OtherOrder = 1 }, true, "1 sockets with another order"},
		"a refusal":             {func(all []sitting) { all[0].load.Refused, all[0].load.RefusedWhy = 3, "overloaded" }, true, "3 messages of the others were refused (overloaded)"},
		"one is closed":         {func(all []sitting) { all[0].load.Closed = 1 }, true, "1 of their sockets closed"},
		"something is left":     {func(all []sitting) { all[0].bad = []string{"99 goroutines"} }, true, "99 goroutines"},
		"not whole":             {func(all []sitting) { all[1].report.Problems = []string{"message 5 did not come"} }, true, "message 5 did not come"},
	} {
		t.Run(name, func(t *testing.T) {
			all := []sitting{sittingOf(10, 3), sittingOf(11, 3), sittingOf(12, 3)}
			c.harm(all)
			line, bad := judgeCompany(options{lenient: c.lenient}, "stalled", all, alone)
			said := strings.Join(bad, "\n")
			if c.says == "" && len(bad) > 0 || !strings.Contains(said, c.says) || strings.HasSuffix(line, "FAILED") != (c.says != "") {
				t.Errorf("it says %q, %s", said, line)
			}
		})
	}
}

// The load alone is held to its promises too.
func TestTheLoadAloneIsJudged(t *testing.T) {
	alone := sittingOf(10, 0)
	alone.load.Lost = 4
	runs := map[string][]sitting{"": {alone}, "flood": {sittingOf(10, 3)}}
	if err := verdicts(options{}, []string{"stalled", "flood"}, runs); err == nil || !strings.Contains(err.Error(), "alone: of the others' messages 4 deliveries lost") {
		t.Errorf("it says %v", err)
	}
	runs[""][0].load.Lost = 0
	if err := verdicts(options{}, []string{"stalled", "flood"}, runs); err != nil {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	for want, p99s := range map[float64][]float64{2: {3, 1, 2}, 1: {1, 9}, 7: {7}} {
		var all []sitting
		for _, p := range p99s {
			all = append(all, sittingOf(p, 0))
		}
		if got := median(all, deliveryP99); got != want {
			t.Errorf("of %v it is %v", p99s, got)
		}
	}
}

func TestTheLoadLeavesAQuarterForTheStalled(t *testing.T) {
	for scale, want := range map[float64]string{1: "2000 200 1500", 0.1: "200 20 150", 0.001: "10 1 7"} {
		o := options{scale: scale}
		if got := fmt.Sprint(loadOf(o, false).Sockets, loadOf(o, false).Rooms, loadOf(o, true).Sockets); got != want {
			t.Errorf("scale %v: %s", scale, got)
		}
	}
}

func TestAnUnknownCompanyIsNamed(t *testing.T) {
	if err := hostileTrial(t.Context(), options{company: "good"}); err == nil || !strings.Contains(err.Error(), "stalled, slow") {
		t.Errorf("it says %v", err)
	}
}
