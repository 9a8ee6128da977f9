package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

// The levels at which the store fails. The file is read by a server that was built for it (-tags faults), and outlives its restart.
const (
	levelOK     = "ok"
	levelWrites = "writes"
	levelAll    = "all"
)

// store is the switch of the store's faults.
type store struct{ path string }

func (s store) set(level string) error {
	tmp := s.path + ".new"
	if err := os.WriteFile(tmp, []byte(level+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.path)
}

// outage takes the store away under load: writes; reads and writes; and a restart in that state.
func outage(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "hubbub-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st := store{filepath.Join(dir, "store")}
	if err := st.set(levelOK); err != nil {
		return err
	}
	s, err := newServer(o, "HUBBUB_TEST_STORE_FAULTS="+st.path)
	if err != nil {
		return err
	}
	defer s.remove()
	if err := s.start(ctx); err != nil {
		return err
	}
	c, err := crowd.Gather(ctx, o.crowd(s.addr))
	if err != nil {
		c.Leave()
		return err
	}
	c.Talk()
	pause(ctx, 2*time.Second)
	for _, trial := range []struct {
		level   string
		restart bool
	}{{levelWrites, false}, {levelAll, false}, {levelAll, true}} {
		if err := level(ctx, o, s, c, st, trial.level, trial.restart); err != nil {
			return fmt.Errorf("store %s, restart %v: %w", trial.level, trial.restart, err)
		}
	}
	if err := c.Finish(ctx); err != nil {
		return err
	}
	fmt.Println("outage: passed")
	return nil
}

// level is one outage: the node says so within 5 s, sends are acked and delivered all the while (unless it restarts: what cannot be known
// then is refused, and acked later), and when the store is back the node resumes where it paused.
func level(ctx context.Context, o options, s *server, c *crowd.Crowd, st store, level string, restart bool) error {
	_, lines := s.linesSince(0)
	if err := st.set(level); err != nil {
		return err
	}
	told, err := s.awaitHealth(ctx, 5*time.Second, func(h health) bool { return h.Store != "ok" && h.State == "degraded" })
	if err != nil {
		return err
	}
	if restart {
		if err := s.lives(); err != nil {
			return err
		}
		s.kill(syscall.SIGTERM)
		if err := s.start(ctx); err != nil {
			return err
		}
		if told, err = s.awaitHealth(ctx, 5*time.Second, func(h health) bool { return h.Store != "ok" && h.State == "degraded" }); err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
	}
	acked := c.Acks()
	from := time.Now()
	pause(ctx, o.outage)
	during := c.Acks() - acked
	until := time.Now()
	_, late := c.Delays(from, until)
	if !restart && (during == 0 || len(late) == 0) {
		return fmt.Errorf("%d sends acked and %d messages seen while the store was away", during, len(late))
	}
	if !restart {
		if err := goesOn(c, from, until); err != nil {
			return err
		}
	}
	if h, err := s.ready(ctx); err != nil || h.Store == "ok" {
		return fmt.Errorf("/readyz says %+v (%v) while the store is away", h, err)
	}
	if err := st.set(levelOK); err != nil {
		return err
	}
	back, err := s.awaitHealth(ctx, 30*time.Second, func(h health) bool { return h.State == "ok" })
	if err != nil {
		return fmt.Errorf("after the outage: %w", err)
	}
	if restart {
		pause(ctx, 2*time.Second)
		if c.Acks() == acked+during {
			return errors.New("nothing is acked after the outage")
		}
	}
	log, _ := s.linesSince(lines)
	where, err := pausedAndResumed(log)
	if err != nil {
		return err
	}
	fmt.Printf("store %-6s restart %-5v for %v: told after %v; %d acked, %d seen meanwhile, late p50 %v p99 %v; ok %v after its return; %s\n", level, restart,
		o.outage, told.Round(time.Millisecond), during, len(late), crowd.Quantile(late, 0.5), crowd.Quantile(late, 0.99), back.Round(time.Millisecond), where)
	return nil
}

// stretch is a time in which something is sent, acked and seen, all the while that only the store is away.
const stretch = 4 * time.Second

// goesOn says whether in each stretch sends were acked and messages seen, half of them within as long: chat that stops and catches up when
// the store is back does not go on.
func goesOn(c *crowd.Crowd, from, to time.Time) error {
	for at := from; !at.Add(stretch).After(to); at = at.Add(stretch) {
		acks, seen := c.Delays(at, at.Add(stretch))
		a, s := crowd.Quantile(acks, 0.5), crowd.Quantile(seen, 0.5)
		if len(acks) == 0 || len(seen) == 0 || a > stretch || s > stretch {
			return fmt.Errorf("of what was sent %v to %v into the outage %d were acked (p50 %v) and %d seen (p50 %v)", at.Sub(from), at.Sub(from)+stretch, len(acks), a, len(seen), s)
		}
	}
	return nil
}

var positionWord = regexp.MustCompile(`\bposition=(\d+)`)

// pausedAndResumed holds the log line of the last pause against that of the resume: both name the same position. A node that was started
// in between resumes where it reads on.
func pausedAndResumed(log []string) (string, error) {
	paused, resumed := "", ""
	for _, line := range log {
		m := positionWord.FindStringSubmatch(line)
		switch {
		case m == nil:
		case strings.Contains(line, "persister paused"):
			paused, resumed = m[1], ""
		case strings.Contains(line, "persister resumed"), resumed == "" && strings.Contains(line, "persister reads on"):
			resumed = m[1]
		}
	}
	if paused == "" || paused != resumed {
		return "", fmt.Errorf("the log says paused at %q and resumed at %q", paused, resumed)
	}
	return "paused and resumed at " + paused, nil
}
