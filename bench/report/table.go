package main

import (
	"fmt"
	"strings"
	"time"
)

// about is what the figures depend on beside the code.
type about struct {
	goVersion, node, socketio, processor, commit string
	cores                                        int
	date                                         time.Time
}

// servers are the columns; the first is what the others are compared with.
var servers = []string{"node", "hubbub", "testserver"}

// row is a line of the comparison: path / per × scale of a measurement.
type row struct {
	label, what, path, per string
	scale                  float64
	plain                  bool    // no ratio: it says how the run went, or is a percentage
	asked                  float64 // of the ratio of hubbub serve; 0: nothing
	atLeast                bool    // else at most
}

var rows = []row{
	{label: "deliveries a second", what: "pipelined", path: "deliveries_per_s", asked: 4, atLeast: true},
	{label: "… CPU per delivery, µs", what: "pipelined", path: "server_cpu_per_delivery_us"},
	{label: "… send to delivery, p99, ms", what: "pipelined", path: "delivery_ms.p99"},
	{label: "… server's core busy, %", what: "pipelined", path: "server_cpu_s", per: "seconds", scale: 100, plain: true},
	{label: "… generator's core busy, %", what: "pipelined", path: "generator_cpu_s", per: "seconds", scale: 100, plain: true},
	{label: "one message at a time: CPU per delivery, µs", what: "single", path: "server_cpu_per_delivery_us", asked: 0.85},
	{label: "… deliveries a second", what: "single", path: "deliveries_per_s"},
	{label: "… send to delivery, p99, ms", what: "single", path: "delivery_ms.p99"},
	{label: "idle socket: resident memory, KiB", what: "idle", path: "rss_per_socket_bytes", scale: 1.0 / 1024, asked: 0.6},
	{label: "CPU per connect, µs", what: "idle", path: "server_cpu_per_connect_us", asked: 0.3},
	{label: "idle CPU, % of a core", what: "idle", path: "idle_cpu_percent", plain: true},
}

// values are a row's figures of one server; none when it was not measured.
func (r row) values(runs []record) ([]float64, error) {
	var all []float64
	for _, run := range runs {
		n, err := run.number(r.path)
		if err == nil && r.per != "" {
			var per float64
			per, err = run.number(r.per)
			n /= per
		}
		if err != nil {
			return nil, err
		}
		if r.scale != 0 {
			n *= r.scale
		}
		all = append(all, n)
	}
	return all, nil
}

// line makes the table's line.
func (r row) line(all *results) (string, error) {
	cells := []string{r.label}
	var base, ours float64
	for i, server := range servers {
		values, err := r.values(all.runs[measurement{r.what, server}])
		if err != nil {
			return "", fmt.Errorf("%s of %s: %w", r.what, server, err)
		}
		if len(values) == 0 {
			cells = append(cells, "–")
			if i > 0 {
				cells = append(cells, "")
			}
			continue
		}
		s := spreadOf(values)
		cells = append(cells, s.String())
		switch {
		case i == 0:
			base = s.median
		case base <= 0 || r.plain:
			cells = append(cells, "")
		default:
			cells = append(cells, fmt.Sprintf("**%.2f×**", s.median/base))
			if server == "hubbub" {
				ours = s.median / base
			}
		}
	}
	return "| " + strings.Join(append(cells, r.verdict(ours)), " | ") + " |\n", nil
}

// verdict compares the ratio, 0 if there is none, with what is asked.
func (r row) verdict(ratio float64) string {
	if r.asked == 0 {
		return ""
	}
	word, met := "at most", ratio <= r.asked
	if r.atLeast {
		word, met = "at least", ratio >= r.asked
	}
	text := fmt.Sprintf("%s %g×", word, r.asked)
	switch {
	case ratio <= 0:
		return text
	case met:
		return text + ": met"
	}
	return text + ": **missed**"
}

// table makes the whole text between the markers.
func table(all *results, a about) (string, error) {
	var b strings.Builder
	b.WriteString(a.sentence(all))
	b.WriteString("\n| | Node | `hubbub serve` | | `testserver --chat` | | asked of `hubbub serve` |\n|---|--:|--:|--:|--:|--:|---|\n")
	for _, r := range rows {
		line, err := r.line(all)
		if err != nil {
			return "", err
		}
		b.WriteString(line)
	}
	b.WriteString("\n" + all.counted() + "\n")
	if bound := all.bound(); bound != "" {
		b.WriteString("\n" + bound + "\n")
	}
	durable, err := all.durable()
	if err != nil {
		return "", err
	}
	b.WriteString(durable)
	return b.String(), nil
}

// sentence says when, where and with what.
func (a about) sentence(all *results) string {
	rounds := 0
	for _, runs := range all.runs {
		rounds = max(rounds, len(runs))
	}
	with := []string{"Go " + strings.TrimPrefix(a.goVersion, "go")}
	for _, part := range []struct{ name, value string }{
		{"Node ", strings.TrimPrefix(a.node, "v")}, {"socket.io ", a.socketio}, {"commit ", a.commit}, {"", a.processor},
	} {
		if part.value != "" {
			with = append(with, part.name+part.value)
		}
	}
	return fmt.Sprintf("%s, %s, %d cores. Medians of %d, with the lowest and the highest.\n",
		a.date.UTC().Format(time.DateOnly), strings.Join(with, ", "), a.cores, rounds)
}

// counted says what became of all deliveries.
func (a *results) counted() string {
	n := func(path string) string { return thousands(fmt.Sprintf("%.0f", a.total(path))) }
	return fmt.Sprintf("%s deliveries were counted, of all servers: %s lost, %s repeated, %s out of order. %s sends were refused.",
		n("delivered"), n("lost"), n("duplicated"), n("out_of_order"), n("refused"))
}

// busy is from which percentage on the generator, and not the server, may have been the limit.
const busy = 95

// bound names the servers that could have delivered more than the generator took.
func (a *results) bound() string {
	var names []string
	load := row{path: "generator_cpu_s", per: "seconds", scale: 100}
	for _, server := range servers {
		values, err := load.values(a.runs[measurement{"pipelined", server}])
		if err == nil && len(values) > 0 && spreadOf(values).median >= busy {
			names = append(names, server)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "The generator's core was the limit for " + strings.Join(names, " and ") + ": that rate is the least it can do."
}
