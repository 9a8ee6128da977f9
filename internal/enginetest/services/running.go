package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// running is what a pid file says, a line each.
type running struct {
	pid   int
	birth string // with the pid it names one process for ever
	addr  string
	data  string // folder of its data
}

func read(path string) (running, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return running{}, fmt.Errorf("pid file: %w", err)
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) != 5 {
		return running{}, fmt.Errorf("%s is not a pid file: remove it, and end the engine by hand if it runs", path)
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 {
		return running{}, fmt.Errorf("%s is not a pid file: remove it, and end the engine by hand if it runs", path)
	}
	return running{pid: pid, birth: lines[1], addr: lines[2], data: lines[3]}, nil
}

func (r running) write(path string) error {
	text := fmt.Sprintf("%d\n%s\n%s\n%s\n", r.pid, r.birth, r.addr, r.data)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o644), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("pid file: %w", err)
	}
	return nil
}

// runs says whether the process that was started still runs, and not another that got its pid.
func (r running) runs() bool { return r.birth != "" && enginetest.Birth(r.pid) == r.birth }

// patience is how long an engine may take to end before it is killed.
const patience = 10 * time.Second

// end asks the process to end, kills it when that takes too long, and removes its data and its pid file.
func (r running) end(path string) error {
	name := strings.TrimSuffix(filepath.Base(path), ".pid")
	for _, sig := range []syscall.Signal{polite(name), syscall.SIGKILL} {
		if !r.runs() {
			break
		}
		if err := syscall.Kill(r.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end %s (pid %d): %w", name, r.pid, err)
		}
		_ = syscall.Kill(r.pid, syscall.SIGCONT) // a paused one would not see it
		r.gone(patience)
	}
	if r.runs() {
		return fmt.Errorf("%s (pid %d) does not end", name, r.pid)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(r.data, "data")), os.Remove(path)); err != nil {
		return fmt.Errorf("after %s: %w", name, err)
	}
	_ = os.Remove(r.data) // PostgreSQL's is now empty; the others' hold logs
	return nil
}

// polite is the signal that ends an engine soonest without harm: all data goes, so nothing has to be put in order.
func polite(name string) syscall.Signal {
	switch name {
	case "kafka":
		return syscall.SIGKILL
	case "postgres":
		return syscall.SIGINT // a fast shutdown
	}
	return syscall.SIGTERM
}

// gone waits until the process is gone, or for the given time.
func (r running) gone(within time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); r.runs() && time.Now().Before(end); {
		<-tick.C
	}
}
