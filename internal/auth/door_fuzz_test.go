package auth

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// FuzzForwarded: whatever a client says in X-Forwarded-For, an untrusted peer counts as himself; behind a trusted one the address is one of
// those that were forwarded, or the peer's; and no forwarded request is from this machine.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "203.0.113.1", "6.6.6.6, 203.0.113.1", ",,,", "[::1]:80", "unknown", "10.0.0.1,10.0.0.2", "::ffff:1.2.3.4", "fe80::1%eth0"} {
		f.Add("10.0.0.1:1", s)
		f.Add("192.0.2.1:1", s)
	}
	f.Add("@", "1.1.1.1")
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		got := trusted.Client(r)
		own, ok := peer(remote)
		if ok && !trusted.has(own) && got != own {
			t.Fatalf("%s, not trusted, counts as %s", own, got)
		}
		if got.IsValid() && got != own {
			found := false
			for _, hop := range fields(forwarded) {
				addr, ok := peer(hop)
				found = found || ok && addr == got
			}
			if !found {
				t.Fatalf("%s behind %q counts as %s", remote, forwarded, got)
			}
		}
		if forwarded != "" && trusted.Loopback(r) {
			t.Fatalf("%q is taken for this machine", forwarded)
		}
	})
}

// FuzzProxies: a list is addresses and CIDRs, or refused.
func FuzzProxies(f *testing.F) {
	for _, s := range []string{"", "127.0.0.1", "10.0.0.0/8, ::1/128", "10.0.0.0/40", "all", "1.2.3.4/", "::ffff:10.0.0.0/104", "0.0.0.0/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		ps, err := ParseProxies(list)
		if err != nil {
			return
		}
		for _, p := range ps {
			if !p.IsValid() || p != p.Masked() {
				t.Fatalf("%q gives %v", list, p)
			}
		}
	})
}

// FuzzOrigins: without a list a page may connect only if its host is the request's; whatever it and the operator write, nothing panics.
func FuzzOrigins(f *testing.F) {
	for _, s := range []string{"https://chat.example", "http://chat.example:80", "null", "file://", "https://chat.example.evil", "http://user@chat.example", "HTTP://CHAT.example/",
		"capacitor://localhost", "//chat.example", "http://[::1]", "http://chat.example%00"} {
		f.Add("", "chat.example", s)
		f.Add(s, "chat.example:443", s)
	}
	f.Add("*", "h", "x")
	logger := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, list, host, origin string) {
		if _, err := ParseOrigins(list, nil, logger); err != nil && strings.Contains(err.Error(), "\n") && !strings.Contains(list, "\n") {
			t.Fatalf("%q: %v", list, err)
		}
		own, err := ParseOrigins("", nil, logger)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Host: host, Header: http.Header{}, URL: &url.URL{}}
		if !own.Allowed(r, origin) {
			return
		}
		u, err := url.Parse(strings.ToLower(origin))
		if err != nil || u.Scheme != "http" || withPort("http", u.Host) != withPort("http", strings.ToLower(host)) {
			t.Fatalf("a page of %q may connect to %q", origin, host)
		}
	})
}

// FuzzNodeAddress: what is taken can be written down and read again, and names one place.
func FuzzNodeAddress(f *testing.F) {
	for _, s := range []string{"a:1", "https://a", "http://A:80/", "[::1]:3001", "0.0.0.0:1", "a:0", "a:99999", "a:01", "http://u@a", "fe80::1%1:5", "https://[2001:DB8::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseNodeAddress(text)
		if err != nil || a.Host == "" {
			return
		}
		again, err := ParseNodeAddress(a.String())
		if err != nil || again != a {
			t.Fatalf("%q is %+v, then %+v, %v", text, a, again, err)
		}
		if strings.ContainsAny(a.Host, " /@?#\r\n") || len(a.Host) > maxNodeHost {
			t.Fatalf("%q is %q", text, a.Host)
		}
	})
}
