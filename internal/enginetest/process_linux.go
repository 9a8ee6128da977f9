package enginetest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func attributes(s spec) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Credential: s.user, Setsid: s.detached, Setpgid: !s.detached}
	if !s.detached {
		a.Pdeathsig = s.death
	}
	return a
}

// Birth identifies a process beyond its pid, which the system gives away again: the clock tick at which it started. It is ""
// when there is no such process, or only its remains that nobody has waited for. See proc(5), /proc/pid/stat.
func Birth(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name before may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}

// stopped says whether every thread of the process stands still: a SIGSTOP reaches one after the other.
func stopped(pid int) bool {
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil {
		return false
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended meanwhile
		}
		if _, rest, _ := strings.Cut(string(b), ") "); !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return true
}
