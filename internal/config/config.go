// Package config is the one struct of settings: flags, each also a HUBBUB_… environment variable, and what they default to.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// Config is what a node is told at start. Flags are named in the comments.
type Config struct {
	Listen    string // --listen: host:port
	Advertise string // --advertise: the address at which other nodes reach this one
	Data      string // --data: directory
	Log       Address
	Bus       Address
	Store     Address

	SingleBroker bool // --allow-single-broker

	AuthKey      string // --auth-key: file or JWKS address
	Guests       bool
	Secret       string // --secret; empty: the key file in Data
	Origins      string
	TrustProxy   string
	MetricsToken string
	TLSCert      string
	TLSKey       string

	Keep         time.Duration // --keep: of log behind W
	Drain        time.Duration // --drain: window over which sockets are closed at a stop
	PingInterval time.Duration
	PingTimeout  time.Duration
	LogLevel     string

	Limits Limits
}

// Limits are the bounds an operator may want to move. Each has a flag of the same name.
type Limits struct {
	Sockets           int
	SocketsPerAddress int
	Handshakes        int     // sockets that have not sent CONNECT
	EventsPerSocket   float64 // a second, sustained; bursts of five times as much
	EventsPerUser     float64
	RoomsPerUser      int
	RoomsPerSocket    int // open at a time
	RoomMembers       int
	OpenRooms         int // rooms open on this node
	RoomTail          int // records of an open room kept in memory
	TextBytes         int
	NameBytes         int
	JSONDepth         int
	PageSize          int
	PayloadBytes      int
	QueueBytes        int   // of a socket's output queue
	ReserveBytes      int64 // of free disk below which sends are refused
	SegmentBytes      int64 // of a log file
}

// ErrHelp says that help was asked for and has been printed.
var ErrHelp = flag.ErrHelp

// Parse reads the arguments of `hubbub serve`, over the environment, over the defaults. getenv is os.Getenv; help goes to out.
func Parse(args []string, getenv func(string) string, out io.Writer) (Config, error) {
	c, err := ParseTool("hubbub serve: run a chat server.", nil, args, getenv, out)
	if err == nil {
		err = c.Together()
	}
	return c, err
}

