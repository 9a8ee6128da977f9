package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// How long an engine may take. A loaded machine is slow: these bound a hang, they measure nothing.
const (
	startWithin = 90 * time.Second
	stopWithin  = 20 * time.Second
)

// Options says how a private engine is started; the zero value will do.
type Options struct {
	Dir        string            // for data, configuration and logs; "" is a temporary folder that Stop removes
	Args       []string          // Redis: further arguments, such as "--maxmemory", "10mb"
	Properties map[string]string // Kafka: server properties over ours
	Postgres   string            // Mongo: PostgreSQL to make a database in, as "127.0.0.1:PORT"; "" starts one
	Detached   bool              // outlives this process; otherwise it dies with it
}

// Server is one running engine. Its methods may be called from several goroutines.
type Server struct {
	addr       string
	dir        string // everything it has on disk
	temp       bool   // dir is ours to remove
	make       func() spec
	ready      func(context.Context, *process) error
	controller string  // Kafka: where further brokers find the controller
	before     *Server // an engine under this one, ended after it
	after      func()  // the last thing of Stop; nil for nothing
	failed     func(error)

	mu   sync.Mutex
	proc *process
}

// Addr is the engine's address with its scheme, such as "redis://127.0.0.1:23456". It stays the same over Kill and Restart.
func (s *Server) Addr() string { return s.addr }

// Pid is the id of the engine's process, 0 when it does not run.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil || s.proc.over() {
		return 0
	}
	return s.proc.pid
}

// Pids are the ids of all processes of this engine, those of the engines under it last.
func (s *Server) Pids() []int {
	var all []int
	for ; s != nil; s = s.before {
		if pid := s.Pid(); pid != 0 {
			all = append(all, pid)
		}
	}
	return all
}

// Dir is the folder of the engine's data.
func (s *Server) Dir() string { return s.dir }

// Log is the file that the engine's output goes to.
func (s *Server) Log() string { return s.make().log }

// Pause stops the process where it stands (SIGSTOP): connections stay open, nothing answers. It returns when every thread
// stands. The error of a test's own server has failed the test already.
func (s *Server) Pause() error {
	if err := s.send(syscall.SIGSTOP); err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(stopWithin); time.Now().Before(end); <-tick.C {
		if pid := s.Pid(); pid == 0 || stopped(pid) {
			return nil
		}
	}
	return s.report(fmt.Errorf("the engine at %s cannot be paused", s.addr))
}

// Continue ends a pause.
func (s *Server) Continue() error { return s.send(syscall.SIGCONT) }

// Kill ends the process at once (SIGKILL), paused or not, and returns when it is gone.
func (s *Server) Kill() error {
	if err := s.send(syscall.SIGKILL); err != nil {
		return err
	}
	s.mu.Lock()
	p := s.proc
	s.mu.Unlock()
	<-p.ended
	return nil
}

// Restart starts the engine again on the same port with the same data, after ending it in good order if it still runs. It
// returns when the engine answers.
func (s *Server) Restart() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.proc.end(stopWithin)
	return s.report(s.start(ctx))
}

// Stop ends the engine and those under it, and removes what it had on disk unless Options.Dir named the place. It may be
// called again.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		s.proc.end(stopWithin)
	}
	if s.after != nil {
		s.after()
		s.after = nil
	}
	var errs []error
	if s.before != nil {
		errs = append(errs, s.before.Stop())
	}
	if s.temp {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return s.report(errors.Join(errs...))
}

func (s *Server) start(ctx context.Context) error {
	p, err := launch(s.make())
	if err != nil {
		return err
	}
	if err := p.await(ctx, func(ctx context.Context) error { return s.ready(ctx, p) }); err != nil {
		p.end(0)
		return err
	}
	s.proc = p
	return nil
}

func (s *Server) send(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report(s.proc.signal(sig))
}

// report hands an error to the test whose server this is.
func (s *Server) report(err error) error {
	if err != nil && s.failed != nil {
		s.failed(err)
	}
	return err
}

// folder makes the folder of an engine: the given one, or a temporary one.
func folder(name, dir string) (path string, temp bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", fmt.Sprintf("hubbub-%s-%d-", name, os.Getpid()))
		temp = true
	} else if path, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(path, 0o755)
	}
	if err != nil {
		return "", false, fmt.Errorf("folder for %s: %w", name, err)
	}
	return path, temp, nil
}

// begin starts the server for the first time; on failure nothing is left of it.
func begin(ctx context.Context, s *Server) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}
