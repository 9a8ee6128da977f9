package config_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/config"
)

func none(string) string { return "" }

func TestDefaults(t *testing.T) {
	c, err := config.Parse(nil, none, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:3001" || !c.Guests || c.Log.String() != "disk:hubbub-data/log" || c.Bus.String() != "memory:" || c.Store.String() != "sqlite:hubbub-data/history.db" {
		t.Errorf("%+v", c)
	}
}

func TestFlagOverEnvironment(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"HUBBUB_LISTEN": "127.0.0.1:1", "HUBBUB_GUESTS": "false", "HUBBUB_PAGE_SIZE": "7"}[name]
	}
	c, err := config.Parse([]string{"--listen", "127.0.0.1:2"}, env, nil)
	if err != nil || c.Listen != "127.0.0.1:2" || c.Guests || c.Limits.PageSize != 7 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"--listen 3001", "--listen"},
		{"--log kafka://x", "--bus redis"},
		{"--log kafka://x --bus redis://x", "--store mongodb"},
		{"--log kafka://x --bus redis://x --store mongodb://x", "--secret"},
		{"--bus redis://x", "--log kafka"},
		{"--log kafka:x", "no host"},
		{"--bus redis://", "no host"},
		{"--store mongodb:", "no host"},
		{"--store mysql:x", "no engine"},
		{"--log disk:", "directory"},
		{"--log plain", "no engine"},
		{"--tls-cert x", "--tls-key"},
		{"--sockets 0", "--sockets"},
		{"--text-bytes 1000000", "--text-bytes"},
		{"--page-size x", "page-size"},
		{"--page-size 1001", "--page-size"},
		{"--events-per-user NaN", "--events-per-user"},
		{"--events-per-socket +Inf", "--events-per-socket"},
		{"--nonsense", "nonsense"},
		{"--keep -1s", "--keep"},
		{"--ping-interval 1ms", "--ping-interval"},
		{"extra", "extra"},
	} {
		if _, err := config.Parse(strings.Fields(c.args), none, nil); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a sentence with %q", c.args, err, c.says)
		}
	}
	if _, err := config.Parse(nil, func(n string) string { return map[string]string{"HUBBUB_SOCKETS": "many"}[n] }, nil); err == nil || !strings.Contains(err.Error(), "HUBBUB_SOCKETS") {
		t.Errorf("a bad variable: %v", err)
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := config.Parse([]string{"-h"}, none, &out); !errors.Is(err, config.ErrHelp) {
		t.Fatal(err)
	}
	for _, name := range []string{"listen", "data", "log", "bus", "store", "auth-key", "guests", "secret", "advertise", "trust-proxy", "metrics-token",
		"origins", "tls-cert", "tls-key", "keep", "room-members", "sockets-per-address", "events-per-socket", "HUBBUB_METRICS_TOKEN"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("help does not name %s", name)
		}
	}
}

func TestACluster(t *testing.T) {
	c, err := config.Parse(strings.Fields("--log kafka://ann:pw1@a:1,b:2/chat?tls=true --bus rediss://:pw2@c:3?name=chat --store mongodb+srv://ann:p@w3@d/chat --secret 0123456789abcdef"), none, nil)
	if err != nil || !c.Shared() || c.Log.Full() != "kafka://ann:pw1@a:1,b:2/chat?tls=true" {
		t.Fatalf("%+v, %v", c, err)
	}
	said := c.Log.String() + " " + c.Bus.String() + " " + c.Store.String()
	if said != "kafka://…@a:1,b:2/chat?tls=true rediss://…@c:3?name=chat mongodb+srv://…@d/chat" {
		t.Errorf("said %q", said)
	}
	if c, err := config.Parse(strings.Fields("--store mongodb://d/chat"), none, nil); err != nil || c.Shared() {
		t.Errorf("a disk log with MongoDB is one node's: %v", err)
	}
}
