package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// engines in the order in which they are told; PostgreSQL is under MongoDB's.
var engines = [...]string{"redis", "kafka", "postgres", "mongo"}

// services is the folder .cache/services, locked: of two commands at a time the second waits.
type services struct {
	dir   string
	lock  *os.File
	bound bool // for tests: the engines die with this process
}

func open(dir string) (*services, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		lock.Close()
		return nil, fmt.Errorf("services: lock: %w", err)
	}
	return &services{dir: dir, lock: lock}, nil
}

func (s *services) close() { s.lock.Close() }

// up starts what does not run. When one engine fails, those started with it are ended: all or nothing.
func (s *services) up(ctx context.Context) error {
	var wait sync.WaitGroup
	var redis, kafka, mongo error
	wait.Go(func() {
		redis = s.one(ctx, "redis", enginetest.StartRedis, enginetest.Options{})
	})
	wait.Go(func() {
		kafka = s.one(ctx, "kafka", enginetest.StartKafka, enginetest.Options{})
	})
	wait.Go(func() {
		if mongo = s.one(ctx, "postgres", enginetest.StartPostgres, enginetest.Options{}); mongo != nil {
			return
		}
		pg, err := read(s.file("postgres"))
		if err != nil {
			mongo = err
			return
		}
		mongo = s.one(ctx, "mongo", enginetest.StartMongo, enginetest.Options{Postgres: strings.TrimPrefix(pg.addr, "postgres://")})
	})
	wait.Wait()
	if err := errors.Join(redis, kafka, mongo); err != nil {
		return errors.Join(err, s.down())
	}
	if err := s.env(); err != nil {
		return err
	}
	return s.status()
}

// one leaves an engine that runs and answers alone, and otherwise starts it with a fresh folder.
func (s *services) one(ctx context.Context, name string, start func(context.Context, enginetest.Options) (*enginetest.Server, error), o enginetest.Options) error {
	if r, err := read(s.file(name)); err == nil {
		if r.runs() && enginetest.Answers(ctx, r.addr) == nil {
			return nil
		}
		if err := r.end(s.file(name)); err != nil {
			return err
		}
	}
	o.Dir, o.Detached = filepath.Join(s.dir, name), !s.bound
	if err := errors.Join(os.RemoveAll(o.Dir), os.MkdirAll(o.Dir, 0o755)); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	began := time.Now()
	server, err := start(ctx, o)
	if err != nil {
		return err
	}
	r := running{pid: server.Pid(), birth: enginetest.Birth(server.Pid()), addr: server.Addr(), data: server.Dir()}
	if err := r.write(s.file(name)); err != nil {
		return errors.Join(err, server.Stop())
	}
	fmt.Printf("started %s in %.1f s\n", name, time.Since(began).Seconds())
	return nil
}

// env writes the addresses as lines for a shell, whole or not at all.
func (s *services) env() error {
	var b strings.Builder
	for _, name := range engines {
		r, err := read(s.file(name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "HUBBUB_SERVICES_%s=%s\n", strings.ToUpper(name), r.addr)
	}
	path := filepath.Join(s.dir, "env")
	if old, err := os.ReadFile(path); err == nil && string(old) == b.String() {
		return nil
	}
	if err := errors.Join(os.WriteFile(path+".new", []byte(b.String()), 0o644), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("services: %w", err)
	}
	return nil
}

// down ends what runs and removes its data. The logs stay until the next start.
func (s *services) down() error {
	errs := []error{os.RemoveAll(filepath.Join(s.dir, "env"))}
	for i := len(engines) - 1; i >= 0; i-- {
		r, err := read(s.file(engines[i]))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = r.end(s.file(engines[i]))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// status prints the addresses; it fails when one of the engines does not run or does not answer.
func (s *services) status() error {
	var errs []error
	for _, name := range engines {
		r, err := read(s.file(name))
		if err == nil && !r.runs() {
			err = os.ErrNotExist
		}
		if err == nil {
			err = enginetest.Answers(context.Background(), r.addr)
		}
		switch {
		case errors.Is(err, os.ErrNotExist):
			errs = append(errs, fmt.Errorf("%s does not run", name))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s does not answer: %w", name, err))
		default:
			fmt.Printf("%-9s %s (pid %d)\n", name, r.addr, r.pid)
		}
	}
	return errors.Join(errs...)
}

func (s *services) file(name string) string { return filepath.Join(s.dir, name+".pid") }
