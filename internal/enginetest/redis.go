package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// StartRedis starts a Redis of its own, without persistence: "same data" after a Restart is none, as with a Redis that crashed.
// The context bounds the start only.
func StartRedis(ctx context.Context, o Options) (*Server, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, missing("Redis", "redis-server")
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, temp, err := folder("redis", o.Dir)
	if err != nil {
		return nil, err
	}
	args := append([]string{program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no"}, o.Args...)
	s := &Server{addr: "redis://" + loopback(port), dir: dir, temp: temp}
	s.make = func() spec {
		return spec{name: "Redis", args: args, log: filepath.Join(dir, "redis.log"), detached: o.Detached,
			death: syscall.SIGKILL, stop: syscall.SIGTERM}
	}
	s.ready = func(ctx context.Context, _ *process) error {
		_, err := redisCommand(ctx, loopback(port), "PING")
		if err != nil && strings.Contains(err.Error(), "NOAUTH") {
			err = nil // it asks for a password, so it is there
		}
		return err
	}
	return begin(ctx, s)
}

// redisCommand sends one inline command and returns the answer: a line, or a bulk string. See the Redis protocol, RESP 2.
func redisCommand(ctx context.Context, addr, command string) (string, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("redis: %w", err)
	}
	line = strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "-"):
		return "", fmt.Errorf("redis: %s: %s", command, line[1:])
	case strings.HasPrefix(line, "$"):
		n, err := strconv.Atoi(line[1:])
		if err != nil || n < 0 || n > 1<<20 {
			return "", fmt.Errorf("redis: %s: bad answer %q", command, line)
		}
		b := make([]byte, n)
		for at := 0; at < n; {
			m, err := r.Read(b[at:])
			if err != nil {
				return "", fmt.Errorf("redis: %w", err)
			}
			at += m
		}
		return string(b), nil
	case strings.HasPrefix(line, "+"), strings.HasPrefix(line, ":"):
		return line[1:], nil
	}
	return "", fmt.Errorf("redis: %s: bad answer %q", command, line)
}

// dial connects for one question; the answer must come within two seconds.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		c.Close()
		return nil, fmt.Errorf("ask: %w", err)
	}
	return c, nil
}
