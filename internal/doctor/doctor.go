// Package doctor is behind `hubbub doctor`: it looks at each engine of a deployment, and says what is wrong and how to mend it, before
// or while nodes run. What to look at is handed to it by node, which knows the engines.
package doctor

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Finding is one thing that is wrong.
type Finding struct {
	Grave bool   // a node would refuse to start, or messages could be lost; else something to look at
	Where string // which server or setting; empty: the engine as a whole
	What  string // is wrong, a sentence
	Mend  string // what to do about it, a sentence
}

// Probe looks at one part of a deployment.
type Probe struct {
	Name string // "log", "bus", …
	At   string // its address, without credentials
	// Look gives what was found, and what was seen in a few words ("Kafka, 3 brokers, 64 partitions"); it ends with ctx.
	Look func(ctx context.Context) (seen string, found []Finding)
}

// perProbe bounds one probe; the whole is bounded by their number.
const perProbe = 15 * time.Second

// Run looks at everything in turn and writes a report for people: one line a part, and what is wrong below it. It gives how many
// findings were grave, and how many were not.
func Run(ctx context.Context, out io.Writer, probes []Probe) (grave, slight int) {
	for _, p := range probes {
		seen, found := look(ctx, p)
		slices.SortStableFunc(found, func(a, b Finding) int { return rank(a) - rank(b) })
		fmt.Fprintf(out, "%-9s %-5s %s%s\n", p.Name, verdict(found), p.At, said(seen))
		for _, f := range found {
			mark := "!"
			if f.Grave {
				mark = "✗"
				grave++
			} else {
				slight++
			}
			where := ""
			if f.Where != "" {
				where = f.Where + ": "
			}
			fmt.Fprintf(out, "  %s %s%s\n    → %s\n", mark, where, clean(f.What), clean(f.Mend))
		}
	}
	return grave, slight
}

// look bounds a probe in time; one that panics or hangs is a finding.
func look(ctx context.Context, p Probe) (seen string, found []Finding) {
	ctx, cancel := context.WithTimeout(ctx, perProbe)
	defer cancel()
	type answer struct {
		seen  string
		found []Finding
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{"", []Finding{{Grave: true, What: fmt.Sprintf("Looking at it ended in a defect of hubbub: %v.", p), Mend: "Report it, with this command's flags but without their passwords."}}}
			}
			done <- a
		}()
		a.seen, a.found = p.Look(ctx)
	}()
	select {
	case a := <-done:
		return a.seen, a.found
	case <-ctx.Done():
		return "", []Finding{{Grave: true, What: fmt.Sprintf("It did not answer within %v.", perProbe), Mend: "Look whether it runs, and whether this machine may reach it."}}
	}
}

// Count words a number of things: "1 broker", "3 brokers".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func rank(f Finding) int {
	if f.Grave {
		return 0
	}
	return 1
}

func verdict(found []Finding) string {
	switch {
	case len(found) == 0:
		return "ok"
	case slices.ContainsFunc(found, func(f Finding) bool { return f.Grave }):
		return "bad"
	}
	return "look"
}

func said(seen string) string {
	if seen == "" {
		return ""
	}
	return "  (" + seen + ")"
}

// clean keeps a report to one line a sentence, whatever an engine answered.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)), " ")
}
