package auth

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Origins decides which pages may open a socket here: those of the same origin, and those of --origins. Requests without an Origin are
// not from a page and may.
type Origins struct {
	proxies Proxies
	any     bool
	listed  map[string]bool // scheme://host:port in lower case, or host:port for any scheme
	logger  *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // origins whose refusal was logged, bounded
}

// ParseOrigins reads --origins: origins or bare hosts in any natural spelling, separated by commas or spaces; * allows all.
func ParseOrigins(list string, proxies Proxies, logger *slog.Logger) (*Origins, error) {
	o := &Origins{proxies: proxies, listed: map[string]bool{}, logger: logger, said: map[string]time.Time{}}
	for _, part := range fields(list) {
		if part == "*" {
			o.any = true
			continue
		}
		key, err := originKey(part)
		if err != nil {
			return nil, fmt.Errorf("--origins: %q is not an origin such as https://chat.example", part)
		}
		o.listed[key] = true
	}
	return o, nil
}

// originKey brings an origin or a bare host into one form: scheme://host:port, or host for a bare one.
func originKey(text string) (string, error) {
	text = strings.ToLower(strings.TrimRight(text, "/"))
	if !strings.Contains(text, "://") {
		if strings.ContainsAny(text, "/?#@") || text == "" {
			return "", errOrigin
		}
		return text, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errOrigin
	}
	return u.Scheme + "://" + withPort(u.Scheme, u.Host), nil
}

var errOrigin = fmt.Errorf("not an origin")

// withPort adds the scheme's own port.
func withPort(scheme, host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	switch scheme {
	case "http", "ws":
		return net.JoinHostPort(strings.Trim(host, "[]"), "80")
	case "https", "wss":
		return net.JoinHostPort(strings.Trim(host, "[]"), "443")
	}
	return host
}

// Check gives nil, or a *chat.Error (forbidden) that names the flags; the refusal is logged once a minute for each origin.
func (o *Origins) Check(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || o.Allowed(r, origin) {
		return nil
	}
	if o.first(origin) {
		o.logger.Warn("a page's origin is not allowed: set --origins, or --trust-proxy if a proxy rewrites Host", "origin", origin, "host", r.Host)
	}
	return chat.Errorf(chat.CodeForbidden, "pages from %.200q may not connect here (--origins, --trust-proxy)", origin)
}

// Allowed says whether a page of this origin may open a socket here.
func (o *Origins) Allowed(r *http.Request, origin string) bool {
	if o.any {
		return true
	}
	key, err := originKey(origin)
	if err != nil || !strings.Contains(key, "://") {
		return false // "null" and the like
	}
	scheme, host, _ := strings.Cut(key, "://")
	bare, _, err := net.SplitHostPort(host)
	if o.listed[key] || o.listed[host] || err == nil && o.listed[bare] || o.listed[strings.ToLower(origin)] {
		return true
	}
	ours := func(s, h string) bool { return s == scheme && withPort(s, strings.ToLower(h)) == host }
	if ours(requestScheme(r), r.Host) {
		return true
	}
	if o.proxies.Trusts(r) {
		fhost, fproto := first(r.Header.Get("X-Forwarded-Host")), strings.ToLower(first(r.Header.Get("X-Forwarded-Proto")))
		if fhost == "" {
			fhost = r.Host
		}
		if fproto == "" {
			fproto = requestScheme(r)
		}
		return ours(fproto, fhost)
	}
	return false
}

func requestScheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func first(list string) string {
	head, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(head)
}

const saidMax = 1000

// first says whether this origin's refusal is to be logged now.
func (o *Origins) first(origin string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at, ok := o.said[origin]; ok && time.Since(at) < time.Minute || len(origin) > 300 {
		return false
	}
	if len(o.said) >= saidMax {
		clear(o.said)
	}
	o.said[origin] = time.Now()
	return true
}
