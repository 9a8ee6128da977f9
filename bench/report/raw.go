package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// record is the JSON of one run of the generator.
type record map[string]any

// number finds a figure; a path with a dot goes into an object: ack_ms.p99.
func (r record) number(path string) (float64, error) {
	var at any = map[string]any(r)
	for part := range strings.SplitSeq(path, ".") {
		inside, ok := at.(map[string]any)
		if !ok {
			return 0, fmt.Errorf("no %s", path)
		}
		at = inside[part]
	}
	n, ok := at.(float64)
	if !ok {
		return 0, fmt.Errorf("no %s", path)
	}
	return n, nil
}

// measurement is what was done to whom: "pipelined" to "node".
type measurement struct{ what, server string }

// results are all figures of a run: each measurement's rounds, and the bare log's appends a second.
type results struct {
	runs map[measurement][]record
	bare []float64
}

// rawName is how scripts/bench names the files: pipelined.node.1.json; bare.segment.1.txt is what `go test -bench` printed.
var rawName = regexp.MustCompile(`^([a-z]+)\.([a-z]+)\.[0-9]+\.(json|txt)$`)

// read takes every file of the folder.
func read(dir fs.FS) (*results, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	all := &results{runs: map[measurement][]record{}}
	for _, e := range entries {
		m := rawName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		data, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			return nil, err
		}
		if m[3] == "txt" {
			n, err := appends(string(data))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name(), err)
			}
			all.bare = append(all.bare, n)
			continue
		}
		var r record
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		key := measurement{m[1], m[2]}
		all.runs[key] = append(all.runs[key], r)
	}
	if len(all.runs) == 0 {
		return nil, errors.New("no figures found: does the folder hold what scripts/bench has collected?")
	}
	return all, nil
}

// appends finds the metric appends/s in the output of a Go benchmark.
func appends(text string) (float64, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if i := slices.Index(fields, "appends/s"); i > 0 && strings.HasPrefix(line, "Benchmark") {
			return strconv.ParseFloat(fields[i-1], 64)
		}
	}
	return 0, errors.New("no benchmark with appends/s in it")
}

// wrongs are what no server may do to a delivery, and how it is said.
var wrongs = []struct{ path, said string }{
	{"lost", "lost"}, {"duplicated", "repeated"}, {"out_of_order", "out of order"}, {"other_order", "sockets with another order"},
	{"refused", "refused"}, {"given_up", "given up"}, {"unanswered", "never answered"}, {"strayed", "in another room"}, {"closed", "sockets closed"},
}

// total adds a figure up over every run of every server; idle runs lack most of them.
func (a *results) total(path string) (sum float64) {
	for _, runs := range a.runs {
		for _, r := range runs {
			if n, err := r.number(path); err == nil {
				sum += n
			}
		}
	}
	return sum
}

// wrong says what happened that may not, by server.
func (a *results) wrong() error {
	var all []string
	for m, runs := range a.runs {
		for _, r := range runs {
			for _, w := range wrongs {
				if n, err := r.number(w.path); err == nil && n != 0 {
					all = append(all, fmt.Sprintf("%s %s: %.0f %s", m.server, m.what, n, w.said))
				}
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return errors.New("these figures do not count: " + strings.Join(all, "; "))
}
