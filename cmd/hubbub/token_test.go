package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// A token of `hubbub token` is one the server beside it takes: its user, no guest.
func TestAMintedTokenOpensTheServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	ready, stop := serving(t, "--listen", "127.0.0.1:0", "--data", data, "--guests=false")
	addr := "127.0.0.1" + ready[strings.LastIndex(ready, ":"):strings.LastIndex(ready, "/")]
	out, problem, code := ends(t, "token", "-user", "ada", "-name", "Ada Lovelace", "-ttl", "1h", "-data", data)
	if code != 0 || problem != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit %d, %q, %q", code, out, problem)
	}
	sessions := make(chan json.RawMessage, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, addr, map[string]any{"token": strings.TrimSpace(out)}, func(name string, data json.RawMessage) {
		if name == "session" {
			sessions <- append(json.RawMessage(nil), data...)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case s := <-sessions:
		if !strings.Contains(string(s), `"user":{"id":"ada","name":"Ada Lovelace","guest":false}`) {
			t.Errorf("session %s", s)
		}
	case <-ctx.Done():
		t.Error("no session")
	}
	c.Close()
	if code := stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	// another deployment's token opens nothing
	out, _, code = ends(t, "token", "-user", "ada", "-secret", "another deployment's secret", "-data", data)
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	ready, stop = serving(t, "--listen", "127.0.0.1:0", "--data", data)
	addr = "127.0.0.1" + ready[strings.LastIndex(ready, ":"):strings.LastIndex(ready, "/")]
	if _, err := client.Dial(ctx, addr, map[string]any{"token": strings.TrimSpace(out)}, func(string, json.RawMessage) {}); err == nil ||
		!strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("a token of another secret: %v", err)
	}
	stop()
}

func TestTokensThatAreNotMinted(t *testing.T) {
	data := t.TempDir() // is there, but no server's
	for _, c := range [][]string{
		{"-data", data}, {"-user", "", "-data", data}, {"-user", "ada", "-ttl", "0s", "-secret", "a long enough secret"},
		{"-user", "ada", "-ttl", "-1h", "-secret", "a long enough secret"}, {"-user", "ada", "-ttl", "nonsense"}, {"-user", "ada", "-secret", "short"},
		{"-user", "~system", "-secret", "a long enough secret"}, {"-user", "a b", "-secret", "a long enough secret"},
		{"-user", "a\u202eb", "-secret", "a long enough secret"}, {"-user", strings.Repeat("x", 129), "-secret", "a long enough secret"},
		{"-user", "ada", "-data", data}, {"-user", "ada", "-data", filepath.Join(data, "missing")},
		{"-user", "ada", "extra", "-secret", "a long enough secret"}, {"-nonsense"},
	} {
		out, problem, code := ends(t, append([]string{"token"}, c...)...)
		if code != 1 || out != "" || !strings.Contains(problem, "hubbub: ") {
			t.Errorf("%q: exit %d, %q, %q", c, code, out, problem)
		}
	}
	if left, err := os.ReadDir(data); err != nil || len(left) != 0 {
		t.Errorf("a key file was made: %v, %v", left, err)
	}
}
