package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is the process under trial: always the same data directory and address.
type server struct {
	bin, data, addr string
	args, env       []string
	before          []string // a program that starts it, such as taskset, and its arguments
	verbose         bool
	cmd             *exec.Cmd
	exited          chan struct{}

	mu   sync.Mutex
	logs []string
}

func newServer(o options, env ...string) (*server, error) {
	dir, err := os.MkdirTemp(o.dir, "hubbub-trial-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &server{bin: o.bin, data: dir, addr: addr, env: env, verbose: o.verbose}, nil
}

// plenty are the limits that a crowd on one address would meet.
var plenty = [...]string{"--reserve-bytes", "0", "--events-per-user", "1000", "--events-per-socket", "1000"}

// start runs the server and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	line := slices.Concat(s.before, []string{s.bin, "serve", "--listen", s.addr, "--data", s.data}, plenty[:], s.args)
	s.cmd = exec.Command(line[0], line[1:]...)
	s.cmd.Env = append(os.Environ(), s.env...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	s.cmd.Stdout = io.Discard
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.bin, err)
	}
	s.exited = make(chan struct{})
	go s.follow(out)
	deadline := time.Now().Add(30 * time.Second)
	for {
		if h, err := s.ready(ctx); err == nil && (h.State == "ok" || h.State == "degraded") {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended while starting: %s", strings.Join(s.tail(40), " | "))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("the server was not ready within 30 s")
		}
	}
}

// follow keeps the log and waits for the end of the process.
func (s *server) follow(out io.Reader) {
	in := bufio.NewScanner(out)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if s.verbose {
			fmt.Fprintln(os.Stderr, in.Text())
		}
		s.mu.Lock()
		s.logs = append(s.logs, in.Text())
		s.mu.Unlock()
	}
	_ = s.cmd.Wait()
	close(s.exited)
}

func (s *server) tail(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[max(0, len(s.logs)-n):]
}

// linesSince gives the log lines from the n-th on, and how many there are.
func (s *server) linesSince(n int) ([]string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.logs[n:]...), len(s.logs)
}

// kill ends the process with SIGKILL, or with the given signal, and waits for its end.
func (s *server) kill(sig syscall.Signal) {
	if s.exited == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	<-s.exited
}

// lives gives an error if the process has ended by itself: a server that crashes must not pass for one that was killed.
func (s *server) lives() error {
	if s.runs() {
		return nil
	}
	return fmt.Errorf("the server has ended by itself: %s", strings.Join(s.tail(40), " | "))
}

// signal sends a signal, if the process is there.
func (s *server) signal(sig syscall.Signal) error {
	if !s.runs() {
		return nil
	}
	return s.cmd.Process.Signal(sig)
}

// runs says whether the process is there.
func (s *server) runs() bool {
	if s.exited == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// remove ends the process and removes its data.
func (s *server) remove() {
	s.kill(syscall.SIGKILL)
	os.RemoveAll(s.data)
}

type health struct {
	State, Log, Bus, Store string
	Lag                    int64
}

var plain = &http.Client{Timeout: 2 * time.Second}

func (s *server) ready(ctx context.Context) (health, error) {
	var h health
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/readyz", nil)
	if err != nil {
		return h, err
	}
	res, err := plain.Do(req)
	if err != nil {
		return h, err
	}
	defer res.Body.Close()
	return h, json.NewDecoder(res.Body).Decode(&h)
}

// awaitHealth waits until /readyz satisfies want, and tells how long that took.
func (s *server) awaitHealth(ctx context.Context, within time.Duration, want func(health) bool) (time.Duration, error) {
	began := time.Now()
	for {
		h, err := s.ready(ctx)
		if err == nil && want(h) {
			return time.Since(began), nil
		}
		if time.Since(began) > within {
			return 0, fmt.Errorf("/readyz says %+v (%v) after %v", h, err, within)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
