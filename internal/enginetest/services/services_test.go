package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// services of its own folder, ended with the test.
func begun(t *testing.T) *services {
	t.Helper()
	enginetest.Redis(t) // skips where the engines are not installed
	enginetest.Kafka(t)
	enginetest.Mongo(t)
	s, err := open(filepath.Join(t.TempDir(), "services"))
	must(t, err)
	s.bound = true
	t.Cleanup(func() {
		if err := s.down(); err != nil {
			t.Error(err)
		}
		s.close()
	})
	must(t, s.up(t.Context()))
	return s
}

func all(t *testing.T, s *services) map[string]running {
	t.Helper()
	m := map[string]running{}
	for _, name := range engines {
		r, err := read(s.file(name))
		must(t, err)
		if !r.runs() {
			t.Fatalf("%s does not run", name)
		}
		m[name] = r
	}
	return m
}

func TestUpStartsNothingTwiceAndMendsWhatIsGoneAndDownLeavesNothing(t *testing.T) {
	s := begun(t)
	first := all(t, s)
	env, err := os.ReadFile(filepath.Join(s.dir, "env"))
	must(t, err)
	for name, r := range first {
		if !strings.Contains(string(env), "HUBBUB_SERVICES_"+strings.ToUpper(name)+"="+r.addr+"\n") {
			t.Errorf("env does not tell %s: %s", r.addr, env)
		}
		must(t, enginetest.Answers(t.Context(), r.addr))
	}

	must(t, s.up(t.Context()))
	if again := all(t, s); again["redis"] != first["redis"] || again["kafka"] != first["kafka"] || again["mongo"] != first["mongo"] {
		t.Errorf("%v became %v", first, again)
	}

	must(t, syscall.Kill(first["redis"].pid, syscall.SIGKILL))
	first["redis"].gone(patience)
	if err := s.status(); err == nil || !strings.Contains(err.Error(), "redis does not run") {
		t.Errorf("status after a kill: %v", err)
	}
	must(t, syscall.Kill(first["mongo"].pid, syscall.SIGSTOP)) // there, but of no use
	must(t, s.up(t.Context()))
	mended := all(t, s)
	for _, name := range engines {
		if hurt := name == "redis" || name == "mongo"; (mended[name] == first[name]) == hurt {
			t.Errorf("%s was %v, is %v", name, first[name], mended[name])
		}
	}

	must(t, s.down())
	for _, m := range []map[string]running{first, mended} {
		for name, r := range m {
			if r.runs() {
				t.Errorf("%s runs after down", name)
			}
			if _, err := os.Stat(filepath.Join(r.data, "data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s left its data: %v", name, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "env")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("env is left: %v", err)
	}
	must(t, s.down()) // nothing to do
	if err := s.status(); err == nil || strings.Count(err.Error(), "does not run") != len(engines) {
		t.Errorf("status after down: %v", err)
	}
}

func TestDownLeavesAProcessAloneThatOnlyHasThePid(t *testing.T) {
	s, err := open(t.TempDir())
	must(t, err)
	defer s.close()
	me := running{pid: os.Getpid(), birth: enginetest.Birth(os.Getpid()) + "0", addr: "redis://127.0.0.1:1", data: filepath.Join(s.dir, "redis")}
	if me.runs() {
		t.Fatal("another process passes for the engine")
	}
	must(t, me.write(s.file("redis")))
	must(t, s.down()) // or this test would end here
	if _, err := os.Stat(s.file("redis")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pid file is left: %v", err)
	}
}

func TestABrokenPidFileIsToldAndNothingIsEnded(t *testing.T) {
	for _, text := range []string{"", "x\n1\na\nb\n", "1\n1\na\nb\n", "0\n1\na\nb\n", "-5\n1\na\nb\n", "12\n", strconv.Itoa(os.Getpid())} {
		s, err := open(t.TempDir())
		must(t, err)
		must(t, os.WriteFile(s.file("kafka"), []byte(text), 0o644))
		if err := s.down(); err == nil || !strings.Contains(err.Error(), "is not a pid file") {
			t.Errorf("%q: %v", text, err)
		}
		s.close()
	}
}

func TestACommandThatIsNotKnownIsRefused(t *testing.T) {
	for _, args := range [][]string{nil, {"sideways"}, {"up", "up"}} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
