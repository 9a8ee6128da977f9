package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

const logUsage = "hubbub log next: begin the log's next generation, or move a deployment to another log (--from the old one). Stop all nodes first."

// logCommand is `hubbub log next`.
func logCommand(args []string, out io.Writer) error {
	if len(args) == 0 || args[0] != "next" {
		return errors.New("hubbub log has one command: next (hubbub log next -h lists its flags)")
	}
	o := node.NextOptions{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Out: out}
	from := ""
	c, err := config.ParseTool(logUsage, func(fs *flag.FlagSet) {
		fs.StringVar(&from, "from", "", "`address` of the log that the store belongs to now, if it is not --log")
		fs.BoolVar(&o.AcceptLoss, "accept-loss", false, "go on although the store does not have all of the old log")
	}, args[1:], os.Getenv, out)
	if errors.Is(err, config.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if from != "" {
		if o.From, err = config.ParseLog("--from", from); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return node.NextGeneration(ctx, c, o)
}
