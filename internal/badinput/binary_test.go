package badinput_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds hubbub, as people run it.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hubbub")
	cmd := exec.Command("go", "build", "-o", path, "../../cmd/hubbub")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build hubbub: %v\n%s", err, out)
	}
	openWay(t, path)
	return path
}

// run is how a run of hubbub ended, or that it serves.
type run struct {
	out, problem string
	code         int
	address      string // it serves here, until stop
	stop         func()
}

// nobody is the user as whom hubbub is run where its rights matter and the test is run by root, who may do everything.
const nobody = 65534

// hubbub runs the binary in a directory until it ends or says that it is ready.
func hubbub(t *testing.T, path, dir string, env []string, args ...string) run {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = dir, append([]string{"HOME=" + dir}, env...)
	if os.Geteuid() == 0 && owner(filepath.Dir(dir)) == nobody {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var problem, out bytes.Buffer
	cmd.Stderr = &problem
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	alarm := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	stop := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		alarm.Stop()
	}
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		out.WriteString(line)
		if m := readyLine.FindStringSubmatch(line); m != nil && strings.HasPrefix(line, "Hubbub is ready") {
			go io.Copy(io.Discard, lines)
			return run{out: out.String(), address: "127.0.0.1:" + m[1], stop: stop}
		}
		if err != nil {
			_ = cmd.Wait()
			alarm.Stop()
			return run{out: out.String(), problem: problem.String(), code: cmd.ProcessState.ExitCode()}
		}
	}
}

func owner(path string) int {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// refused says whether a run ended as an error is to end: exit code 1, nothing on stdout, one sentence that names what it must; what
// was logged may stand before it.
func (r run) refused(t *testing.T, says ...string) {
	t.Helper()
	if r.stop != nil {
		r.stop()
		t.Fatalf("it serves")
	}
	sentences := 0
	for line := range strings.Lines(r.problem) {
		switch {
		case strings.HasPrefix(line, "hubbub: "):
			sentences++
		case !strings.HasPrefix(line, "time="):
			t.Errorf("it says more than a sentence: %q", line)
		}
	}
	if r.code != 1 || r.out != "" || sentences != 1 {
		t.Errorf("exit %d, %d sentences, %q, %q", r.code, sentences, r.problem, r.out)
	}
	for _, s := range says {
		if !strings.Contains(r.problem, s) {
			t.Errorf("it does not name %q: %s", s, r.problem)
		}
	}
	if strings.Contains(r.problem, "hunter2") || strings.Contains(r.problem, "goroutine ") {
		t.Errorf("it says too much: %s", r.problem)
	}
}
