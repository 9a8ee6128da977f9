package bus_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/enginetest"
)

// impostor answers every command of a client with what answer gives for it, or ends the connection at "".
func impostor(t *testing.T, answer func(command string) string) (hostport string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					command, err := readCommand(r)
					if err != nil {
						return
					}
					reply := answer(command)
					if reply == "" {
						return
					}
					fmt.Fprint(c, reply)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// readCommand reads one command of the Redis protocol, and gives its words.
func readCommand(r *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return "", err
	}
	var words []string
	for range n {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		for at := 0; at < len(word); {
			m, err := r.Read(word[at:])
			if err != nil {
				return "", err
			}
			at += m
		}
		words = append(words, string(word[:size]))
	}
	return strings.ToUpper(strings.Join(words, " ")), nil
}

// oldRedis is a Redis 6.
func oldRedis(command string) string {
	switch {
	case strings.HasPrefix(command, "HELLO"):
		return "%2\r\n$7\r\nversion\r\n$5\r\n6.2.7\r\n$5\r\nproto\r\n:3\r\n"
	case strings.HasPrefix(command, "CLUSTER"):
		return "-ERR This instance has cluster support disabled\r\n"
	case strings.HasPrefix(command, "INFO"):
		return "$21\r\nredis_version:6.2.7\r\n\r\n"
	case command == "PING":
		return "+PONG\r\n"
	}
	return "-ERR unknown command\r\n"
}

// user gives the arguments of a server that knows a user by that rule, before more.
func user(rule string, more ...string) []string {
	return append(append([]string{"--user"}, strings.Fields(rule)...), more...)
}

func TestOpenRedisRefuses(t *testing.T) {
	t.Parallel()
	locked := enginetest.NewRedis(t, user("weak on >secret ~* &* +@all -spublish", user("mute on >secret ~* resetchannels +@all",
		"--requirepass", "right secret")...)...)
	plain := enginetest.Redis(t)
	rest := func(addr string) string { return strings.TrimPrefix(addr, "redis://") }
	other := enginetest.NewRedis(t)
	replica := enginetest.NewRedis(t, "--replicaof", "127.0.0.1", "1")
	silent := enginetest.NewRedis(t)
	must(t, silent.Pause())
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, gone.Close())
	for name, c := range map[string]struct{ addr, want string }{
		"no password":        {locked.Addr(), "wants a password"},
		"wrong password":     {"redis://:wrong%20secret@" + rest(locked.Addr()), "refuses the user or password"},
		"wrong user":         {"redis://nobody:wrong%20secret@" + rest(locked.Addr()), "refuses the user or password"},
		"may not publish":    {"redis://weak:secret@" + rest(locked.Addr()), "access list"},
		"may not listen":     {"redis://mute:secret@" + rest(locked.Addr()), "access list"},
		"TLS to a plain one": {"rediss://" + rest(plain), "write redis://"},
		"nobody there":       {"redis://" + gone.Addr().String(), "can not be reached"},
		"no such host":       {"redis://no-such-host.invalid", "can not be reached"},
		"no cluster":         {plain + "," + rest(other.Addr()), "name one host"},
		"no sentinel":        {plain + "?sentinel=mymaster", "no Sentinel there"},
		"a replica":          {replica.Addr(), "address of its master"},
		"silent":             {silent.Addr(), "can not be reached"},
		"too old":            {"redis://" + impostor(t, oldRedis), "Redis 7 or later"},
		"ends connections":   {"redis://" + impostor(t, func(string) string { return "" }), "rediss://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := bus.ParseRedis(c.addr)
			must(t, err)
			start := time.Now()
			b, err := bus.OpenRedis(t.Context(), o)
			if err == nil {
				b.Close()
				t.Fatal("it was opened")
			}
			if took := time.Since(start); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			if s := err.Error(); !strings.Contains(s, c.want) || strings.Contains(s, "secret") || strings.Contains(s, "\n") ||
				!strings.Contains(s, o.Hosts[0]) || !errors.Is(err, chat.ErrUnavailable) ||
				strings.Contains(s, chat.ErrUnavailable.Message) {
				t.Errorf("it says: %v; want %q", err, c.want)
			}
		})
	}
}

func TestOpenRedisWithPassword(t *testing.T) {
	t.Parallel()
	server := enginetest.NewRedis(t, user("ann on >secret ~{x* &{x* -@all +@pubsub +@connection +@read +@write +@scripting +info",
		"--requirepass", "a/b c")...)
	rest := strings.TrimPrefix(server.Addr(), "redis://")
	openRedis(t, "redis://:a%2Fb%20c@"+rest, "")
	b := openRedis(t, "redis://ann:secret@"+rest, "?name=x")
	allHear(t, b, counters(b, 10))
}

// TestOpenRedisWaitsForOneThatStarts: a node and its Redis may be started at the same moment.
func TestOpenRedisWaitsForOneThatStarts(t *testing.T) {
	t.Parallel()
	server := enginetest.NewRedis(t)
	must(t, server.Kill())
	back := make(chan error, 1)
	go func() { back <- server.Restart() }()
	openRedis(t, server.Addr(), "")
	must(t, <-back)
}

func TestRedisCheck(t *testing.T) {
	master := enginetest.NewRedis(t)
	b := openRedis(t, master.Addr(), "")
	if fs := b.Check(t.Context()); len(fs) != 0 {
		t.Errorf("a healthy one: %+v", fs)
	}
	set := func(args ...string) {
		t.Helper()
		must(t, b.Client().Do(t.Context(), b.Client().B().Arbitrary("CONFIG", "SET").Args(args...).Build()).Error())
	}
	has := func(want string) {
		t.Helper()
		fs := b.Check(t.Context())
		if len(fs) != 1 || !strings.Contains(fs[0].What, want) || fs[0].Mend == "" || !strings.Contains(master.Addr(), fs[0].Node) {
			t.Errorf("found %+v, want %q", fs, want)
		}
	}
	set("maxmemory", "100mb", "maxmemory-policy", "volatile-lru")
	has("maxmemory-policy is volatile-lru")
	set("maxmemory", "0")
	set("client-output-buffer-limit", "pubsub 1mb 0 0")
	has("client-output-buffer-limit pubsub is 1048576")
	set("client-output-buffer-limit", "pubsub 0 1mb 10")
	has("a burst")

	var said bytes.Buffer
	openRedis(t, master.Addr(), "", func(o *bus.RedisOptions) { o.Logger = slog.New(slog.NewTextHandler(&said, nil)) }).Close()
	if s := said.String(); !strings.Contains(s, "level=WARN") || !strings.Contains(s, "client-output-buffer-limit") {
		t.Errorf("the log at the start: %s", s)
	}
	set("client-output-buffer-limit", "pubsub 0 0 0")
	must(t, b.Client().Do(t.Context(), b.Client().B().Replicaof().Host("127.0.0.1").Port(1).Build()).Error())
	has("replica")
}
