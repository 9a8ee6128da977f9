package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The exit code is for scripts: 0 while nothing is wrong, 1 and a sentence else; the report is for people.
func TestDoctorsExitCode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	data := filepath.Join(t.TempDir(), "data")
	out, problem, code := ends(t, "doctor", "--listen", nobody, "--data", data)
	if code != 0 || problem != "" || !strings.Contains(out, "settings  ok") || !strings.Contains(out, "none runs here now") {
		t.Errorf("all well: exit %d, %q, %q", code, out, problem)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("doctor made the data directory")
	}
	cluster := []string{"doctor", "--listen", nobody, "--data", data, "--log", "kafka://ann:hunter2@127.0.0.1:nine/chat", "--bus", "redis://:hunter2@" + nobody,
		"--store", "mongodb://ann:hunter2@127.0.0.1/admin", "--secret", "0123456789abcdef0123456789abcdef"}
	out, problem, code = ends(t, cluster...)
	if code != 1 || !oneSentence(problem, "3 things are wrong, 1 more worth a look") || strings.Count(out, "bad") != 3 || strings.Contains(out+problem, "hunter2") {
		t.Errorf("all wrong: exit %d, %q, %q", code, out, problem)
	}
	for _, args := range [][]string{{"doctor", "--colour", "red"}, {"doctor", "me"}, {"doctor", "--log", "mysql:x"}} {
		if out, problem, code := ends(t, args...); code != 1 || !oneSentence(problem) || out != "" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, problem)
		}
	}
	if out, _, code := ends(t, "doctor", "-h"); code != 0 || !strings.Contains(out, "Exit code 1") || !strings.Contains(out, "-allow-single-broker") {
		t.Errorf("help: exit %d, %q", code, out)
	}
}
