package badinput_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// kept is a data directory of a node that was stopped, and what it had acknowledged in the lobby.
type kept struct {
	dir   dir
	texts []string
}

// keep runs a node, has somebody write more than two log files full, and stops it.
func keep(t *testing.T) kept {
	t.Helper()
	k := kept{dir: dir(t.TempDir())}
	w, err := begin(string(k.dir), "--segment-bytes", "1048576")
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop(t)
	ada := w.attend(t, "Ada", client.WebSocket)
	defer ada.Close()
	ada.must(t, "room:join", map[string]any{"roomId": "lobby"})
	var last any
	for i := range 145 {
		text := fmt.Sprint(i, strings.Repeat(" long", 3000))
		last = ada.must(t, "message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": text})["seq"]
		k.texts = append(k.texts, text)
	}
	until(t, "all is saved", func() bool { return float64(k.dir.saved(t)) >= last.(float64) })
	return k
}

// whole says whether a node on that address has every message.
func (k kept) whole(t *testing.T, address string) {
	t.Helper()
	w := &world{addr: address}
	bob := w.attend(t, "Bob", client.WebSocket)
	defer bob.Close()
	bob.must(t, "room:join", map[string]any{"roomId": "lobby"})
	var got []string
	for _, m := range historyOf(t, bob, "lobby") {
		got = append(got, string(m.Text))
	}
	if len(got) != len(k.texts) {
		t.Fatalf("history has %d messages of %d", len(got), len(k.texts))
	}
	for i := range got {
		if got[i] != k.texts[i] {
			t.Fatalf("message %d is not what was sent", i)
		}
	}
	bob.must(t, "message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": "and on"})
}

// limps says whether a node runs that says what is wrong with it, and answers what it can not know with a typed error.
func (k kept) limps(t *testing.T, r run, says []string) {
	t.Helper()
	if r.stop == nil {
		t.Fatalf("it does not serve: %s", r.problem)
	}
	defer r.stop()
	w := &world{addr: r.address}
	until(t, "it says what is wrong", func() bool {
		status, text, _ := w.dial(t).ask("GET /readyz HTTP/1.1\nConnection: close", "")
		for _, s := range append(says, `"state":"degraded"`) {
			if status != 200 || !strings.Contains(text, s) {
				return false
			}
		}
		return true
	})
	unknown(t, w)
}

// unknown says whether a node answers what it can not know with a typed error.
func unknown(t *testing.T, w *world) {
	t.Helper()
	bob := w.attend(t, "Bob", client.WebSocket)
	defer bob.Close()
	var both sync.WaitGroup // each takes as long as the node hopes
	for _, ask := range []string{"room:join", "message:list"} {
		both.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := bob.Call(ctx, ask, map[string]any{"roomId": "lobby"})
			var f *client.Failure
			if !errors.As(err, &f) || f.Code != "unavailable" {
				t.Errorf("%s: %v", ask, err)
			}
		})
	}
	both.Wait()
}

// filesDoor starts hubbub on directories that are not what it left.
func filesDoor(t *testing.T, path string) int {
	k := keep(t)
	rows := append(logDamages(), otherDamages()...)
	all := sideBySide(t)
	defer all.wait()
	for i, r := range rows {
		all.run(r.name, len(r.says) > 0 && r.says[0] == degraded, func(t *testing.T) {
			d := k.dir.copyOf(t)
			r.do(t, d)
			var before map[string][]byte
			if i < len(logDamages()) {
				before = d.state(t)
			}
			got := hubbub(t, path, string(d), nil, "serve", "--listen", "127.0.0.1:0", "--data", string(d), "--drain", "0s", "--reserve-bytes", "0",
				"--segment-bytes", "1048576")
			if len(r.says) > 0 && r.says[0] == degraded {
				k.limps(t, got, r.says[1:])
				return
			}
			if len(r.says) > 0 {
				got.refused(t, r.says...)
				if before != nil {
					sameLog(t, before, d.state(t))
				}
				return
			}
			if got.stop == nil {
				t.Fatalf("it does not serve: %s", got.problem)
			}
			defer got.stop()
			k.whole(t, got.address)
		})
	}
	return len(rows)
}
