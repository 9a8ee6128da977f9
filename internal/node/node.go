package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/gateway"
	"github.com/hubbub-chat/hubbub/internal/history"
	"github.com/hubbub-chat/hubbub/internal/httpd"
	"github.com/hubbub-chat/hubbub/internal/hub"
	"github.com/hubbub-chat/hubbub/internal/persist"
	"github.com/hubbub-chat/hubbub/internal/relay"
	"github.com/hubbub-chat/hubbub/socketio"
)

// Options are what is not a setting.
type Options struct {
	Logger  *slog.Logger
	Out     io.Writer // gets one line for people: where to open the page
	Version string
}

// Node is one process of a deployment.
type Node struct {
	conf    config.Config
	logger  *slog.Logger
	out     io.Writer
	version string

	engines   *engines
	log       *guardedLog
	latency   latency
	history   *history.History
	hub       *hub.Hub
	relay     *relay.Relay
	persister *persist.Persister
	service   *chat.Service
	gateway   *gateway.Gateway
	gate      *auth.Gate
	sockets   *socketio.Server
	forward   *httpd.Forwarder
	health    *health
	server    *http.Server
}

// Run listens, opens the engines, serves until ctx ends, drains and closes. The address is taken first, so that a second start on one
// machine is told about the port and touches no data.
func Run(ctx context.Context, c config.Config, o Options) error {
	listener, err := listen(c)
	if err != nil {
		return err
	}
	defer listener.Close()
	if _, err := auth.ParseNodeAddress(c.Advertise); err != nil {
		return err
	}
	n := &Node{conf: c, logger: o.Logger, out: o.Out, version: o.Version}
	if n.engines, err = openEngines(ctx, c, n.logger); err != nil {
		return err
	}
	err = n.wire(ctx)
	if err == nil {
		err = n.serve(ctx, listener)
	}
	return errors.Join(err, n.engines.close())
}

// listen takes the address; a busy one is one sentence.
func listen(c config.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("can not listen on %s: %w; choose another address with --listen", c.Listen, errors.Unwrap(err))
	}
	if c.TLSCert == "" {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}), nil
}

// serve runs everything that lives long until ctx ends or something fails, in this order of stopping: first the node says that it
// drains and its sockets go, then the listener, then what stands behind them; the engines are closed last, by Run.
func (n *Node) serve(ctx context.Context, listener net.Listener) error {
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, live := errgroup.WithContext(live)
	for _, run := range n.engines.runs {
		group.Go(func() error { return run(live) })
	}
	group.Go(func() error { return n.hub.Run(live) })
	group.Go(func() error { return n.relay.Run(live) })
	group.Go(func() error { return n.persister.Run(live) })
	group.Go(func() error { return n.gateway.Run(live) })
	group.Go(func() error { return n.health.run(live) })
	group.Go(func() error { return keepTrim(live) })
	if n.engines.kafka != nil {
		group.Go(func() error { return n.keepComparing(live) })
	}
	group.Go(func() error { return n.open(live, listener) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			n.stop()
			stop()
		case <-live.Done(): // something failed: no time for farewells
			n.server.Close()
		}
		return nil
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// stop drains the sockets over the window and closes the listener.
func (n *Node) stop() {
	n.logger.Info("stopping", "window", n.conf.Drain)
	n.health.drain()
	ctx, cancel := context.WithTimeout(context.Background(), n.conf.Drain+5*time.Second)
	defer cancel()
	n.sockets.Drain()
	passing := make(chan error, 1) // what this node forwards to others leaves in the same window
	go func() { passing <- n.forward.Drain(ctx, n.conf.Drain) }()
	err := n.gateway.Drain(ctx, n.conf.Drain)
	err = errors.Join(err, <-passing, n.sockets.Close(ctx), n.server.Shutdown(ctx))
	if err != nil {
		n.logger.Warn("some sockets had to be cut off", "error", err)
		n.server.Close()
	}
}

// open lets people in once the lobby is there, or after a while without it: then it is made as soon as the engines allow.
func (n *Node) open(ctx context.Context, listener net.Listener) error {
	made := make(chan struct{})
	go func() {
		defer close(made)
		if err := n.service.EnsureLobby(ctx); err != nil {
			n.logger.Debug("the lobby was not made", "error", err)
		}
	}()
	select {
	case <-made:
	case <-time.After(lobbyWithin):
	}
	n.health.started()
	n.greet(listener.Addr())
	if err := n.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	<-made
	return nil
}

// lobbyWithin is how long a start waits for the lobby.
const lobbyWithin = 2 * time.Second

// greet says where the page is.
func (n *Node) greet(addr net.Addr) {
	scheme := "http"
	if n.conf.TLSCert != "" {
		scheme = "https"
	}
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified()) {
		host = fmt.Sprintf("localhost:%d", tcp.Port)
	}
	n.logger.Info("ready", "address", addr.String(), "version", n.version, "data", n.conf.Data)
	if n.out != nil {
		fmt.Fprintf(n.out, "Hubbub is ready: %s://%s/\n", scheme, host)
	}
}
