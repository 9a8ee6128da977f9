package enginetest_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// installed skips, or fails, where the engines are not there; the functions under test are not for tests and only give an error.
func installed(t *testing.T) {
	t.Helper()
	enginetest.Redis(t)
	enginetest.Kafka(t)
	enginetest.Mongo(t)
}

func TestAnEngineThatCannotStartSaysWhyWithTheEndOfItsLogAndLeavesNothing(t *testing.T) {
	installed(t)
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct {
		name  string
		start func() (*enginetest.Server, error)
		want  []string
	}{
		{"redis with an unknown setting", func() (*enginetest.Server, error) {
			return enginetest.StartRedis(t.Context(), enginetest.Options{Args: []string{"--nonsense", "yes"}})
		}, []string{"Redis ended at once", "Bad directive"}},
		{"kafka with a bad setting", func() (*enginetest.Server, error) {
			return enginetest.StartKafka(t.Context(), enginetest.Options{Properties: map[string]string{"num.io.threads": "none"}})
		}, []string{"num.io.threads"}},
		{"mongo without its PostgreSQL", func() (*enginetest.Server, error) {
			return enginetest.StartMongo(t.Context(), enginetest.Options{Postgres: "127.0.0.1:1"})
		}, []string{"createdb on PostgreSQL at 127.0.0.1:1", "refused"}},
		{"an engine with no time to start", func() (*enginetest.Server, error) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("enough"))
			return enginetest.StartRedis(ctx, enginetest.Options{})
		}, []string{"not ready in time", "enough"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := c.start()
			if err == nil {
				t.Fatal("it started", s.Stop())
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error does not say %q:\n%v", w, err)
				}
			}
			left, err := filepath.Glob(filepath.Join(os.TempDir(), "hubbub-*"))
			must(t, err)
			if len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// The process that starts the engines is this binary again, told by its environment to be the parent.
func TestEnginesDieWithTheProcessThatStartedThem(t *testing.T) {
	if os.Getenv("ENGINETEST_PARENT") != "" {
		parent(t)
	}
	if runtime.GOOS != "linux" {
		t.Log("only Linux tells a process that its parent died")
		return
	}
	installed(t)
	self, err := os.Executable()
	must(t, err)
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // PostgreSQL's user must get in
	must(t, os.Chmod(dir, 0o777))
	cmd := exec.Command(self, "-test.run", "^TestEnginesDieWithTheProcessThatStartedThem$")
	cmd.Env = append(os.Environ(), "ENGINETEST_PARENT=1", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			pids = append(pids, pid)
		}
	}
	births := map[int]string{}
	for _, pid := range pids {
		births[pid] = enginetest.Birth(pid)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // "killed"
	if len(pids) != 3 {
		t.Fatalf("processes: %v", pids)
	}
	end := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range pids {
		if births[pid] == "" {
			t.Errorf("process %d did not run", pid)
		}
		for births[pid] != "" && enginetest.Birth(pid) == births[pid] {
			if time.Now().After(end) {
				t.Fatalf("process %d outlived its parent", pid)
			}
			<-tick.C
		}
	}
}

// parent starts a Redis that is paused and a FerretDB with its PostgreSQL, tells their pids, and waits to be killed.
func parent(t *testing.T) {
	r, err := enginetest.StartRedis(t.Context(), enginetest.Options{})
	must(t, err)
	must(t, r.Pause())
	m, err := enginetest.StartMongo(t.Context(), enginetest.Options{})
	must(t, err)
	for _, pid := range append(r.Pids(), m.Pids()...) {
		os.Stdout.WriteString(strconv.Itoa(pid) + "\n")
	}
	os.Stdout.WriteString("ready\n")
	<-t.Context().Done()
}
