//go:build unix && !linux

package enginetest

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes cannot ask for a death signal here: a test that is killed leaves its engines behind.
func attributes(s spec) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: s.user, Setsid: s.detached, Setpgid: !s.detached}
}

// Birth identifies a process beyond its pid, which the system gives away again: the time at which it started, as ps tells it.
// It is "" when there is no such process.
func Birth(pid int) string {
	b, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(b)), "-")
}

// stopped says whether the process stands still, as ps tells it.
func stopped(pid int) bool {
	b, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(b)), "T")
}
