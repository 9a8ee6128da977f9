package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bench"
)

const benchUsage = `hubbub bench: load and checks over Socket.IO, for this server or another one that speaks the same events

  hubbub bench room [flags]     sockets in rooms: every delivery is counted and judged
  hubbub bench senders [flags]  every sender alone in a room of his own
  hubbub bench idle [flags]     open sockets and hold them
`

// benchFlags are what all kinds of bench have.
type benchFlags struct {
	*flag.FlagSet
	urls, pids *string
	target     bench.Target
	json       *bool
}

func newBenchFlags(kind string) *benchFlags {
	fs := &benchFlags{FlagSet: flag.NewFlagSet("hubbub bench "+kind, flag.ContinueOnError)}
	fs.urls = fs.String("url", "http://127.0.0.1:3001", "`addresses` of the server or, separated by commas, of its nodes")
	fs.pids = fs.String("pid", "", "`processes` whose CPU and memory are reported: 123, or node1=123,kafka=456")
	fs.json = fs.Bool("json", false, "print JSON, and no progress (which needs a terminal)")
	fs.StringVar(&fs.target.Token, "token", "", "`token` that every socket presents (default: each is a guest)")
	fs.IntVar(&fs.target.Connecting, "connecting", 64, "sockets that connect at a time")
	return fs
}

// parse reads the arguments; done says that help was asked for.
func (fs *benchFlags) parse(args []string) (done bool, err error) {
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return true, nil
	case err != nil:
		return false, err
	case fs.NArg() > 0:
		return false, fmt.Errorf("%q is not a flag", fs.Arg(0))
	}
	for url := range strings.SplitSeq(*fs.urls, ",") {
		fs.target.URLs = append(fs.target.URLs, strings.TrimSpace(url))
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 && !*fs.json {
		fs.target.Progress = func(format string, args ...any) { fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...) }
	}
	fs.target.Watched, err = bench.ParseProcesses(*fs.pids)
	return false, err
}

// benchCommand picks the kind of bench.
func benchCommand(args []string, out io.Writer) error {
	kind := ""
	if len(args) > 0 {
		kind, args = args[0], args[1:]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	switch kind {
	case "room":
		return benchRoom(ctx, args, out)
	case "senders":
		return benchSenders(ctx, args, out)
	case "idle":
		return benchIdle(ctx, args, out)
	case "", "help", "-h", "--help":
		fmt.Fprint(out, benchUsage)
		return nil
	}
	return fmt.Errorf("there is no bench %q\n\n%s", kind, benchUsage)
}

func loadFlags(fs *benchFlags, l *bench.Load) {
	fs.IntVar(&l.Size, "size", 100, "`bytes` of a message's text")
	fs.DurationVar(&l.Warmup, "warmup", 2*time.Second, "load before the measuring begins")
	fs.DurationVar(&l.Duration, "duration", 10*time.Second, "how long it is measured")
}

func benchRoom(ctx context.Context, args []string, out io.Writer) error {
	fs, l := newBenchFlags("room"), bench.Load{}
	loadFlags(fs, &l)
	fs.IntVar(&l.Sockets, "sockets", 1000, "sockets in all")
	fs.IntVar(&l.Rooms, "rooms", 1, "rooms; each socket is in one")
	fs.IntVar(&l.InFlight, "in-flight", 0, "`messages` on their way at a time, each of another socket")
	fs.Float64Var(&l.Rate, "rate", 0, "`messages` a second in all, instead of --in-flight")
	if done, err := fs.parse(args); done || err != nil {
		return err
	}
	return fs.run(ctx, l, out)
}

func benchSenders(ctx context.Context, args []string, out io.Writer) error {
	fs, l := newBenchFlags("senders"), bench.Load{}
	loadFlags(fs, &l)
	fs.IntVar(&l.Sockets, "senders", 256, "senders, each alone in a room, each with one message on its way")
	if done, err := fs.parse(args); done || err != nil {
		return err
	}
	l.Rooms, l.InFlight = l.Sockets, l.Sockets
	return fs.run(ctx, l, out)
}

// run runs a load; a server that loses, repeats or reorders is an error.
func (fs *benchFlags) run(ctx context.Context, l bench.Load, out io.Writer) error {
	res, err := bench.Room(ctx, fs.target, l)
	fs.clear()
	if err != nil {
		return err
	}
	if err := fs.print(out, res); err != nil {
		return err
	}
	return res.Wrong()
}

func benchIdle(ctx context.Context, args []string, out io.Writer) error {
	fs := newBenchFlags("idle")
	sockets := fs.Int("sockets", 1000, "sockets to open")
	steps := fs.String("steps", "", "`numbers` of sockets to open one after the other, such as 4500,9000,18000, instead of --sockets")
	hold := fs.Duration("hold", 10*time.Second, "how long to hold them")
	if done, err := fs.parse(args); done || err != nil {
		return err
	}
	if *steps != "" {
		return fs.idleSteps(ctx, *steps, *hold, out)
	}
	res, err := bench.Idle(ctx, fs.target, *sockets, *hold)
	fs.clear()
	if err != nil {
		return err
	}
	return fs.print(out, res)
}

func (fs *benchFlags) idleSteps(ctx context.Context, text string, hold time.Duration, out io.Writer) error {
	var steps []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return fmt.Errorf("--steps: %q is not a number", part)
		}
		steps = append(steps, n)
	}
	res, err := bench.IdleSteps(ctx, fs.target, steps, hold)
	fs.clear()
	if err != nil {
		return err
	}
	return fs.print(out, res)
}

// clear ends the line of progress.
func (fs *benchFlags) clear() {
	if fs.target.Progress != nil {
		fs.target.Progress("")
	}
}

func (fs *benchFlags) print(out io.Writer, res interface{ Write(io.Writer) error }) error {
	if !*fs.json {
		return res.Write(out)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(res)
}
