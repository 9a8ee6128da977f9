package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hubbub-chat/hubbub/internal/enginetest"
	"github.com/hubbub-chat/hubbub/internal/trial/roundrobin"
)

const nodes = 3

// deployment is a whole cluster on this machine: real engines that belong to it, three nodes, and the proxy in front of them.
type deployment struct {
	dir                 string
	kafka, redis, mongo *enginetest.Server
	nodes               []*server
	addr                string // of the proxy
	secret              string // of the nodes
	front               *http.Server
	proxy               *roundrobin.Proxy
}

const deploymentName = "trial"

func (d *deployment) logAddr() string   { return d.kafka.Addr() + "/" + deploymentName }
func (d *deployment) busAddr() string   { return d.redis.Addr() + "?name=" + deploymentName }
func (d *deployment) storeAddr() string { return d.mongo.Addr() + "/" + deploymentName }

// deploy starts everything; what has been started is ended if it fails, and by end. The proxy is on port, the nodes on the three behind
// it; port 0: any.
func deploy(ctx context.Context, o options, port int) (*deployment, error) {
	root, err := enginetest.Root()
	if err != nil {
		return nil, err
	}
	d := &deployment{}
	if err := os.MkdirAll(filepath.Join(root, ".cache", "cluster"), 0o755); err != nil {
		return nil, err
	}
	if d.dir, err = os.MkdirTemp(filepath.Join(root, ".cache", "cluster"), "run-"); err != nil {
		return nil, err
	}
	if err = errors.Join(d.startEngines(ctx), ctx.Err()); err == nil {
		err = d.startFront(port)
	}
	if err == nil {
		err = d.startNodes(ctx, o, port)
	}
	if err != nil {
		return nil, errors.Join(err, d.end())
	}
	return d, nil
}

func (d *deployment) startEngines(ctx context.Context) error {
	var all sync.WaitGroup
	var errs [3]error
	for i, e := range []struct {
		at    **enginetest.Server
		start func(context.Context, enginetest.Options) (*enginetest.Server, error)
		name  string
	}{{&d.kafka, enginetest.StartKafka, "kafka"}, {&d.redis, enginetest.StartRedis, "redis"}, {&d.mongo, enginetest.StartMongo, "mongo"}} {
		all.Go(func() { *e.at, errs[i] = e.start(ctx, enginetest.Options{Dir: filepath.Join(d.dir, e.name)}) })
	}
	all.Wait()
	return errors.Join(errs[:]...)
}

func (d *deployment) startNodes(ctx context.Context, o options, port int) error {
	d.secret = rand.Text() + rand.Text()
	var all sync.WaitGroup
	errs := make([]error, nodes)
	for i, n := range d.nodes {
		n.bin, n.verbose, n.data = o.bin, o.verbose, filepath.Join(d.dir, fmt.Sprint("node-", i+1))
		n.args = []string{"--advertise", n.addr, "--log", d.logAddr(), "--bus", d.busAddr(), "--store", d.storeAddr(), "--secret", d.secret,
			"--allow-single-broker", "--trust-proxy", "127.0.0.1"}
		all.Go(func() { errs[i] = n.start(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// startFront takes the proxy's port and chooses those of the nodes.
func (d *deployment) startFront(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("the proxy: %w", err)
	}
	d.addr = l.Addr().String()
	var addrs []string
	for i := range nodes {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1+i))
		if port == 0 {
			if addr, err = freeAddr(); err != nil {
				l.Close()
				return err
			}
		}
		addrs = append(addrs, addr)
		d.nodes = append(d.nodes, &server{addr: addr})
	}
	d.proxy = roundrobin.New(addrs)
	d.front = &http.Server{Handler: d.proxy, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = d.front.Serve(l) }()
	return nil
}

// end ends everything, nodes first, by SIGTERM and each by its own id, and removes what it had on disk.
func (d *deployment) end() error {
	var all sync.WaitGroup
	for _, n := range d.nodes {
		all.Go(func() {
			hard := time.AfterFunc(15*time.Second, func() { _ = n.signal(syscall.SIGKILL) })
			defer hard.Stop()
			n.kill(syscall.SIGTERM)
		})
	}
	all.Wait()
	var errs []error
	if d.front != nil {
		errs = append(errs, d.front.Close())
	}
	for _, e := range []*enginetest.Server{d.redis, d.kafka, d.mongo} {
		if e != nil {
			errs = append(errs, e.Stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// keepLogs writes what the nodes said to .cache/chaos, for whoever looks for the cause of a failure.
func (d *deployment) keepLogs(name string) error {
	dir := filepath.Join(filepath.Dir(filepath.Dir(d.dir)), "chaos")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for i, n := range d.nodes {
		lines, _ := n.linesSince(0)
		errs = append(errs, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-node-%d.log", name, i+1)), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	}
	return errors.Join(errs...)
}

// addrs gives the nodes' addresses.
func (d *deployment) addrs() []string {
	var out []string
	for _, n := range d.nodes {
		out = append(out, n.addr)
	}
	return out
}

// revive starts a node that has ended, again and again until it stays, as a service manager would; it tells how long that took.
func (d *deployment) revive(ctx context.Context, n *server) (time.Duration, error) {
	began := time.Now()
	for {
		err := n.start(ctx)
		if err == nil {
			return time.Since(began), nil
		}
		n.kill(syscall.SIGKILL)
		if ctx.Err() != nil || time.Since(began) > 3*time.Minute {
			return time.Since(began), err
		}
		pause(ctx, time.Second)
	}
}

// freeAddr finds an address below the ports of outgoing connections: a node that is killed must find it free again.
func freeAddr() (string, error) {
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(10000+mathrand.IntN(20000))))
		if err == nil {
			defer l.Close()
			return l.Addr().String(), nil
		}
	}
	return "", errors.New("no free port found on 127.0.0.1")
}
