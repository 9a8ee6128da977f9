// Command testserver is the server that the official conformance suites run against: an Engine.IO server that sends every message
// back at /engine.io/, and a Socket.IO application at /socket.io/, on one port. The suites expect it at localhost:3000 with the
// default flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	listen         string
	pingInterval   time.Duration
	pingTimeout    time.Duration
	connectTimeout time.Duration
	maxPayload     int
	chat           bool
}

func parse(args []string) (config, error) {
	var c config
	flags := flag.NewFlagSet("testserver", flag.ContinueOnError)
	flags.StringVar(&c.listen, "listen", "localhost:3000", "address to listen on")
	flags.DurationVar(&c.pingInterval, "ping-interval", 300*time.Millisecond, "time between pings")
	flags.DurationVar(&c.pingTimeout, "ping-timeout", 200*time.Millisecond, "time for a pong")
	flags.DurationVar(&c.connectTimeout, "connect-timeout", time.Second, "time to join a namespace")
	flags.IntVar(&c.maxPayload, "max-payload", 1_000_000, "largest message, in bytes")
	flags.BoolVar(&c.chat, "chat", false, "serve a chat in memory instead of the suites' application, for hubbub bench")
	return c, flags.Parse(args)
}

// run serves until ctx ends.
func run(ctx context.Context, args []string) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	app := newApp(c, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	server := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println("listening on", listener.Addr())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(app.close(limit), server.Shutdown(limit))
}
