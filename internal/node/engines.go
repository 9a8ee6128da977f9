package node

import (
	"context"
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
	secret   auth.Secret
	log      *msglog.Disk
	bus      *bus.Memory
	store    storeEngine
	presence chat.Presence
	closers  []func() error // run from the last to the first
}

// openEngines makes the data directory, and opens each engine by its scheme. config has refused the schemes that are not here.
func openEngines(ctx context.Context, c config.Config, logger *slog.Logger) (*engines, error) {
	e := &engines{}
	if err := e.open(ctx, c, logger); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *engines) open(ctx context.Context, c config.Config, logger *slog.Logger) error {
	err := prepareData(c.Data)
	if err != nil {
		return err
	}
	if e.secret, err = openSecret(c); err != nil {
		return err
	}
	switch c.Log.Scheme {
	case "disk":
		reserve := c.Limits.ReserveBytes
		if reserve == 0 {
			reserve = -1
		}
		if e.log, err = msglog.Open(msglog.Options{Dir: c.Log.Rest, SegmentBytes: c.Limits.SegmentBytes, ReserveBytes: reserve, Logger: logger}); err != nil {
			return err
		}
		e.closers = append(e.closers, e.log.Close)
	}
	switch c.Store.Scheme {
	case "sqlite":
		db, err := store.OpenSQLite(ctx, c.Store.Rest)
		if err != nil {
			return err
		}
		e.store = withFaults(db)
		e.closers = append(e.closers, db.Close)
	}
	switch c.Bus.Scheme {
	case "memory":
		e.bus = bus.NewMemory(bus.Options{})
		e.closers = append(e.closers, func() error { e.bus.Close(); return nil })
		e.presence = presence.NewBoard().Node("this")
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
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

// storeName gives the identity of a store within its deployment, for the name of the persisters' group.
func storeName(c config.Config) string { return filepath.Base(c.Store.Rest) }
