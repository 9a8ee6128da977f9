package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/store"
)

// TestParseMongo: what is taken, and how it is shown.
func TestParseMongo(t *testing.T) {
	for addr, want := range map[string]string{
		"mongodb://h":                                        "mongodb://h/hubbub",
		"mongodb://h:1/":                                     "mongodb://h:1/hubbub",
		"mongodb://a:1,b:2/chat?replicaSet=rs0":              "mongodb://a:1,b:2/chat",
		"mongodb://u:s3cret@h/chat?authSource=admin":         "mongodb://h/chat",
		"mongodb://u:s3%2Fcr%40et@h/chat_2-x":                "mongodb://h/chat_2-x",
		"mongodb+srv://u:s3cret@cluster.example.net/chat":    "mongodb+srv://cluster.example.net/chat",
		"mongodb+srv://cluster.example.net":                  "mongodb+srv://cluster.example.net/hubbub",
		"mongodb://[::1]:27017/x?w=1&journal=false&tls=true": "mongodb://[::1]:27017/x",
	} {
		o, err := store.ParseMongo(addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		for _, shown := range []string{o.String(), fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", o), fmt.Sprintf("%s", &o)} {
			if shown != want {
				t.Errorf("%s is shown as %s, want %s", addr, shown, want)
			}
		}
	}
}

// TestParseMongoRefusals: one sentence, without the password.
func TestParseMongoRefusals(t *testing.T) {
	for addr, want := range map[string]string{
		"":                                     "write mongodb://host:port/database",
		"redis://h":                            "write mongodb://host:port/database",
		"mongodb:h":                            "write mongodb://host:port/database",
		"mongodb://":                           "names no host",
		"mongodb://u:s3cret@/x":                "names no host",
		"mongodb://u:s3cret@h/admin":           `"admin" can not be a database`,
		"mongodb://u:s3cret@h/a.b":             `"a.b" can not be a database`,
		"mongodb://u:s3cret@h/a/b":             `"a/b" can not be a database`,
		"mongodb://u:s3cret@h/%zz":             "can not be a database",
		"mongodb://u:s3cret@h/" + long(39):     "can not be a database",
		"mongodb://u:s3cret/s3cret@h/x":        "as %2F %3F %40 %3A %25",
		"mongodb://u:s3cret?s3cret@h/x":        "as %2F %3F %40 %3A %25",
		"mongodb://u:s3cret@s3cret@h/x":        "--store",
		"mongodb://u:%s3cret@h/x":              "not escaped",
		"mongodb://u:s3cret@h:port/x":          "port",
		"mongodb://u:s3cret@h:99999/x":         "port",
		"mongodb://u:s3cret@h/x?tls=perhaps":   "tls",
		"mongodb://u:s3cret@h/x?w=-1":          "--store",
		"mongodb+srv://u:s3cret@h.example:1/x": "without a port",
		"mongodb+srv://u:s3cret@a.b.c,d.e.f/x": "without a port",
	} {
		o, err := store.ParseMongo(addr)
		if err == nil {
			t.Errorf("%s: taken as %v", addr, o)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "s3cret") || strings.Contains(text, "\n") {
			t.Errorf("%s: got %q, want %q", addr, text, want)
		}
	}
}

func long(n int) string { return strings.Repeat("d", n) }

// FuzzParseMongo: never a panic, never the password in what is shown, and what is shown is read back as the same place.
func FuzzParseMongo(f *testing.F) {
	for _, s := range []string{"mongodb://h", "mongodb://u:p@h:1,i/db?x=y", "mongodb+srv://u:p@a.b.c/d", "mongodb://u:%@h", "mongodb://@", "mongodb://u:p/q@h/d?e@f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		const secret = "s3cr3tpassword"
		if _, rest, ok := strings.Cut(addr, "://u:p@"); ok {
			addr = "mongodb://u:" + secret + "@" + rest
		}
		o, err := store.ParseMongo(addr)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("%q: %v", addr, err)
			}
			return
		}
		again, err := store.ParseMongo(o.String())
		if err != nil || again.Database != o.Database || again.Hosts != o.Hosts || strings.Contains(o.String(), secret) {
			t.Fatalf("%q is shown as %s, which is read as %s (%v)", addr, o, again, err)
		}
	})
}
