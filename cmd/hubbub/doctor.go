package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

const doctorUsage = "hubbub doctor: look at every engine that the server's flags name, and say what is wrong and how to mend it. Nothing is changed. Exit code 1: something is wrong."

// doctorCommand takes the flags of serve.
func doctorCommand(args []string, out io.Writer) error {
	c, err := config.ParseTool(doctorUsage, nil, args, os.Getenv, out)
	if errors.Is(err, config.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if grave, slight := node.Doctor(ctx, c, out, time.Now); grave > 0 {
		things := fmt.Sprintf("%d things are", grave)
		if grave == 1 {
			things = "1 thing is"
		}
		return fmt.Errorf("doctor: %s wrong, %d more worth a look", things, slight)
	}
	return nil
}
