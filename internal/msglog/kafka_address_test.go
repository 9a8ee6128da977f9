package msglog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog"
)

func TestKafkaAddressForms(t *testing.T) {
	for addr, want := range map[string]struct {
		seeds                     []string
		user, password, mechanism string
		name                      string
		secure                    bool
		partitions, replication   int
	}{
		"kafka://a:1":                         {seeds: []string{"a:1"}, name: "hubbub"},
		"kafka://a":                           {seeds: []string{"a:9092"}, name: "hubbub"},
		"kafka://a:1/":                        {seeds: []string{"a:1"}, name: "hubbub"},
		"kafka://a:1,b:2,c/x.y-z_1":           {seeds: []string{"a:1", "b:2", "c:9092"}, name: "x.y-z_1"},
		"kafka://[::1]:7/n":                   {seeds: []string{"[::1]:7"}, name: "n"},
		"kafka://a:1?tls=true":                {seeds: []string{"a:1"}, name: "hubbub", secure: true},
		"kafka://a:1?tls=false":               {seeds: []string{"a:1"}, name: "hubbub"},
		"kafka://a:1/n?partitions=8":          {seeds: []string{"a:1"}, name: "n", partitions: 8},
		"kafka://a:1?replication=2":           {seeds: []string{"a:1"}, name: "hubbub", replication: 2},
		"kafka://u:p@a:1":                     {seeds: []string{"a:1"}, name: "hubbub", user: "u", password: "p", mechanism: "plain"},
		"kafka://u:p@a:1?sasl=scram-sha-256":  {seeds: []string{"a:1"}, name: "hubbub", user: "u", password: "p", mechanism: "scram-sha-256"},
		"kafka://u%40x:p%2F%3A%3F@a:1/n":      {seeds: []string{"a:1"}, name: "n", user: "u@x", password: "p/:?", mechanism: "plain"},
		"kafka://u:p@q:r@a:1":                 {seeds: []string{"a:1"}, name: "hubbub", user: "u", password: "p@q:r", mechanism: "plain"},
		"kafka://u:p/q@a:1/n":                 {seeds: []string{"a:1"}, name: "n", user: "u", password: "p/q", mechanism: "plain"},
		"kafka://u:p@a:1?sasl=scram-sha-512&": {seeds: []string{"a:1"}, name: "hubbub", user: "u", password: "p", mechanism: "scram-sha-512"},
	} {
		o, err := msglog.ParseKafka(addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if !slices.Equal(o.Seeds, want.seeds) || o.User != want.user || o.Password != want.password || o.Mechanism != want.mechanism ||
			o.Name != want.name || (o.TLS != nil) != want.secure || o.Partitions != want.partitions || o.Replication != want.replication {
			t.Errorf("%s: %+v", addr, o)
		}
	}
}

// Every address here has the password s3cret where it has one.
var badKafkaAddresses = map[string]string{
	"":                                      "must be like",
	"a:1":                                   "must be like",
	"redis://u:s3cret@a:1":                  "must be like",
	"kafka://":                              "host:port",
	"kafka://,":                             "host:port",
	"kafka://a:1,":                          "host:port",
	"kafka://:1":                            "host:port",
	"kafka://a:0":                           "host:port",
	"kafka://a:65536":                       "host:port",
	"kafka://a:x":                           "host:port",
	"kafka://::1":                           "host:port",
	"kafka://a b:1":                         "host:port",
	"kafka://a:1/x/y":                       "name",
	"kafka://a:1/-x":                        "name",
	"kafka://a:1/ä":                         "name",
	"kafka://u:s3cret%@a:1":                 "user:password",
	"kafka://:s3cret@a:1":                   "user:password",
	"kafka://@a:1":                          "user:password",
	"kafka://u@a:1":                         "a password",
	"kafka://u:@a:1":                        "a password",
	"kafka://u:s3cret@a:x":                  "host:port",
	"kafka://u:s3cret@":                     "host:port",
	"kafka://u:s3cret@a:1/x/y":              "name",
	"kafka://u:s3cret@a:1?x=1":              "no setting",
	"kafka://u:s3cret@a:1?tls=perhaps":      "tls",
	"kafka://u:s3cret@a:1?sasl=gssapi":      "sasl",
	"kafka://u:s3cret@a:1?sasl=":            "sasl",
	"kafka://u:s3cret@a:1?%zz":              "name=value",
	"kafka://u:s3cret?x@a:1":                "%XX",
	"kafka://u:s3cret#x@":                   "host:port",
	"kafka://u:s3cret":                      "host:port",
	"kafka://a:1?sasl=plain":                "needs user:password",
	"kafka://a:1?partitions=0":              "partitions",
	"kafka://a:1?partitions=x":              "partitions",
	"kafka://a:1?partitions=9999999":        "partitions",
	"kafka://a:1?replication=-1":            "replication",
	"kafka://a:1?ca=x":                      "tls=true",
	"kafka://a:1?tls=true&ca=/none":         "ca=",
	"kafka://a:1?partitions=8&partitions=9": "twice",
}

func TestKafkaAddressErrorsAreOneSentenceWithoutThePassword(t *testing.T) {
	for addr, want := range badKafkaAddresses {
		_, err := msglog.ParseKafka(addr)
		switch {
		case err == nil:
			t.Errorf("%s is taken", addr)
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error shows the password: %v", addr, err)
		case !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %v, want one sentence with %q", addr, err, want)
		}
	}
}

func FuzzKafkaAddress(f *testing.F) {
	for addr := range badKafkaAddresses {
		f.Add(addr)
	}
	f.Add("kafka://u:p@a:1,b:2/name?tls=true&sasl=plain&partitions=4&replication=3")
	f.Fuzz(func(t *testing.T, addr string) {
		if strings.Contains(addr, "ca=") || strings.Contains(addr, "%") {
			return // no reading of files that a fuzzer thinks of
		}
		o, err := msglog.ParseKafka(addr)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: more than one line: %q", addr, err)
			}
			return
		}
		if len(o.Seeds) == 0 || o.Name == "" || o.Mechanism != "" && o.User == "" {
			t.Errorf("%q: %+v", addr, o)
		}
		again, err := msglog.ParseKafka(o.String())
		if err != nil || !slices.Equal(again.Seeds, o.Seeds) || again.Name != o.Name {
			t.Errorf("%q is shown as %q: %v", addr, o, err)
		}
	})
}
