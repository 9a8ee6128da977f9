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
		{"--log kafka://x", "one node"},
		{"--bus redis://x", "one node"},
		{"--store mongodb://x", "one node"},
		{"--store mysql:x", "no engine"},
		{"--log disk:", "directory"},
		{"--log plain", "no engine"},
		{"--tls-cert x", "--tls-key"},
		{"--sockets 0", "--sockets"},
		{"--text-bytes 1000000", "--text-bytes"},
		{"--page-size x", "page-size"},
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
