package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// load is the JSON that `hubbub bench room` prints, as far as it is used here.
const load = `{"delivered": %d, "lost": 0, "duplicated": 0, "out_of_order": 0, "other_order": 0, "refused": 0, "given_up": 0, "closed": 0,
"deliveries_per_s": %g, "acks_per_s": %g, "ack_ms": {"p50": 4.5, "p99": 14.2}, "delivery_ms": {"p99": %g},
"seconds": 10, "server_cpu_s": %g, "server_cpu_per_delivery_us": %g, "generator_cpu_s": 5}`

const idle = `{"sockets": 4000, "rss_per_socket_bytes": %d, "server_cpu_per_connect_us": %g, "idle_cpu_percent": 0.5, "closed": 0}`

// canned are three rounds of everything; the middle one is the median.
func canned() fstest.MapFS {
	dir := fstest.MapFS{"notes.md": {Data: []byte("not a figure")}}
	put := func(name, text string) { dir[name] = &fstest.MapFile{Data: []byte(text)} }
	for i, drift := range []float64{1.1, 1, 0.9} {
		for s, server := range servers {
			speed := []float64{1, 5, 6}[s] * drift
			file := func(what string) string { return fmt.Sprintf("%s.%s.%d.json", what, server, i+1) }
			put(file("pipelined"), fmt.Sprintf(load, 1000, 80_000*speed, 80*speed, 400.0, 9.9, 12/speed))
			put(file("single"), fmt.Sprintf(load, 10, 50_000*speed, 50*speed, 20.0, 9.5, 10.0))
			put(file("idle"), fmt.Sprintf(idle, 20*1024/(s+1), 900/speed))
		}
		put(fmt.Sprintf("senders.hubbub.%d.json", i+1), fmt.Sprintf(load, 500, 30_000*drift, 30_000*drift, 9.0, 8.0, 25.0))
		put(fmt.Sprintf("bare.segment.%d.txt", i+1), fmt.Sprintf("goos: linux\nBenchmarkSegment/appenders=256 \t 400000\t 11000 ns/op\t %g appends/s\nPASS\n", 100_000*drift))
	}
	return dir
}

var machine = about{goVersion: "go1.26.8", node: "v20.20.2", socketio: "4.8.4", processor: "Some CPU", commit: "abc1234", cores: 2,
	date: time.Date(2026, 11, 25, 17, 0, 0, 0, time.UTC)}

func made(t *testing.T, dir fstest.MapFS) string {
	t.Helper()
	all, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := table(all, machine)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTable(t *testing.T) {
	text := made(t, canned())
	for _, line := range []string{
		"2026-11-25, Go 1.26.8, Node 20.20.2, socket.io 4.8.4, commit abc1234, Some CPU, 2 cores. Medians of 3, with the lowest and the highest.\n",
		"| deliveries a second | 80,000 (72,000–88,000) | 400,000 (360,000–440,000) | **5.00×** | 480,000 (432,000–528,000) | **6.00×** | at least 4×: met |\n",
		"| … CPU per delivery, µs | 12.0 (10.9–13.3) | 2.40 (2.18–2.67) | **0.20×** |",
		"| … server's core busy, % | 99.0 | 99.0 |  | 99.0 |  |  |\n",
		"| … generator's core busy, % | 50.0 |",
		"| one message at a time: CPU per delivery, µs | 10.0 | 10.0 | **1.00×** | 10.0 | **1.00×** | at most 0.85×: **missed** |\n",
		"| idle socket: resident memory, KiB | 20.0 | 10.0 | **0.50×** | 6.67 | **0.33×** | at most 0.6×: met |\n",
		"| CPU per connect, µs | 900 (818–1,000) |",
		"10,590 deliveries were counted, of all servers: 0 lost, 0 repeated, 0 out of order. 0 sends were refused.\n",
		"| bare segment log, 256 appenders, no sockets | 100,000 (90,000–110,000) | 1 | | | |\n",
		"| `hubbub serve`: on disk before the ack, the persister on | 30,000 (27,000–33,000) | **0.30×** | 4.50 | 14.2 | at least 0.25×: met |\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("missing: %s\nin:\n%s", line, text)
		}
	}
	if strings.Contains(text, "was the limit") {
		t.Error("a generator that is half idle is no limit")
	}
	columns := strings.Count("| | Node | `hubbub serve` | | `testserver --chat` | | asked of `hubbub serve` |", "|")
	for line := range strings.Lines(text) {
		if n := strings.Count(line, "|"); n != 0 && n != columns && n != 7 {
			t.Errorf("%d bars in %q", n, line)
		}
	}
}

func TestPartsOfARun(t *testing.T) {
	dir := canned()
	for name := range dir {
		if strings.Contains(name, ".testserver.") || strings.HasPrefix(name, "senders") || strings.HasPrefix(name, "bare") {
			delete(dir, name)
		}
	}
	text := made(t, dir)
	if !strings.Contains(text, "| **5.00×** | – |  | at least 4×: met |\n") || strings.Contains(text, "durable") {
		t.Errorf("what was not measured is not left out:\n%s", text)
	}
	for name := range dir {
		if strings.Contains(name, ".node.") {
			delete(dir, name)
		}
	}
	if text := made(t, dir); strings.Contains(text, "×**") || strings.Contains(text, "met") {
		t.Errorf("ratios to a server that was not measured:\n%s", text)
	}
}

