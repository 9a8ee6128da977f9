package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

const (
	openWait    = 10 * time.Second // to connect and look at the settings
	openRetries = 4 * time.Second  // how long a Redis that is just starting is waited for
	leastRedis  = 7                // the first with sharded Pub/Sub
)

// client gives the settings of a connection. Retries are ours to decide: a note is never sent twice.
func (o RedisOptions) client() rueidis.ClientOption {
	dialer := net.Dialer{Timeout: redisWait, KeepAlive: time.Second}
	c := rueidis.ClientOption{
		InitAddress: o.Hosts, Username: o.User, Password: o.Password, ClientName: "hubbub", ClientSetInfo: rueidis.DisableClientSetInfo,
		TLSConfig: o.TLS, Dialer: dialer, ConnWriteTimeout: 2 * time.Second,
		DisableCache: true, DisableRetry: true, AlwaysPipelining: true,
		PipelineMultiplex:  -1, // one connection, so that one publisher's order is kept
		BlockingPipeline:   -1, // however long a batch is
		ReadBufferEachConn: 128 << 10, WriteBufferEachConn: 128 << 10,
	}
	if o.Sentinel != "" {
		c.Sentinel = rueidis.SentinelOption{MasterSet: o.Sentinel, Password: o.SentinelPassword, Dialer: dialer, TLSConfig: o.TLS,
			TopologyRefreshInterval: 5 * time.Second}
	}
	return c
}

// OpenRedis connects, checks that this is a Redis that can carry the bus, and warns of settings that will hurt (see Check). It fails
// within 15 s with one sentence that names the address without its credentials and says what to do.
func OpenRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	client, err := connect(ctx, o)
	if err != nil {
		return nil, o.explain(err)
	}
	r := &Redis{opt: o, log: o.Logger, client: client, queues: NewMemory(o.Queue),
		waiting: make(crowd, redisInFlight), gates: []*gate{newGate()}}
	cluster := client.Mode() == rueidis.ClientModeCluster
	for cluster && len(r.gates) < o.Partitions {
		r.gates = append(r.gates, newGate())
	}
	if err := r.suits(ctx); err != nil {
		client.Close()
		return nil, o.explain(err)
	}
	r.ears = newEars(r, cluster, o.Hosts)
	if err := r.hears(ctx); err != nil {
		r.Close()
		return nil, o.explain(err)
	}
	for _, f := range r.Check(ctx) {
		o.Logger.Warn("a setting of Redis will hurt", "redis", o.String(), "node", f.Node, "what", f.What, "mend", f.Mend)
	}
	return r, nil
}

