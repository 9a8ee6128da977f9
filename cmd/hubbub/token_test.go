package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	if answer := connects(t, addr, strings.TrimSpace(out)); !strings.Contains(answer, `"user":{"id":"ada","name":"Ada Lovelace","guest":false}`) {
		t.Errorf("session %s", answer)
	}
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
	if answer := connects(t, addr, strings.TrimSpace(out)); !strings.Contains(answer, `"code":"unauthorized"`) {
		t.Errorf("a token of another secret: %s", answer)
	}
	stop()
}

// connects presents a token by long polling and gives what is answered, up to the session.
func connects(t *testing.T, addr, token string) (answer string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	base := "http://" + addr + "/socket.io/?EIO=4&transport=polling"
	ask := func(method, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, base, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", method, res.StatusCode, data, err)
		}
		return string(data)
	}
	_, rest, _ := strings.Cut(ask(http.MethodGet, ""), `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	base += "&sid=" + sid
	ask(http.MethodPost, `40{"token":"`+token+`"}`)
	for range 10 {
		if answer += ask(http.MethodGet, ""); strings.Contains(answer, `42["session"`) || strings.Contains(answer, "44{") {
			break
		}
	}
	return answer
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
