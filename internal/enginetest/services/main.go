// Command services runs the engines that the tests share: scripts/services is its front.
//
//	services up|down|status
//
// It keeps pid files, logs and the addresses (env) in .cache/services of the checkout. It starts nothing twice and ends only
// what it started.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains([]string{"up", "down", "status"}, args[0]) {
		return errors.New("usage: services up|down|status")
	}
	dir, err := enginetest.ServicesDir()
	if err != nil {
		return err
	}
	s, err := open(dir)
	if err != nil {
		return err
	}
	defer s.close()
	switch args[0] {
	case "up":
		return s.up(ctx)
	case "down":
		return s.down()
	}
	return s.status()
}
