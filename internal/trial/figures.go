package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// figures are a row of the table.
type figures struct {
	fault               string
	failed              bool
	verdict             crowd.Verdict
	crowd               crowd.Figures
	kills               int
	slowest             time.Duration // start of a node
	told, toldClients   time.Duration
	calmAck, calmSeen   time.Duration // p99
	worstAck, worstSeen time.Duration // of what was sent during the fault
	ready, here, back   time.Duration // after healing
	saved               time.Duration
}

// printFigures prints the table.
func printFigures(rows []figures) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		text := make([]string, len(cells))
		for i, c := range cells {
			if d, ok := c.(time.Duration); ok {
				c = d.Round(time.Millisecond)
				if d == 0 {
					c = "-"
				}
			}
			text[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(w, strings.Join(text, "\t"))
	}
	row("fault", "result", "acked", "kept", "seen", "gaps", "refused", "upgrades", "kills", "start≤", "told", "clients", "calm p99 ack", "seen", "worst ack", "seen", "ready", "here", "p99 back")
	for _, f := range rows {
		result := "passed"
		if f.failed {
			result = "FAILED"
		}
		refused := 0
		for _, n := range f.crowd.Refused {
			refused += n
		}
		v := f.verdict
		row(f.fault, result, v.Acked, v.Kept, v.Seen, v.Gaps, refused, f.crowd.Upgrades, f.kills, f.slowest, f.told, f.toldClients, f.calmAck, f.calmSeen, f.worstAck, f.worstSeen, f.ready, f.here, f.back)
	}
	w.Flush()
	for _, f := range rows {
		fmt.Printf("%s: %d requests; refusals by code: %v\n", f.fault, f.crowd.Tries, f.crowd.Refused)
	}
}
