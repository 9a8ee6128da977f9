package bus_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/bus"
)

func TestParseRedis(t *testing.T) {
	for _, c := range []struct {
		addr                           string
		hosts                          string
		user, password, name, sentinel string
		tls                            bool
	}{
		{addr: "redis://localhost", hosts: "localhost:6379", name: "hubbub"},
		{addr: "redis://h:7000/", hosts: "h:7000", name: "hubbub"},
		{addr: "redis://h/0?name=chat-2.test", hosts: "h:6379", name: "chat-2.test"},
		{addr: "redis://:secret@h", hosts: "h:6379", password: "secret", name: "hubbub"},
		{addr: "redis://ann:s:e@cret%2F%3f%25@h", hosts: "h:6379", user: "ann", password: "s:e@cret/?%", name: "hubbub"},
		{addr: "rediss://h1:1,h2,h3:3?name=x", hosts: "h1:1 h2:6379 h3:3", name: "x", tls: true},
		{addr: "redis://s1,s2:5?sentinel=mymaster", hosts: "s1:26379 s2:5", name: "hubbub", sentinel: "mymaster"},
		{addr: "redis://[::1]:7,[fe80::1]", hosts: "[::1]:7 [fe80::1]:6379", name: "hubbub"},
	} {
		o, err := bus.ParseRedis(c.addr)
		if err != nil {
			t.Errorf("%s: %v", c.addr, err)
			continue
		}
		if strings.Join(o.Hosts, " ") != c.hosts || o.User != c.user || o.Password != c.password || o.Name != c.name ||
			o.Sentinel != c.sentinel || (o.TLS != nil) != c.tls {
			t.Errorf("%s: %+v", c.addr, o)
		}
		again, err := bus.ParseRedis(o.String())
		if err != nil || !slices.Equal(again.Hosts, o.Hosts) || again.Name != o.Name || again.Sentinel != o.Sentinel {
			t.Errorf("%s prints as %s, which reads as %+v, %v", c.addr, o, again, err)
		}
	}
}

func TestParseRedisRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	for addr, want := range map[string]string{
		"":                                  "begin with redis://",
		"localhost:6379":                    "begin with redis://",
		"redis:localhost":                   "two slashes",
		"redis:":                            "two slashes",
		"http://h":                          "begin with redis://",
		"redis://":                          "not host:port",
		"redis://h1,,h2":                    "not host:port",
		"redis://h:0":                       "not host:port",
		"redis://h:port":                    "not host:port",
		"redis://h:70000":                   "not host:port",
		"redis://::1":                       "not host:port",
		"redis://[::1":                      "not [address]:port",
		"redis://h,h:6379":                  "twice",
		"redis://h/3":                       "?name=NAME",
		"redis://h/hubbub":                  "?name=NAME",
		"redis://ann@h":                     "without a password",
		"redis://ann:se%zzcret@h":           "%25",
		"redis://ann:sec/ret@h":             "%2F",
		"redis://ann:sec#ret@h":             "%23",
		"redis://h?db=3":                    "unknown setting",
		"redis://h?name=":                   "no value",
		"redis://h?name=a&name=b":           "twice",
		"redis://h?name={x}":                "a name is",
		"redis://h?sentinel=a%26b":          "a name is",
		"redis://h?sentinelPassword=secret": "without sentinel",
		"redis://h?ca=" + empty:             "write rediss://",
		"rediss://h?ca=" + empty:            "PEM",
		"rediss://h?ca=/nowhere":            "no such file",
		"redis://h?a;b=%zz":                 "key=value",
	} {
		_, err := bus.ParseRedis(addr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something with %q", addr, err, want)
			continue
		}
		if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(s, "se%") || strings.Contains(s, "ret@") || strings.Contains(s, "\n") {
			t.Errorf("%q: the error tells the password, or is no single line: %v", addr, err)
		}
	}
}

func FuzzParseRedis(f *testing.F) {
	for _, s := range []string{"redis://h", "rediss://u:p@h1:1,h2:2?name=x", "redis://[::1]:5?sentinel=m", "redis://a:b/c@h", "redis://%:%@", "redis:h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		if strings.Contains(addr, "ca=") {
			return // would read a file
		}
		o, err := bus.ParseRedis(addr)
		if err != nil {
			return
		}
		again, err := bus.ParseRedis(o.String())
		if err != nil || !slices.Equal(o.Hosts, again.Hosts) || o.Name != again.Name {
			t.Errorf("%q prints as %q, which reads as %+v, %v", addr, o, again, err)
		}
		if len(o.Hosts) == 0 || o.Name == "" || strings.ContainsAny(o.Name, "{}") {
			t.Errorf("%q: %+v", addr, o)
		}
	})
}
