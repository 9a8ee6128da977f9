package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/msglog"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
	"github.com/hubbub-chat/hubbub/internal/presence"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// storeEngine is a store seen through all its ports.
type storeEngine interface {
	chat.Archive
	chat.Messages
	chat.Directory
}

// engines are what a node stands on.
type engines struct {
	secret     auth.Secret
	deployment string // its name: groups begin with it
	storeName  string // the store's own, for the name of the persisters' group
	node       string // this process's name among the nodes: never used again
	log        chat.Log
	bus        chat.Bus
	store      storeEngine
	presence   chat.Presence
	partitions int

	kafka *msglog.Kafka // nil: one node alone
	badge badge
	peers func(context.Context) (map[string]string, error) // the badges of living nodes

	agree      func(context.Context) error   // whether the other nodes stand on the same engines; a *disagreement if not
	logProblem func() error                  // why the log refuses appends, as far as it knows without asking
	runs       []func(context.Context) error // what an engine does by itself
	metrics    []metric
	closers    []func() error // run from the last to the first
}

// openEngines makes the data directory, and opens each engine by its scheme, the log first: the others are told of it.
func openEngines(ctx context.Context, c config.Config, logger *slog.Logger) (*engines, error) {
	e := &engines{deployment: "hubbub", node: "node-" + rand.Text()[:10], logProblem: func() error { return nil },
		agree: func(context.Context) error { return nil }}
	for _, open := range []func(context.Context, config.Config, *slog.Logger) error{e.openData, e.openLog, e.openStore, e.openBus, e.meet} {
		if err := open(ctx, c, logger); err != nil {
			return nil, errors.Join(err, e.close())
		}
	}
	return e, nil
}

func (e *engines) openData(_ context.Context, c config.Config, _ *slog.Logger) (err error) {
	if err := prepareData(c.Data); err != nil {
		return err
	}
	e.secret, err = openSecret(c)
	return err
}

func (e *engines) openLog(ctx context.Context, c config.Config, logger *slog.Logger) error {
	switch c.Log.Scheme {
	case "disk":
		reserve := c.Limits.ReserveBytes
		if reserve == 0 {
			reserve = -1
		}
		disk, err := msglog.Open(msglog.Options{Dir: c.Log.Rest, SegmentBytes: c.Limits.SegmentBytes, ReserveBytes: reserve, Logger: logger})
		if err != nil {
			return err
		}
		e.log, e.logProblem = disk, func() error { return diskProblem(disk.Stats()) }
		e.runs, e.metrics = append(e.runs, disk.Run), append(e.metrics, diskMetrics(disk)...)
		e.closers = append(e.closers, disk.Close)
	case "kafka":
		if err := e.openKafka(ctx, c, logger); err != nil {
			return err
		}
	}
	info, err := e.log.Info(ctx)
	e.partitions = len(info.Partitions)
	return err
}

func (e *engines) openStore(ctx context.Context, c config.Config, logger *slog.Logger) error {
	switch c.Store.Scheme {
	case "sqlite":
		db, err := store.OpenSQLite(ctx, c.Store.Rest, logger)
		if err != nil {
			return err
		}
		e.store = withFaults(db)
		e.closers = append(e.closers, db.Close)
	case "mongodb", "mongodb+srv":
		if err := e.openMongo(ctx, c, logger); err != nil {
			return err
		}
	}
	st, err := e.store.State(ctx)
	if e.storeName = st.Store; e.storeName == "" { // it does not answer now: its address names it as well as can be
		e.storeName = nameByAddress(c.Store)
		logger.Warn("the store does not answer at the start", "store", c.Store.String(), "error", err)
	}
	return nil
}

// nameByAddress names a store that does not answer: by its file, or by its database. Others read that name, in Redis and in the name of a
// consumer group, so that nothing else of the address may be in it: it has the credentials.
func nameByAddress(a config.Address) string {
	if a.Scheme == "sqlite" {
		return filepath.Base(a.Rest)
	}
	o, err := store.ParseMongo(a.Full())
	if err != nil {
		return "store"
	}
	return o.Database
}

func (e *engines) openBus(ctx context.Context, c config.Config, logger *slog.Logger) error {
	switch c.Bus.Scheme {
	case "memory":
		memory := bus.NewMemory(bus.Options{})
		e.bus, e.presence = memory, presence.NewBoard().Node(e.node)
		e.metrics = append(e.metrics, memoryMetrics(memory)...)
		e.closers = append(e.closers, func() error { memory.Close(); return nil })
	case "redis", "rediss":
		return e.openRedis(ctx, c, logger)
	}
	return nil
}

// diskProblem says in words why a disk log refuses appends, if it does.
func diskProblem(st msglog.Stats) error {
	switch {
	case st.Failed:
		return errors.New("the disk log has failed")
	case st.Full:
		return errors.New("the disk has no space, or no more than the reserve (--reserve-bytes)")
	case st.Stalled:
		return errors.New("the log does not answer")
	}
	return nil
}

func (e *engines) close() error {
	var errs []error
	for i := len(e.closers) - 1; i >= 0; i-- {
		errs = append(errs, e.closers[i]())
	}
	e.closers = nil
	return errors.Join(errs...)
}

// prepareData makes the data directory for its owner alone, and tightens one that is open to others.
func prepareData(dir string) error {
	if err := segment.MakeDir(dir); err != nil {
		return fmt.Errorf("make the data directory %s (--data): %w", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the data directory %s (--data): %w", dir, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("the data directory %s (--data) is open to others, and that can not be changed: %w", dir, err)
		}
	}
	return nil
}

func openSecret(c config.Config) (auth.Secret, error) {
	if c.Secret != "" {
		s, err := auth.NewSecret(c.Secret)
		if err != nil {
			return s, fmt.Errorf("--secret: %w", err)
		}
		return s, nil
	}
	return auth.LoadSecret(c.Data)
}