// connect tries again for a while where that can help: a Redis that starts refuses connections, or is loading.
func connect(ctx context.Context, o RedisOptions) (rueidis.Client, error) {
	for end := time.Now().Add(openRetries); ; {
		client, err := rueidis.NewClient(o.client())
		if err == nil || ctx.Err() != nil || time.Now().After(end) || !mayPass(err) {
			return client, err
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// mayPass says whether an error may be gone in a moment.
func mayPass(err error) bool {
	if said, ok := rueidis.IsRedisErr(err); ok {
		return said.IsLoading() || said.IsClusterDown() || said.IsTryAgain() || strings.HasPrefix(said.Error(), "MASTERDOWN")
	}
	var host *net.DNSError
	return !(errors.As(err, &host) && host.IsNotFound) && !badTLS(err)
}

func badTLS(err error) bool {
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &record) || errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &unknown)
}

// explain makes one sentence of what kept Redis from being opened.
func (o RedisOptions) explain(err error) error {
	what := err.Error()
	var wrong *refusal
	switch {
	case errors.As(err, &wrong):
	case strings.Contains(what, "WRONGPASS"), strings.Contains(what, "invalid password"):
		what = "it refuses the user or password: put the right ones into the address (redis://user:password@…)"
	case strings.Contains(what, "NOAUTH"):
		what = "it wants a password: put it into the address (redis://:password@… or redis://user:password@…)"
	case strings.Contains(what, "NOPERM"):
		what = fmt.Sprintf("its access list forbids what the bus needs (%s): allow the user the channels and keys {%s:*, and the commands of @pubsub, @hash, @string, @set, @keyspace, @connection and @scripting", what, o.Name)
	case o.TLS != nil && badTLS(err):
		what = fmt.Sprintf("TLS fails (%s): write redis:// if it speaks none, or ?ca=FILE if its certificate is your own", what)
	case o.TLS == nil && (errors.Is(err, io.EOF) || strings.Contains(what, "EOF") || strings.Contains(what, "connection reset")):
		what = fmt.Sprintf("it ends the connection (%s): write rediss:// if it speaks TLS", what)
	case len(o.Hosts) > 1 && o.Sentinel == "" && strings.Contains(strings.ToUpper(what), "CLUSTER"):
		what = fmt.Sprintf("the address names several hosts, which means a Redis Cluster, and it is none (%s): name one host, or give ?sentinel=MASTER", what)
	case o.Sentinel != "":
		what = fmt.Sprintf("no Sentinel there knows a reachable master called %q (%s): look at the name and at the Sentinels", o.Sentinel, what)
	case o.TLS != nil && errors.Is(err, context.DeadlineExceeded):
		what = fmt.Sprintf("it does not answer (%s): start it, or write redis:// if it speaks no TLS", what)
	default:
		what = fmt.Sprintf("it can not be reached (%s): start it, or mend the address", what)
	}
	return &openError{fmt.Sprintf("Redis at %s: %s", o, what), err}
}

// openError is a sentence for the operator; for programs it is chat.ErrUnavailable, and what it stands for.
type openError struct {
	sentence string
	cause    error
}

func (e *openError) Error() string { return e.sentence }

func (e *openError) Unwrap() []error { return []error{chat.ErrUnavailable, e.cause} }

// refusal is a reason of ours, a sentence already.
type refusal struct{ what string }

func (r *refusal) Error() string { return r.what }

// suits checks the version and the role of every node, and that this user may publish.
func (r *Redis) suits(ctx context.Context) error {
	nodes := 0
	var last error
	for addr, node := range r.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Build()).ToString()
		if err != nil { // a node of a cluster may be away
			last = err
			continue
		}
		nodes++
		version := infoField(text, "redis_version")
		major, _, _ := strings.Cut(version, ".")
		if n, err := strconv.Atoi(major); err != nil || n < leastRedis {
			return &refusal{fmt.Sprintf("%s runs version %q, and the bus needs sharded Pub/Sub: use Redis %d or later", addr, version, leastRedis)}
		}
		if infoField(text, "role") == "slave" && r.client.Mode() != rueidis.ClientModeCluster {
			return &refusal{"this is a replica, and what is published on it reaches nobody else: give the address of its master, or of Sentinels with ?sentinel=MASTER"}
		}
	}
	if nodes == 0 {
		return last
	}
	return r.client.Do(ctx, r.client.B().Spublish().Channel(r.tag(0)+"ping").Message("").Build()).Error()
}

// infoField finds a field of the answer to INFO.
func infoField(text, name string) string {
	for line := range strings.Lines(strings.TrimPrefix(text, "txt:")) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// hears waits until a channel of every partition is subscribed: so every partition has its home, and this user may listen.
func (r *Redis) hears(ctx context.Context) error {
	for p := range max(1, r.opt.Partitions) {
		r.ears.want(r.tag(p)+"ping", p)
		defer r.ears.unwant(r.tag(p) + "ping")
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := r.ears.deaf()
		switch {
		case err == nil && r.ears.settled():
			return nil
		case errors.Is(err, errRefused) && !mayPass(err):
			return err
		case err == nil:
			err = errNotYet
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return err
		}
	}
}
