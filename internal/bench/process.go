package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: USER_HZ is 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// Process is a process that is watched beside the load, under a name.
type Process struct {
	Name string
	PID  int
}

// ParseProcesses reads "123" or "node1=123,kafka=456". One without a name is called server.
func ParseProcesses(text string) ([]Process, error) {
	var all []Process
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		name, pid, named := strings.Cut(part, "=")
		if !named {
			name, pid = "server", part
		}
		n, err := strconv.Atoi(pid)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("--pid: %q is not a process id", part)
		}
		p := Process{name, n}
		if _, err := p.CPU(); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// CPU is the processor time that the process and those below it have used, in user and kernel mode. See proc(5), /proc/pid/stat.
func (p Process) CPU() (time.Duration, error) {
	own, _, err := readStat(p.PID)
	if err != nil {
		return 0, fmt.Errorf("--pid: no process %d to be seen in /proc: %w", p.PID, err)
	}
	return own + below(p.PID, children(), 0), nil
}

// readStat gives a process's own processor time, and its parent.
func readStat(pid int) (used time.Duration, parent int, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("/proc/%d/stat is not as expected", pid)
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * clockTick, parent, nil
}

// child is a process below another, with what it has used itself.
type child struct {
	pid  int
	used time.Duration
}

// children lists all processes by their parents.
func children() map[int][]child {
	all := map[int][]child{}
	names, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range names {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if used, parent, err := readStat(pid); err == nil {
			all[parent] = append(all[parent], child{pid, used})
		}
	}
	return all
}

// below adds up what is below a process.
func below(pid int, all map[int][]child, depth int) (used time.Duration) {
	if depth > 10 {
		return 0
	}
	for _, c := range all[pid] {
		used += c.used + below(c.pid, all, depth+1)
	}
	return used
}

// RSS is the process's resident memory in bytes.
func (p Process) RSS() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm is not as expected", p.PID)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// usage is the processor time of some processes at one moment.
type usage map[string]time.Duration

func usageOf(all []Process) usage {
	u := usage{}
	for _, p := range all {
		if d, err := p.CPU(); err == nil {
			u[p.Name] += d
		}
	}
	return u
}

// since gives the seconds that were used after earlier.
func (u usage) since(earlier usage) map[string]float64 {
	used := map[string]float64{}
	for name, d := range u {
		used[name] = (d - earlier[name]).Seconds()
	}
	return used
}

// kernelBytes is the kernel's memory for sockets and slabs of this machine: both ends of a loopback connection are in it.
func kernelBytes() int64 {
	total := int64(0)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "Slab:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				total += kb << 10
			}
		}
	}
	if data, err := os.ReadFile("/proc/net/sockstat"); err == nil {
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "TCP:" {
				pages, _ := strconv.ParseInt(fields[len(fields)-1], 10, 64)
				total += pages * int64(os.Getpagesize())
			}
		}
	}
	return total
}

// available is the memory that this machine could still give, bytes; 0: not known.
func available() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}
