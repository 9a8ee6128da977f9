package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asHubbub makes the test binary be hubbub: its arguments are then those of the command.
const asHubbub = "HUBBUB_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asHubbub) != "" {
		os.Unsetenv(asHubbub)
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = []string{asHubbub + "=1", "HOME=" + t.TempDir()}
	cmd.Dir = t.TempDir()
	return cmd
}

// ends runs hubbub to its end and gives what it said and how it ended.
func ends(t *testing.T, args ...string) (out, problem string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := command(t, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	alarm := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer alarm.Stop()
	_ = cmd.Wait()
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// serving is a hubbub that runs; ready is the line that it greets with.
func serving(t *testing.T, args ...string) (ready string, stop func() int) {
	t.Helper()
	cmd := command(t, append([]string{"serve", "--drain", "0s", "--reserve-bytes", "0"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	alarm := time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() { alarm.Stop(); cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait() // only then is all of stderr there
		t.Fatalf("it does not start: %v, %s", err, stderr.String())
	}
	return line, func() int {
		cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		return cmd.ProcessState.ExitCode()
	}
}

// oneSentence says whether an end was worded for people: one line, with what it must name, and no stack.
func oneSentence(problem string, names ...string) bool {
	lines := 0
	for line := range strings.Lines(problem) {
		if strings.HasPrefix(line, "hubbub: ") {
			lines++
		} else if !strings.HasPrefix(line, "time=") { // the log
			return false
		}
	}
	for _, n := range names {
		if !strings.Contains(problem, n) {
			return false
		}
	}
	return lines == 1
}

// A second start by mistake is told what is in its way, and disturbs nothing.
func TestASecondStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	ready, stop := serving(t, "--listen", "127.0.0.1:0", "--data", data)
	port := ready[strings.LastIndex(ready, ":")+1 : strings.LastIndex(ready, "/")]

	_, problem, code := ends(t, "serve", "--listen", "127.0.0.1:"+port, "--data", filepath.Join(t.TempDir(), "other"))
	if code != 1 || !oneSentence(problem, port, "address already in use", "--listen") {
		t.Errorf("the same port: exit %d, %q", code, problem)
	}
	_, problem, code = ends(t, "serve", "--listen", "127.0.0.1:0", "--data", data)
	if code != 1 || !oneSentence(problem, data) {
		t.Errorf("the same data: exit %d, %q", code, problem)
	}
	if c, err := net.Dial("tcp", "127.0.0.1:"+port); err != nil {
		t.Errorf("the first is gone: %v", err)
	} else {
		c.Close()
	}
	if code := stop(); code != 0 {
		t.Errorf("a plain stop exits with %d", code)
	}
	_, stop = serving(t, "--listen", "127.0.0.1:0", "--data", data) // the lock went with it
	if code := stop(); code != 0 {
		t.Errorf("a second stop exits with %d", code)
	}
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, _ := d.Info(); info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What cannot be is one sentence and a non-zero end.
func TestRefusedArguments(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{
		{"serve", "--listen", "nonsense"}, {"serve", "--listen", "203.0.113.7:0"}, {"serve", "--sockets", "0"}, {"serve", "--text-bytes", "9999999"},
		{"serve", "--no-such-flag"}, {"serve", "more"}, {"serve", "--log", "kafka://x"}, {"serve", "--log-level", "loud"},
		{"serve", "--listen", "127.0.0.1:0", "--secret", "short"}, {"serve", "--listen", "127.0.0.1:0", "--auth-key", file},
		{"serve", "--listen", "127.0.0.1:0", "--origins", "a/b"}, {"serve", "--listen", "127.0.0.1:0", "--trust-proxy", "all"},
		{"serve", "--listen", "127.0.0.1:0", "--tls-cert", file, "--tls-key", file},
	} {
		out, problem, code := ends(t, append(c, "--data", data)...)
		if c[1] == "more" {
			out, problem, code = ends(t, c...)
		}
		if code != 1 || !oneSentence(problem) || out != "" {
			t.Errorf("%v: exit %d, %q, %q", c, code, out, problem)
		}
	}
	if _, problem, code := ends(t, "frobnicate"); code != 1 || !strings.Contains(problem, `no command "frobnicate"`) {
		t.Errorf("exit %d, %q", code, problem)
	}
	if out, _, code := ends(t, "serve", "-h"); code != 0 || !strings.Contains(out, "-sockets-per-address") {
		t.Errorf("help: exit %d, %q", code, out)
	}
}
