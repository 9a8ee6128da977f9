// Command report makes the table of `make bench` out of the raw figures that scripts/bench has collected, prints it, and puts it between
// the two markers of docs/performance.md.
//
//	report -dir .cache/bench/raw [-doc docs/performance.md] [-node v20.20.2] [-socketio 4.8.4] [-commit abc1234]
//
// It fails when a figure is missing, or when a server lost, repeated or reordered a delivery: the table is printed all the same, but not kept.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run does everything; out gets the table.
func run(args []string, out io.Writer) error {
	a := about{goVersion: runtime.Version(), processor: processor(), cores: runtime.NumCPU(), date: time.Now()}
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	dir := flags.String("dir", ".cache/bench/raw", "`folder` of the raw figures")
	doc := flags.String("doc", "", "`document` that keeps the table between its markers; none: it is only printed")
	flags.StringVar(&a.node, "node", "", "`version` of Node")
	flags.StringVar(&a.socketio, "socketio", "", "`version` of socket.io on Node")
	flags.StringVar(&a.commit, "commit", "", "`commit` that was measured")
	if err := flags.Parse(args); err != nil {
		return err
	}
	all, err := read(os.DirFS(*dir))
	if err != nil {
		return err
	}
	text, err := table(all, a)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(out, text); err != nil {
		return err
	}
	if err := all.wrong(); err != nil {
		return err
	}
	if *doc == "" {
		return nil
	}
	return keep(*doc, text)
}

// keep puts the table between the markers of the document, and leaves the rest of it as it is.
func keep(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	made, err := splice(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", []byte(made), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

const begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"

func splice(doc, text string) (string, error) {
	head, rest, ok := strings.Cut(doc, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !ok || !ended || strings.Contains(tail, begin) || strings.Contains(tail, end) || strings.Contains(head, end) {
		return "", fmt.Errorf("it needs one %s and behind it one %s", begin, end)
	}
	return head + begin + "\n" + text + end + tail, nil
}

// processor is the model that Linux names; empty where it is not known.
func processor() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
