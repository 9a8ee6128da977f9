// Command hubbub is the chat server. Subcommands: serve (the default), token, doctor, log, bench, version.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/node"
)

const usage = `hubbub: a chat server for crowds

  hubbub [serve] [flags]   run a node (hubbub serve -h lists the flags)
  hubbub token [flags]     print a token for a user
  hubbub doctor [flags]    look at the engines, and say what is wrong and how to mend it
  hubbub log next [flags]  begin the log's next generation, or move to another log
  hubbub bench             load and checks, for this server or another one
  hubbub version           print the version
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hubbub:", err)
		os.Exit(1)
	}
}

// run picks the subcommand.
func run(args []string) error {
	command := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	switch command {
	case "serve":
		return serve(args)
	case "token":
		return token(args, os.Stdout)
	case "doctor":
		return doctorCommand(args, os.Stdout)
	case "log":
		return logCommand(args, os.Stdout)
	case "bench":
		return benchCommand(args, os.Stdout)
	case "version":
		fmt.Println(version())
		return nil
	case "help":
		fmt.Print(usage)
		return nil
	}
	return fmt.Errorf("there is no command %q\n\n%s", command, usage)
}

// serve runs a node until a signal comes; a second signal ends it at once.
func serve(args []string) error {
	c, err := config.Parse(args, os.Getenv, os.Stdout)
	if errors.Is(err, config.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return fmt.Errorf("--log-level %q is not debug, info, warn or error", c.LogLevel)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tune(ctx, os.Getenv)
	context.AfterFunc(ctx, stop) // from now on a second signal ends the process
	return node.Run(ctx, c, node.Options{Logger: logger, Out: os.Stdout, Version: version()})
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
