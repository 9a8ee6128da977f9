package auth

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxNodeHost bounds host:port of a node's address, in bytes: it travels in every session id.
const maxNodeHost = 255

// NodeAddress is where the other nodes of a deployment reach one of them. The zero value: nowhere.
type NodeAddress struct {
	TLS  bool
	Host string // host:port, an IPv6 address in brackets, in lower case
}

// ParseNodeAddress reads --advertise: host:port, or http(s)://host[:port]. Empty gives the zero value. An address that no other machine
// could use (no host, 0.0.0.0, port 0) is an error.
func ParseNodeAddress(text string) (NodeAddress, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return NodeAddress{}, nil
	}
	a, err := parseNodeAddress(text)
	if err != nil {
		return NodeAddress{}, fmt.Errorf("--advertise %q: %w; write host:port, or https://host:port", text, err)
	}
	return a, nil
}

func parseNodeAddress(text string) (NodeAddress, error) {
	a := NodeAddress{Host: text}
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return a, errors.New("is not an address")
		case u.Scheme != "http" && u.Scheme != "https":
			return a, fmt.Errorf("%q is not http or https", u.Scheme)
		case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
			return a, errors.New("has more than a host and a port")
		}
		a = NodeAddress{TLS: u.Scheme == "https", Host: withPort(u.Scheme, u.Host)}
	}
	return a.checked()
}

// checked gives the address in its one spelling, or says what is wrong with it.
func (a NodeAddress) checked() (NodeAddress, error) {
	host, port, err := net.SplitHostPort(a.Host)
	if err != nil {
		return a, errors.New("is not host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return a, fmt.Errorf("%q is not a port", port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		switch {
		case addr.IsUnspecified():
			return a, errors.New("is every address and therefore none")
		case addr.Zone() != "":
			return a, errors.New("has a zone, which means something on one machine only")
		}
		host = addr.String()
	} else if err := plainHost(host); err != nil {
		return a, err
	}
	a.Host = net.JoinHostPort(strings.ToLower(host), port)
	if len(a.Host) > maxNodeHost {
		return a, fmt.Errorf("is longer than %d bytes", maxNodeHost)
	}
	return a, nil
}

// plainHost refuses what is no host name.
func plainHost(host string) error {
	if host == "" {
		return errors.New("has no host")
	}
	for _, c := range []byte(host) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return fmt.Errorf("%q is not a host name", host)
		}
	}
	return nil
}

// String gives the address as a URL without a path; empty for the zero value.
func (a NodeAddress) String() string {
	switch {
	case a.Host == "":
		return ""
	case a.TLS:
		return "https://" + a.Host
	}
	return "http://" + a.Host
}