func TestGeneratorBound(t *testing.T) {
	dir := canned()
	for name, file := range dir {
		if strings.HasPrefix(name, "pipelined.hubbub") {
			file.Data = []byte(strings.Replace(string(file.Data), `"generator_cpu_s": 5`, `"generator_cpu_s": 9.8`, 1))
		}
	}
	if text := made(t, dir); !strings.Contains(text, "The generator's core was the limit for hubbub: ") {
		t.Errorf("not said:\n%s", text)
	}
}

func TestBadFigures(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"no JSON":         {"single.node.2.json", "{", "single.node.2.json: unexpected end of JSON"},
		"no figure":       {"single.node.2.json", `{"delivery_ms": 4}`, "single of node: no server_cpu_per_delivery_us"},
		"figure inside":   {"pipelined.hubbub.1.json", `{"deliveries_per_s":1,"server_cpu_per_delivery_us":1,"delivery_ms":{}}`, "no delivery_ms.p99"},
		"not a number":    {"idle.node.1.json", `{"rss_per_socket_bytes":"many"}`, "no rss_per_socket_bytes"},
		"no benchmark":    {"bare.segment.3.txt", "PASS\n", "bare.segment.3.txt: no benchmark with appends/s"},
		"benchmark fails": {"bare.segment.3.txt", "--- FAIL: x\nappends/s\n", "no benchmark with appends/s"},
		"senders":         {"senders.hubbub.1.json", `{"acks_per_s": 3}`, "senders: no ack_ms.p50"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := canned()
			dir[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			all, err := read(dir)
			if err == nil {
				_, err = table(all, machine)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if _, err := read(fstest.MapFS{"x.json": {Data: []byte("{}")}}); err == nil {
			t.Error("an empty folder makes a table")
		}
	})
	t.Run("half of the durable sends", func(t *testing.T) {
		dir := canned()
		for name := range dir {
			if strings.HasPrefix(name, "bare") {
				delete(dir, name)
			}
		}
		all, err := read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table(all, machine); err == nil {
			t.Error("durable sends without the bare log make a table")
		}
	})
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.123456: "0.12", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 999.4: "999", 999.6: "1,000", 1234: "1,230",
		12_345: "12,300", 999_499: "999,000", 999_600: "1,000,000", 1_234_567: "1,230,000", -12_345: "-12,300",
	} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v) = %q, want %q", v, got, want)
		}
	}
	if s := spreadOf([]float64{4, 1, 2, 3}); s != (spread{1, 2.5, 4}) {
		t.Errorf("spread of four: %v", s)
	}
}

// write puts the figures into a real folder, as run reads them.
func write(t *testing.T, figures fstest.MapFS) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, figures); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunKeepsTheRestOfTheDocument(t *testing.T) {
	dir, doc := write(t, canned()), filepath.Join(t.TempDir(), "performance.md")
	old := "# Performance\n\nbefore\n\n" + begin + "\nold table\n" + end + "\n\nafter\n"
	if err := os.WriteFile(doc, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time finds its own table
		var out strings.Builder
		if err := run([]string{"-dir", dir, "-doc", doc, "-node", "v20.20.2"}, &out); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		if want := "# Performance\n\nbefore\n\n" + begin + "\n" + out.String() + end + "\n\nafter\n"; string(got) != want {
			t.Fatalf("the document is\n%s\nwant\n%s", got, want)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	doc := filepath.Join(t.TempDir(), "performance.md")
	whole := begin + "\n" + end + "\n"
	for name, c := range map[string]struct{ doc, broken, want string }{
		"no markers":      {"text", "", "it needs one"},
		"no end":          {begin, "", "it needs one"},
		"wrong order":     {end + begin, "", "it needs one"},
		"twice":           {whole + whole, "", "it needs one"},
		"lost deliveries": {whole, `"lost": 3`, "these figures do not count: hubbub pipelined: 3 lost"},
		"refused sends":   {whole, `"refused": 2`, "hubbub pipelined: 2 refused"},
		"another order":   {whole, `"other_order": 1`, "1 sockets with another order"},
	} {
		t.Run(name, func(t *testing.T) {
			figures := canned()
			if c.broken != "" {
				file := figures["pipelined.hubbub.2.json"]
				key, _, _ := strings.Cut(c.broken, " ")
				file.Data = []byte(strings.Replace(string(file.Data), key+" 0", c.broken, 1))
			}
			if err := os.WriteFile(doc, []byte(c.doc), 0o644); err != nil {
				t.Fatal(err)
			}
			err := run([]string{"-dir", write(t, figures), "-doc", doc}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if now, _ := os.ReadFile(doc); string(now) != c.doc {
				t.Errorf("the document was changed to %q", now)
			}
		})
	}
}