// ParseTool is Parse for a command that takes the server's settings, and more flags of its own (nil: none). What the engines are together
// is not looked at. about begins with the command and a colon, and heads the help.
func ParseTool(about string, more func(*flag.FlagSet), args []string, getenv func(string) string, out io.Writer) (Config, error) {
	var c Config
	var log, bus, store string
	command, _, _ := strings.Cut(about, ":")
	fs := flag.NewFlagSet(command, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	engines(fs, &c, &log, &bus, &store)
	access(fs, &c)
	times(fs, &c)
	limits(fs, &c.Limits)
	if err := fromEnvironment(fs, getenv); err != nil {
		return c, err
	}
	if more != nil {
		more(fs)
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		usage(fs, about, out)
		return c, ErrHelp
	case err != nil:
		return c, fmt.Errorf("%w (%s -h lists all flags)", err, command)
	case fs.NArg() > 0:
		return c, fmt.Errorf("%q is not a flag or a command (%s -h lists all flags)", fs.Arg(0), command)
	}
	return c, c.finish(log, bus, store)
}

func engines(fs *flag.FlagSet, c *Config, log, bus, store *string) {
	fs.StringVar(&c.Listen, "listen", "127.0.0.1:3001", "`address` to listen on; beyond loopback only when you say so")
	fs.StringVar(&c.Advertise, "advertise", "", "`address` at which other nodes reach this one")
	fs.StringVar(&c.Data, "data", "./hubbub-data", "`directory` of the key file, the disk log and SQLite")
	fs.StringVar(log, "log", "", "the log: disk:DIR (default disk:DATA/log) or kafka://[user:password@]host:port[,host:port]/NAME")
	fs.StringVar(bus, "bus", "memory:", "the bus: memory: or redis://[user:password@]host:port[,host:port]?name=NAME, rediss:// with TLS")
	fs.StringVar(store, "store", "", "the store: sqlite:FILE (default sqlite:DATA/history.db), mongodb://… or mongodb+srv://…/NAME")
	fs.BoolVar(&c.SingleBroker, "allow-single-broker", false, "take a Kafka topic that a single broker keeps: its loss loses messages")
}

func access(fs *flag.FlagSet, c *Config) {
	fs.StringVar(&c.AuthKey, "auth-key", "", "`file` with the host application's shared secret or public key, or the address of its JWKS")
	fs.BoolVar(&c.Guests, "guests", true, "let people in without a token, marked as guests")
	fs.StringVar(&c.Secret, "secret", "", "signs guest tokens and socket ids, the same on all nodes (default: made in DATA/secret)")
	fs.StringVar(&c.Origins, "origins", "", "`list` of other pages' origins that may connect, or *")
	fs.StringVar(&c.TrustProxy, "trust-proxy", "", "`list` of addresses or CIDRs whose X-Forwarded headers are believed")
	fs.StringVar(&c.MetricsToken, "metrics-token", "", "`token` that opens /metrics from beyond loopback")
	fs.StringVar(&c.TLSCert, "tls-cert", "", "`file` with the certificate chain")
	fs.StringVar(&c.TLSKey, "tls-key", "", "`file` with the certificate's key")
	fs.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
}

// drainUnset stands for a --drain that was not given: its default follows from the log.
const drainUnset time.Duration = math.MinInt64

func times(fs *flag.FlagSet, c *Config) {
	fs.DurationVar(&c.Keep, "keep", 7*24*time.Hour, "how long the log is kept behind what the store has")
	c.Drain = drainUnset
	fs.Func("drain", "`duration` over which sockets are closed at a stop (default 5s; with a shared log 20s, so that clients move to the other nodes one by one)",
		func(text string) (err error) {
			c.Drain, err = time.ParseDuration(text)
			return err
		})
	fs.DurationVar(&c.PingInterval, "ping-interval", 25*time.Second, "between heartbeats")
	fs.DurationVar(&c.PingTimeout, "ping-timeout", 20*time.Second, "for the answer to a heartbeat")
}

func limits(fs *flag.FlagSet, l *Limits) {
	fs.IntVar(&l.Sockets, "sockets", 18000, "sockets on this node")
	fs.IntVar(&l.SocketsPerAddress, "sockets-per-address", 200, "sockets of one address (loopback has none)")
	fs.IntVar(&l.Handshakes, "handshakes", 1000, "sockets that have not yet sent CONNECT, and connections that have not yet sent a request")
	fs.Float64Var(&l.EventsPerSocket, "events-per-socket", 100, "events a second of one socket, bursts of five times as much")
	fs.Float64Var(&l.EventsPerUser, "events-per-user", 200, "events a second of one user on this node, bursts of five times as much")
	fs.IntVar(&l.RoomsPerUser, "rooms-per-user", 1000, "rooms that a user may be in; also the invitations that may wait for him")
	fs.IntVar(&l.RoomsPerSocket, "rooms-per-socket", 1000, "rooms that a socket may have open")
	fs.IntVar(&l.RoomMembers, "room-members", 10000, "members of a room")
	fs.IntVar(&l.OpenRooms, "open-rooms", 20000, "rooms open on this node at a time")
	fs.IntVar(&l.RoomTail, "room-tail", 500, "records of an open room kept in memory; older ones come from the store")
	fs.IntVar(&l.TextBytes, "text-bytes", 16<<10, "bytes of a message's text")
	fs.IntVar(&l.NameBytes, "name-bytes", 200, "bytes of a user's or room's name; a topic may have five times as much")
	fs.IntVar(&l.JSONDepth, "json-depth", 32, "nesting of a request")
	fs.IntVar(&l.PageSize, "page-size", 100, "messages, members or rooms in an answer")
	fs.IntVar(&l.PayloadBytes, "payload-bytes", 1_000_000, "bytes of one request")
	fs.IntVar(&l.QueueBytes, "queue-bytes", 1<<20, "bytes that may wait for a slow socket before it is closed")
	fs.Int64Var(&l.ReserveBytes, "reserve-bytes", 256<<20, "bytes of free disk below which sends are refused")
	fs.Int64Var(&l.SegmentBytes, "segment-bytes", 64<<20, "bytes of one file of the disk log")
}

// Variable gives the environment variable of a flag.
func Variable(flagName string) string {
	return "HUBBUB_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

func fromEnvironment(fs *flag.FlagSet, getenv func(string) string) error {
	var err error
	fs.VisitAll(func(f *flag.Flag) {
		if v := getenv(Variable(f.Name)); v != "" && err == nil {
			if e := fs.Set(f.Name, v); e != nil {
				err = fmt.Errorf("%s: %w", Variable(f.Name), e)
			}
		}
	})
	return err
}

func usage(fs *flag.FlagSet, about string, out io.Writer) {
	fmt.Fprintf(out, "%s Every flag of the server is also an environment variable: --metrics-token is %s.\n\n", about, Variable("metrics-token"))
	fs.SetOutput(out)
	fs.PrintDefaults()
}

// finish fills in what depends on other settings, and refuses what cannot be.
func (c *Config) finish(log, bus, store string) error {
	if log == "" {
		log = "disk:" + filepath.Join(c.Data, "log")
	}
	if store == "" {
		store = "sqlite:" + filepath.Join(c.Data, "history.db")
	}
	var err error
	if c.Log, err = parseAddress("--log", log, logSchemes); err != nil {
		return err
	}
	if c.Bus, err = parseAddress("--bus", bus, busSchemes); err != nil {
		return err
	}
	if c.Store, err = parseAddress("--store", store, storeSchemes); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen %q is not host:port", c.Listen)
	}
	if c.Drain == drainUnset {
		if c.Drain = 5 * time.Second; c.Shared() {
			c.Drain = 20 * time.Second
		}
	}
	switch {
	case c.Log.Rest == "":
		return errors.New("--log disk: needs a directory")
	case c.Store.Rest == "":
		return errors.New("--store sqlite: needs a file")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	case c.Keep < 0 || c.Drain < 0:
		return errors.New("--keep and --drain can not be negative")
	case c.PingInterval < 100*time.Millisecond || c.PingTimeout < 100*time.Millisecond:
		return errors.New("--ping-interval and --ping-timeout must be at least 100ms")
	}
	return c.Limits.check()
}

// check holds every limit against the least that works.
func (l *Limits) check() error {
	for _, c := range []struct {
		name       string
		value, min float64
	}{
		{"sockets", float64(l.Sockets), 1}, {"sockets-per-address", float64(l.SocketsPerAddress), 1}, {"handshakes", float64(l.Handshakes), 1},
		{"events-per-socket", l.EventsPerSocket, 1}, {"events-per-user", l.EventsPerUser, 1}, {"rooms-per-user", float64(l.RoomsPerUser), 1},
		{"rooms-per-socket", float64(l.RoomsPerSocket), 1}, {"room-members", float64(l.RoomMembers), 2}, {"open-rooms", float64(l.OpenRooms), 1}, {"room-tail", float64(l.RoomTail), 1}, {"text-bytes", float64(l.TextBytes), 1},
		{"name-bytes", float64(l.NameBytes), 4}, {"json-depth", float64(l.JSONDepth), 3}, {"page-size", float64(l.PageSize), 1},
		{"payload-bytes", float64(l.PayloadBytes), 1000}, {"queue-bytes", float64(l.QueueBytes), 64 << 10},
		{"reserve-bytes", float64(l.ReserveBytes), 0}, {"segment-bytes", float64(l.SegmentBytes), 1 << 20},
	} {
		if !(c.value >= c.min) || math.IsInf(c.value, 1) { // the first is also true of what is no number
			return fmt.Errorf("--%s must be a number of at least %v", c.name, c.min)
		}
	}
	if l.TextBytes > 64<<10 {
		return errors.New("--text-bytes can not be above 65536: the log's records are bounded")
	}
	if l.PageSize > 1000 {
		return errors.New("--page-size can not be above 1000: a store gives no more than some thousand rows at once")
	}
	return nil
}
