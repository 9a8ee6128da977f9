package enginetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
)

// freePort finds a port that nothing listens on, below the range that the system gives to outgoing connections: an engine that
// is down for a while must find its port free again, and a client that calls it meanwhile must not meet itself.
func freePort() (int, error) {
	low, high := 10000, ephemeral()
	for range 200 {
		port := 0
		if high-low > 1000 {
			port = low + rand.IntN(high-low)
		}
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		port = l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("free port: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("no free port found on 127.0.0.1")
}

// ephemeral is where the ports of outgoing connections begin.
func ephemeral() int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		if f := strings.Fields(string(b)); len(f) == 2 {
			if low, err := strconv.Atoi(f[0]); err == nil {
				return low
			}
		}
	}
	return 32768
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
