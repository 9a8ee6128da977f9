package config_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/config"
)

// FuzzParse: whatever stands on the command line, it is settings that hang together, or an error.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "--listen :1", "--log kafka://a:1/x --bus redis://b --store mongodb://c --secret 0123456789abcdef", "--sockets=0", "--keep -1s",
		"--events-per-user NaN", "-h", "--guests=false --", "--store sqlite:", "--log disk:", "--drain 1h --ping-interval 0", "--page-size 99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := config.Parse(strings.Fields(line), func(string) string { return "" }, io.Discard)
		if err != nil {
			if !errors.Is(err, config.ErrHelp) && strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("%v", err)
			}
			return
		}
		l := c.Limits
		if c.Log.Rest == "" || c.Store.Rest == "" || l.Sockets < 1 || l.PageSize < 1 || l.PageSize > 1000 || !(l.EventsPerSocket >= 1) || !(l.EventsPerUser >= 1) ||
			c.Keep < 0 || c.Drain < 0 || c.PingInterval <= 0 || (c.TLSCert == "") != (c.TLSKey == "") {
			t.Fatalf("%q: %+v", line, c)
		}
	})
}

// FuzzAddressString: what is logged of an address does not hold its password.
func FuzzAddressString(f *testing.F) {
	const password = "hunter2hunter2"
	for _, s := range []string{"a:1/x", "a:1,b:2?x=y", "", "/", "@host", "a@b:1"} {
		f.Add("ann", s)
	}
	f.Fuzz(func(t *testing.T, user, rest string) {
		if strings.Contains(user, password) || strings.Contains(rest, password) || strings.ContainsAny(user, "/?@") || strings.Contains(rest, "@") {
			return // the password ends at the last @ before the path
		}
		a, err := config.ParseLog("--log", "kafka://"+user+":"+password+"@"+rest)
		if err == nil && strings.Contains(a.String(), password) {
			t.Fatalf("%s", a)
		}
	})
}
