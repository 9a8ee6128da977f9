package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/hostile"
)

// noisy is how many times the least p99 alone the greatest one may be on a quiet machine.
const noisy = 4

// worse is how much the others' p99 may rise in hostile company. See DESIGN.md §2, G9.
const worse = 1.5

// hostileTrial measures the same load alone and beside each hostile company, in turn, each time on a fresh server; the medians are compared.
func hostileTrial(ctx context.Context, o options) error {
	names, what := hostile.Names()
	var order []string // "" is the load alone
	for i, name := range names {
		if o.company != "all" && o.company != name {
			continue
		}
		if len(order)%3 == 0 || o.company != "all" {
			order = append(order, "")
		}
		order = append(order, name)
		fmt.Printf("%s: %s\n", name, what[i])
	}
	if len(order) == 0 {
		return fmt.Errorf("there is no company %q; there are: all, %s", o.company, strings.Join(names, ", "))
	}
	l := loadOf(o, false)
	fmt.Printf("\nseed %d, scale %v: %d sockets in %d rooms, %.0f messages a second of %d bytes, measured for %v after %v\n\n", o.seed, o.scale, l.Sockets, l.Rooms, l.Rate, l.Size,
		l.Duration, l.Warmup)
	runs := map[string][]sitting{}
	for round := range o.rounds {
		for _, company := range order {
			began := time.Now()
			r, err := sit(ctx, o, company, round)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", nameOf(company), round+1, err)
			}
			runs[company] = append(runs[company], r)
			fmt.Printf("round %d, %s, %v: %s\n", round+1, nameOf(company), time.Since(began).Round(time.Second), r)
		}
	}
	return verdicts(o, names, runs)
}

func nameOf(company string) string {
	if company == "" {
		return "alone"
	}
	return company
}

// verdicts prints a line for each company, and tells what broke.
func verdicts(o options, names []string, runs map[string][]sitting) error {
	alone := runs[""]
	cpu := median(alone, func(s sitting) float64 { return s.cpu })
	fmt.Printf("\nalone (median of %d): delivery p99 %.1f ms, ack p99 %.1f ms, server %.0f %% of a core\n", len(alone),
		median(alone, deliveryP99), median(alone, ackP99), 100*cpu)
	if least, most := slices.Min(p99s(alone)), slices.Max(p99s(alone)); most > noisy*least {
		fmt.Printf("The machine is not quiet: alone, the p99 was between %.1f and %.1f ms. Do not trust the ratios.\n", least, most)
	}
	var bad []string
	for _, s := range alone {
		bad = append(bad, s.broken("alone", 0)...)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "company\tdelivery p99\tack p99\tRSS before/most/after, bound\tgoroutines\tdescriptors\tlost/twice/disordered\tserver ended\t")
	for _, name := range names {
		all := runs[name]
		if len(all) == 0 {
			continue
		}
		v, wrong := judgeCompany(o, name, all, alone)
		bad = append(bad, wrong...)
		fmt.Fprintln(w, v)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, name := range names {
		for i, s := range runs[name] {
			fmt.Printf("%s %d: %s\n", name, i+1, s.report)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s\n(SEED=%d HOSTILE_SCALE=%v)", strings.Join(bad, "\n"), o.seed, o.scale)
	}
	fmt.Println("hostile: passed")
	return nil
}

// judgeCompany gives the line of a company, and what it broke.
func judgeCompany(o options, name string, all, alone []sitting) (line string, bad []string) {
	p99, calm := median(all, deliveryP99), median(alone, deliveryP99)
	ack, calmAck := median(all, ackP99), median(alone, ackP99)
	worst := all[0]
	bound := boundOf(name, all, alone)
	for _, s := range all {
		if s.most > worst.most {
			worst = s
		}
		bad = append(bad, s.broken(name, bound)...)
	}
	if p99 > worse*calm && !o.lenient {
		bad = append(bad, fmt.Sprintf("%s: the others' p99 is %.2f times that without it, and %.1f are allowed", name, p99/calm, worse))
	}
	verdict := "ok"
	if len(bad) > 0 {
		verdict = "FAILED"
	}
	line = fmt.Sprintf("%s\t%.1f ms, %.2f×\t%.1f ms, %.2f×\t%d/%d/%d, %d MiB\t%.0f → %.0f\t%.0f → %.0f\t%d/%d/%d\t%v\t%s", name, p99, p99/calm, ack, ack/calmAck,
		worst.before.rss>>20, worst.most>>20, worst.after.rss>>20, bound>>20, worst.before.goroutines, worst.after.goroutines, worst.before.files, worst.after.files,
		worst.load.Lost, worst.load.Duplicated, worst.load.OutOfOrder+worst.load.OtherOrder, worst.ended, verdict)
	return line, bad
}

func deliveryP99(s sitting) float64 { return s.load.Delivery.P99 }
func ackP99(s sitting) float64      { return s.load.Ack.P99 }

func p99s(all []sitting) (list []float64) {
	for _, s := range all {
		list = append(list, deliveryP99(s))
	}
	return list
}

// median of a figure; of an even number, the lower one of the middle.
func median(all []sitting, of func(sitting) float64) float64 {
	var values []float64
	for _, s := range all {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
