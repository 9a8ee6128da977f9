package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultName begins all channels and keys of a deployment that gives no ?name=.
const DefaultName = "hubbub"

const (
	redisPort    = 6379
	sentinelPort = 26379
	redisForm    = "redis://[user:password@]host:port[,host:port…][?name=NAME&sentinel=MASTER]"
)

// RedisOptions say which Redis, and how a node uses it. ParseRedis fills in all but Partitions, Queue and Logger.
type RedisOptions struct {
	Hosts            []string // host:port; several: a Redis Cluster, or Sentinels if Sentinel is set
	User             string   // empty: Redis' user "default"
	Password         string
	Name             string      // begins every channel and key; default DefaultName
	Sentinel         string      // the master's name if Hosts are Sentinels
	SentinelPassword string      // if the Sentinels want one
	TLS              *tls.Config // nil: plain TCP

	Partitions int          // of the log: decides in which partition a room or user lies; default 1
	Queue      Options      // bounds of one subscription
	Logger     *slog.Logger // default slog.Default
}

// String gives the address without its credentials.
func (o RedisOptions) String() string {
	scheme := "redis://"
	if o.TLS != nil {
		scheme = "rediss://"
	}
	s := scheme + strings.Join(o.Hosts, ",") + "?name=" + o.Name
	if o.Sentinel != "" {
		s += "&sentinel=" + o.Sentinel
	}
	return s
}

// namePattern keeps braces out of the name: they mark the hash tag.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ParseRedis reads redis://[user:password@]host[:port][,host[:port]…][?name=…&sentinel=…&sentinelPassword=…&ca=FILE], or rediss:// for
// TLS. An error is one sentence and never shows a password.
func ParseRedis(addr string) (RedisOptions, error) {
	o := RedisOptions{Name: DefaultName}
	scheme, rest, ok := strings.Cut(addr, "://")
	switch {
	case !ok && strings.HasPrefix(addr, "redis"):
		return o, errors.New("the address of Redis needs two slashes: " + redisForm)
	case !ok || scheme != "redis" && scheme != "rediss":
		return o, errors.New("the address of Redis does not begin with redis:// or rediss://: " + redisForm)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	path, query, _ := strings.Cut(tail, "?")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 && strings.Contains(path, "@") || strings.Contains(tail, "#") {
		return o, errors.New("the user or password in the address of Redis has a character that must be escaped: write %2F for /, %3F for ?, %23 for #")
	}
	if scheme == "rediss" {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if path != "" && path != "/" && path != "/0" {
		return o, fmt.Errorf("the address of Redis has the path %q: Pub/Sub knows no databases, so give ?name=NAME to share a Redis", path)
	}
	if at >= 0 {
		if err := o.credentials(authority[:at]); err != nil {
			return o, err
		}
	}
	if err := o.query(query); err != nil {
		return o, err
	}
	return o, o.hosts(authority[at+1:])
}

func (o *RedisOptions) credentials(text string) error {
	user, password, both := strings.Cut(text, ":")
	var err1, err2 error
	o.User, err1 = url.PathUnescape(user)
	o.Password, err2 = url.PathUnescape(password)
	switch {
	case err1 != nil || err2 != nil:
		return errors.New("the user or password in the address of Redis has a % that begins no escape: write %25 for %")
	case !both || o.Password == "":
		return errors.New("the address of Redis names a user without a password: write user:password@, or :password@ where there are no users")
	}
	return nil
}

func (o *RedisOptions) query(text string) error {
	q, err := url.ParseQuery(text)
	if err != nil {
		return errors.New("what follows the ? in the address of Redis is not key=value&key=value")
	}
	keys := make([]string, 0, len(q))
	for key := range q {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		value := q.Get(key)
		switch {
		case len(q[key]) > 1:
			return fmt.Errorf("the address of Redis gives %s twice", key)
		case value == "":
			return fmt.Errorf("the address of Redis gives %s no value", key)
		case (key == "name" || key == "sentinel") && !namePattern.MatchString(value):
			return fmt.Errorf("?%s=%s in the address of Redis: a name is 1 to 64 letters, digits, dots, dashes and underscores", key, value)
		case key == "name":
			o.Name = value
		case key == "sentinel":
			o.Sentinel = value
		case key == "sentinelPassword":
			o.SentinelPassword = value
		case key == "ca":
			if err := o.authority(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the address of Redis has the unknown setting %q: there are name, sentinel, sentinelPassword and ca", key)
		}
	}
	if o.SentinelPassword != "" && o.Sentinel == "" {
		return errors.New("the address of Redis gives sentinelPassword without sentinel=MASTER")
	}
	return nil
}

// authority trusts the certificates in a file, and no others.
func (o *RedisOptions) authority(file string) error {
	if o.TLS == nil {
		return errors.New("the address of Redis gives ca=FILE without TLS: write rediss://")
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the certificates for Redis (ca=): %w", err)
	}
	o.TLS.RootCAs = x509.NewCertPool()
	if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("the certificates for Redis (ca=): %s holds no certificate in PEM form", file)
	}
	return nil
}

func (o *RedisOptions) hosts(text string) error {
	port := redisPort
	if o.Sentinel != "" {
		port = sentinelPort
	}
	for _, h := range strings.Split(text, ",") {
		host, number, err := splitHost(h, port)
		if err != nil {
			return err
		}
		hostport := net.JoinHostPort(host, strconv.Itoa(number))
		if slices.Contains(o.Hosts, hostport) {
			return fmt.Errorf("the address of Redis names %s twice", hostport)
		}
		o.Hosts = append(o.Hosts, hostport)
	}
	return nil
}

// splitHost takes host, host:port, [v6] or [v6]:port apart.
func splitHost(text string, port int) (string, int, error) {
	host, number := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, number = text[:i], text[i+1:]
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("%q in the address of Redis is not host:port: %s", text, redisForm)
		}
		port = int(n)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if host, ok = strings.CutSuffix(inner, "]"); !ok || net.ParseIP(host) == nil {
			return "", 0, fmt.Errorf("%q in the address of Redis is not [address]:port", text)
		}
	} else if host == "" || strings.ContainsAny(host, ":[]{} \t\r\n\x00") {
		return "", 0, fmt.Errorf("%q in the address of Redis is not host:port: %s", text, redisForm)
	}
	return host, port, nil
}
