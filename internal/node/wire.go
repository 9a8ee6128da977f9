package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

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
	"github.com/hubbub-chat/hubbub/socketio/engineio"
	"github.com/hubbub-chat/hubbub/web"
)

// wire makes every part and gives it what it asks for, from the log upwards.
func (n *Node) wire(ctx context.Context) error {
	e, l := n.engines, n.conf.Limits
	info, err := e.log.Info(ctx)
	if err != nil {
		return err
	}
	times := chat.DefaultTimes()
	times.KeepBehind = n.conf.Keep
	n.health = newHealth(n.logger)
	n.latency = newLatency()
	n.log = &guardedLog{Log: e.log, took: n.latency.observeAppend}
	n.persister = persist.New(n.log, e.store, persist.Options{Name: e.deployment, Store: e.storeName, Times: times, Logger: n.logger, Trim: true})
	var mismatch *persist.Mismatch
	if err := n.persister.Check(ctx); errors.As(err, &mismatch) {
		return mismatch // any other error: the store is away, and the node runs without it
	}
	n.relay = relay.New(n.log, e.bus, relay.Options{Group: e.deployment + "-relay", Times: times, Logger: n.logger})
	n.history = history.New(n.log, e.store, e.store, e.store, history.Options{Partitions: e.partitions, RoomMembers: l.RoomMembers, Logger: n.logger})
	n.hub = hub.New(hub.Config{Log: n.log, Bus: e.bus, History: n.history, Presence: e.presence, Encoder: gateway.Encoder{}, Node: e.node,
		Partitions: e.partitions, Times: times, Limits: hub.Limits{OpenRooms: l.OpenRooms, TailRecords: l.RoomTail}, Live: n.latency.observeLive, Logger: n.logger})
	n.service = chat.NewService(chat.Ports{Log: n.log, Rooms: n.hub, History: n.history, Directory: e.store, Bus: e.bus, Partitions: e.partitions,
		Paused: func() bool { return n.persister.State().Phase == persist.Paused }, Here: n.hub.Here},
		chat.Limits{TextBytes: l.TextBytes, NameBytes: l.NameBytes, RoomMembers: l.RoomMembers, RoomsPerUser: l.RoomsPerUser, PageSize: l.PageSize},
		times, n.logger)
	return n.wireDoor(ctx, info, times)
}

// wireDoor makes what clients meet: who they are, the protocol, the pages.
func (n *Node) wireDoor(ctx context.Context, info chat.LogInfo, times chat.Times) error {
	l := n.conf.Limits
	authenticator, err := n.authenticator(ctx)
	if err != nil {
		return err
	}
	n.gateway = gateway.New(gateway.Config{Service: n.service, Rooms: n.hub, Bus: n.engines.bus, Auth: authenticator, Times: times, LogName: info.ID,
		Status: n.health.status, Logger: n.logger, Limits: gateway.Limits{EventsPerSocket: l.EventsPerSocket, EventsPerUser: l.EventsPerUser,
			RoomsPerSocket: l.RoomsPerSocket, JSONDepth: l.JSONDepth, QueueBytes: l.QueueBytes}})
	proxies, err := auth.ParseProxies(n.conf.TrustProxy)
	if err != nil {
		return err
	}
	origins, err := auth.ParseOrigins(n.conf.Origins, proxies, n.logger)
	if err != nil {
		return err
	}
	n.gate = auth.NewGate(auth.GateLimits{Sockets: l.Sockets, PerAddress: l.SocketsPerAddress, Handshakes: l.Handshakes}, proxies,
		func() int { return n.sockets.Waiting() })
	advertised, err := auth.ParseNodeAddress(n.conf.Advertise)
	if err != nil {
		return err
	}
	if n.conf.Advertise == "" && n.conf.Shared() {
		n.logger.Warn("--advertise is not set: other nodes can not pass a session's requests on to this one, so the load balancer must keep sessions together")
	}
	n.forward = httpd.NewForwarder(httpd.Forwarding{Secret: n.engines.secret, Advertise: advertised, Proxies: proxies, MaxPayload: l.PayloadBytes,
		PingInterval: n.conf.PingInterval, PingTimeout: n.conf.PingTimeout, MaxOpen: l.Sockets, Logger: n.logger})
	n.sockets = newSockets(n.conf, httpd.Admission{Origins: origins, Gate: n.gate}, n.forward, n.logger)
	n.gateway.Bind(n.sockets.Of("/"))
	n.watch()
	var app fs.FS
	if files, ok := web.App(); ok {
		app = files
	}
	n.server = httpd.NewServer(httpd.New(httpd.Config{App: app, Socket: n.sockets, Forward: n.forward, Health: n.health.get, Metrics: n.metrics(),
		MetricsToken: n.conf.MetricsToken, Proxies: proxies}), l.Handshakes)
	n.server.ErrorLog = slog.NewLogLogger(n.logger.Handler(), slog.LevelDebug)
	return nil
}

// newSockets makes the Socket.IO server with the official client beside it.
func newSockets(c config.Config, door httpd.Admission, forward *httpd.Forwarder, logger *slog.Logger) *socketio.Server {
	// Chat has no binary: an event is one request, and what came of it before it is whole is not kept beyond that.
	o := socketio.Options{MaxDepth: 2*c.Limits.JSONDepth + 32, MaxEvent: c.Limits.PayloadBytes, Engine: engineio.Options{PingInterval: c.PingInterval, PingTimeout: c.PingTimeout,
		MaxPayload: c.Limits.PayloadBytes, MaxQueue: c.Limits.QueueBytes, CORS: door.CORS, Allow: door.Allow, Admit: door.Admit,
		NewID: forward.NewID, Foreign: forward.Foreign, Logger: logger}}
	if bundle, version, ok := web.ClientBundle(); ok {
		o.ClientBundle, o.BundleVersion = bundle, version
	}
	return socketio.New(o)
}

// watch tells the health of whom to ask and whom to tell.
func (n *Node) watch() {
	h, e := n.health, n.engines
	h.log = func(ctx context.Context) error { return logHealth(ctx, n) }
	h.silent = func() int64 { return n.hub.Stats().Silent }
	h.bus, h.saving, h.tell, h.refuse = e.bus.Ping, n.persister.State, n.gateway.SetStatus, n.log.refuse
	h.store = func(ctx context.Context) error {
		_, err := e.store.State(ctx)
		return err
	}
}

// logHealth says why sends are refused, if they are.
func logHealth(ctx context.Context, n *Node) error {
	if err := n.engines.logProblem(); err != nil {
		return err
	}
	if n.service.Stats().Stuck {
		return errors.New("the log does not answer")
	}
	_, err := n.engines.log.Info(ctx)
	return err
}

// doorkeeper lets auth answer the gateway.
type doorkeeper struct{ auth *auth.Authenticator }

func (d doorkeeper) Authenticate(ctx context.Context, c gateway.Credentials) (gateway.Identity, error) {
	id, err := d.auth.Authenticate(ctx, auth.Credentials(c))
	return gateway.Identity(id), err
}

func (n *Node) authenticator(ctx context.Context) (gateway.Authenticator, error) {
	var keys auth.Keys
	if n.conf.AuthKey != "" {
		var err error
		if keys, err = auth.LoadKeys(ctx, n.conf.AuthKey, n.logger); err != nil {
			return nil, err
		}
	}
	name := func(s string) (string, error) { return chat.NormaliseName(s, n.conf.Limits.NameBytes) }
	return doorkeeper{auth.NewAuthenticator(n.engines.secret, auth.NewTokens(n.engines.secret, keys), n.conf.Guests, name)}, nil
}
