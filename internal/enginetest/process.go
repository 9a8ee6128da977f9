package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// spec says how one process is run.
type spec struct {
	name     string   // for errors
	args     []string // program first
	log      string   // file that both outputs are appended to
	detached bool     // outlives us: its own session, no death signal
	user     *syscall.Credential
	death    syscall.Signal // what it gets when we die
	stop     syscall.Signal // what asks it to end
}

// process is one running program.
type process struct {
	spec  spec
	pid   int
	from  int64         // length of the log when it began
	ended chan struct{} // closed when it was waited for
	state error         // how it ended; read after ended
}

// launch starts the program. The death signal is tied to the thread that starts it, not to us: so one goroutine keeps one
// thread for the whole life of the process (golang/go#27505).
func launch(s spec) (*process, error) {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", s.name, err)
	}
	defer log.Close()
	p := &process{spec: s, ended: make(chan struct{})}
	if at, err := log.Seek(0, io.SeekEnd); err == nil {
		p.from = at
	}
	cmd := exec.Command(s.args[0], s.args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.SysProcAttr = attributes(s)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.state = cmd.Wait()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return p, nil
}

func (p *process) signal(s syscall.Signal) error {
	if p.over() {
		return fmt.Errorf("%s does not run", p.spec.name)
	}
	if err := syscall.Kill(p.pid, s); err != nil {
		return fmt.Errorf("signal %s (pid %d): %w", p.spec.name, p.pid, err)
	}
	return nil
}

func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// end asks the process to end, and kills it after the patience. It returns when the process is gone.
func (p *process) end(patience time.Duration) {
	if p.over() {
		return
	}
	_ = syscall.Kill(p.pid, p.spec.stop)
	_ = syscall.Kill(p.pid, syscall.SIGCONT) // a paused one would not see it
	select {
	case <-p.ended:
		return
	case <-time.After(patience):
	}
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	<-p.ended
}

// await polls ready until it is nil, the process ends, or the context does. Its error carries the end of the log.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended at once (%v); its log (%s) ends:\n%s", p.spec.name, p.state, p.spec.log, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready in time (%w); its log (%s) ends:\n%s", p.spec.name, errors.Join(context.Cause(ctx), err), p.spec.log, p.tail())
		case <-tick.C:
		}
	}
}

// output is what this run of the program has printed so far, at most the last 64 KiB.
func (p *process) output() string {
	f, err := os.Open(p.spec.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	at := p.from
	if i, err := f.Stat(); err == nil {
		at = max(at, i.Size()-64<<10)
	}
	b, _ := io.ReadAll(io.NewSectionReader(f, at, 64<<10))
	return string(b)
}

func (p *process) tail() string {
	lines := strings.Split(strings.TrimSpace(p.output()), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
