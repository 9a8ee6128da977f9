package auth

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the peers whose forwarded headers are believed.
type Proxies []netip.Prefix

// ParseProxies reads --trust-proxy: addresses or CIDRs, separated by commas or spaces.
func ParseProxies(list string) (Proxies, error) {
	var out Proxies
	for _, part := range fields(list) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, err2 := netip.ParseAddr(part)
			if err2 != nil {
				return nil, fmt.Errorf("--trust-proxy: %q is neither an address nor a CIDR", part)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// Trusts says whether the peer of r is a proxy that is believed.
func (p Proxies) Trusts(r *http.Request) bool {
	addr, ok := peer(r.RemoteAddr)
	return ok && p.has(addr)
}

func (p Proxies) has(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// Client gives the address that limits count: the peer's, or, behind proxies that are believed, the last forwarded one that is not
// itself such a proxy.
func (p Proxies) Client(r *http.Request) netip.Addr {
	addr, ok := peer(r.RemoteAddr)
	if !ok || !p.has(addr) {
		return addr
	}
	hops := fields(strings.Join(r.Header.Values("X-Forwarded-For"), ","))
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := peer(hops[i])
		if !ok {
			return addr
		}
		if addr = hop; !p.has(addr) {
			return addr
		}
	}
	return addr
}

// Loopback says whether r came from this machine itself: a forwarded request never does.
func (p Proxies) Loopback(r *http.Request) bool {
	addr, ok := peer(r.RemoteAddr)
	for _, h := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via", HopHeader} {
		if r.Header.Get(h) != "" {
			return false
		}
	}
	return ok && addr.IsLoopback()
}

func peer(hostport string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
