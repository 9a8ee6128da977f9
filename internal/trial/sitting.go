package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bench"
	"github.com/hubbub-chat/hubbub/internal/trial/hostile"
)

// The load of the others. A quarter of the sockets is left for the stalled, where they are the company.
const (
	othersSockets = 2000
	othersPerRoom = 10
	othersRate    = 500  // messages a second, at scale 1
	othersSize    = 1500 // bytes of a text
	warmFor       = 8 * time.Second
	measureFor    = 12 * time.Second
	closedWithin  = 15 * time.Second // of the end of the load: the server gives up on a client that takes nothing for 10 s
	backSoon      = 60 * time.Second // until goroutines and descriptors are as before: what vanishes without a word is missed after 45 s
)

// sitting is one measurement of the load, alone or in company, on a fresh server.
type sitting struct {
	load          *bench.Result
	before, after state
	most          int64   // bytes resident
	cpu           float64 // of a core, while it was measured
	ended         map[string]int
	report        hostile.Report
	bad           []string
}

// state of the server.
type state struct {
	rss               int64
	goroutines, files float64
}

func (s sitting) String() string {
	return fmt.Sprintf("delivery p99 %.1f ms, ack p99 %.1f ms, server %.0f %%, RSS %d/%d/%d MiB, ended %v; %s", s.load.Delivery.P99, s.load.Ack.P99, 100*s.cpu,
		s.before.rss>>20, s.most>>20, s.after.rss>>20, s.ended, s.report)
}

func loadOf(o options, besideStalled bool) bench.Load {
	rooms := max(int(othersSockets*o.scale)/othersPerRoom, 1)
	l := bench.Load{Sockets: rooms * othersPerRoom, Rooms: rooms, Rate: othersRate * o.scale, Size: othersSize, Warmup: warmFor, Duration: measureFor}
	if besideStalled {
		l.Sockets = l.Sockets * 3 / 4
	}
	return l
}

// sit starts a server, measures, and waits until nothing is left of the clients.
func sit(ctx context.Context, o options, name string, round int) (r sitting, err error) {
	s, err := newServer(o)
	if err != nil {
		return r, err
	}
	defer s.remove()
	s.args = []string{"--events-per-socket", "100", "--events-per-user", "200"} // the defaults, instead of plenty
	if o.pin != "" {
		s.before = []string{"taskset", "-c", o.pin}
	}
	if err := s.start(ctx); err != nil {
		return r, err
	}
	process := bench.Process{Name: "server", PID: s.cmd.Process.Pid}
	if r.before, _, err = look(ctx, s.addr, process); err != nil {
		return r, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { r.most = highest(watching, process) })
	err = r.drive(ctx, o, s, process, name, round)
	if err == nil {
		r.awaitBack(ctx, s.addr, process)
	}
	stopWatching()
	watcher.Wait()
	return r, err
}

// drive runs the load, and the company from the end of the joins on.
func (r *sitting) drive(ctx context.Context, o options, s *server, process bench.Process, name string, round int) error {
	l := loadOf(o, name == "stalled")
	var c *guest
	var invited error
	phase := ""
	invite := func(format string, _ ...any) { // calls come one at a time once all have joined
		was := phase
		switch {
		case strings.HasPrefix(format, "%s %s s"):
		default:
			return
		}
		phase = "load"
		if was == "" && name != "" {
			c, invited = inviteGuest(ctx, o, s.addr, name, l.Rooms, round)
		}
	}
	var err error
	r.load, err = bench.Room(ctx, bench.Target{URLs: []string{"http://" + s.addr}, Connecting: 64, Watched: []bench.Process{process}, Progress: invite}, l)
	if err == nil {
		err = invited
	}
	if err == nil {
		r.cpu = r.load.ServerCPU / r.load.Seconds
	}
	if c == nil {
		return err
	}
	if late := c.readyAfter(); late > warmFor {
		r.bad = append(r.bad, fmt.Sprintf("the company was not ready when the measuring began (%v)", late))
	}
	report, end := c.leave()
	if r.report = report; err == nil {
		err = end
	}
	return err
}

// guest is the process of a company. It yields the processor to the load, so that what is measured is the server and not its competition.
type guest struct {
	cmd    *exec.Cmd
	stdin  interface{ Close() error }
	began  time.Time
	ready  chan time.Duration
	report chan hostile.Report
}

func inviteGuest(ctx context.Context, o options, addr, name string, rooms, round int) (*guest, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	line := []string{self, "company", "-company", name, "-addr", addr, "-rooms", fmt.Sprint(rooms), "-scale", fmt.Sprint(o.scale), "-seed", fmt.Sprint(o.seed + uint64(round))}
	if nice, err := exec.LookPath("nice"); err == nil {
		line = append([]string{nice, "-n", "19"}, line...)
	}
	g := &guest{cmd: exec.CommandContext(ctx, line[0], line[1:]...), began: time.Now(), ready: make(chan time.Duration, 1), report: make(chan hostile.Report, 1)}
	g.cmd.Stderr = os.Stderr
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the company: %w", err)
	}
	go func() {
		defer close(g.report)
		defer close(g.ready)
		dec := json.NewDecoder(out)
		var is string
		if dec.Decode(&is) != nil {
			return
		}
		g.ready <- time.Since(g.began)
		var r hostile.Report
		if dec.Decode(&r) == nil {
			g.report <- r
		}
	}()
	return g, nil
}

// readyAfter is how long the company took to be ready; an hour: it is not.
func (g *guest) readyAfter() time.Duration {
	select {
	case took, ok := <-g.ready:
		if ok {
			return took
		}
	default:
	}
	return time.Hour
}

// leave asks the company to stop, and waits for its report.
func (g *guest) leave() (hostile.Report, error) {
	g.stdin.Close()
	report, ok := <-g.report
	if err := g.cmd.Wait(); err != nil {
		return report, fmt.Errorf("the company: %w", err)
	}
	if !ok {
		return report, fmt.Errorf("the company ended without a report")
	}
	return report, nil
}

// behave is the process of a company: it says "ready", goes on until its input ends, and reports.
func behave(ctx context.Context, o options) error {
	out := json.NewEncoder(os.Stdout)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		cancel()
	}()
	report, err := hostile.Run(ctx, o.company, hostile.Options{Addr: o.addr, Rooms: o.rooms, Scale: o.scale, Seed: o.seed, Patience: closedWithin}, func() { _ = out.Encode("ready") }, stop)
	if err != nil {
		return err
	}
	return out.Encode(report)
}
