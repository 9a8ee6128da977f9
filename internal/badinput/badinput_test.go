package badinput_test

import (
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// TestBadInput is the whole table against the embedded engines.
func TestBadInput(t *testing.T) {
	d := &doors{cases: map[string]int{}}
	host := newHost(t)
	w := start(t, "--ping-interval", "5s", "--ping-timeout", "8s", "--auth-key", host.address, "--payload-bytes", "100000", "--room-tail", "50",
		"--events-per-user", "1000", "--trust-proxy", "127.0.0.2", "--metrics-token", "the token of the metrics")
	ada, bob, pat := w.attend(t, "Ada", client.WebSocket), w.attend(t, "Bob", client.Upgrade), w.attend(t, "Pat", client.Polling)
	room := ada.must(t, "room:create", map[string]any{"clientId": newID(), "name": "room"})["room"].(map[string]any)["id"].(string)
	all := []*bystander{ada, bob, pat}
	for _, b := range all[1:] {
		b.must(t, "room:join", map[string]any{"roomId": room})
	}
	for _, b := range all {
		b.talk(room)
	}
	historyOf(t, ada, room) // the store's readers are open before anything is counted
	before := look(t)

	slow := slowness(t, w)
	d.run(t, "HTTP", func(t *testing.T) int { return httpDoor(t, w) })
	d.run(t, "Engine.IO", func(t *testing.T) int { return engineDoor(t, w) })
	d.run(t, "Socket.IO", func(t *testing.T) int { return socketDoor(t, w, ada.token) })
	d.run(t, "events", func(t *testing.T) int { return eventsDoor(t, w, ada, room) })
	d.run(t, "tokens", func(t *testing.T) int { return tokensDoor(t, w, host) })

	d.run(t, "store", func(t *testing.T) int { return storeDoor(t, w) })
	path := build(t)
	d.run(t, "flags", func(t *testing.T) int { return flagsDoor(t, path) })
	d.run(t, "files", func(t *testing.T) int { return filesDoor(t, path) })

	d.run(t, "records", func(t *testing.T) int { return recordsDoor(t) })

	d.run(t, "slowness", slow)

	returnsTo(t, before)
	audit(t, room, all...)
	d.report(t, 120)
}
