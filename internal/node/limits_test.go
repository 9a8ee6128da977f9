package node_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

// Every limit answers with its code, and names its flag.
func TestLimitsNameTheirFlags(t *testing.T) {
	n := start(t, "--text-bytes", "100", "--name-bytes", "20", "--json-depth", "6", "--rooms-per-user", "2", "--page-size", "10", "--room-members", "2")
	p := n.guest("Ada")
	room := p.create("one", false)
	p.create("two", false)
	deep := strings.Repeat(`{"a":`, 10) + "1" + strings.Repeat("}", 10)
	cases := []struct {
		name    string
		payload any
		code    chat.Code
		says    string
	}{
		{"message:send", map[string]any{"roomId": room, "clientId": newID(), "text": strings.Repeat("x", 101)}, chat.CodeTooLarge, "--text-bytes"},
		{"room:create", map[string]any{"clientId": newID(), "name": strings.Repeat("x", 21)}, chat.CodeTooLarge, "--name-bytes"},
		{"room:create", map[string]any{"clientId": newID(), "name": "three"}, chat.CodeRateLimited, "--rooms-per-user"},
		{"message:list", map[string]any{"roomId": room, "limit": 11}, chat.CodeInvalid, "10"},
		{"message:list", map[string]any{"roomId": room, "limit": 0}, chat.CodeInvalid, ""},
		{"room:list", map[string]any{"cursor": "forged"}, chat.CodeInvalid, ""},
		{"message:send", rawJSON(`{"roomId":"r","clientId":"c","text":"t","x":` + deep + `}`), chat.CodeInvalid, ""},
		{"message:send", rawJSON(`[]`), chat.CodeInvalid, ""},
		{"message:send", rawJSON(`"text"`), chat.CodeInvalid, ""},
		{"message:send", map[string]any{"roomId": room, "clientId": newID(), "text": 7}, chat.CodeInvalid, "text"},
		{"message:send", map[string]any{"roomId": room, "text": "no client id"}, chat.CodeInvalid, "clientId"},
		{"message:send", map[string]any{"roomId": room, "clientId": "spaces in it", "text": "x"}, chat.CodeInvalid, "clientId"},
		{"message:send", map[string]any{"roomId": room, "clientId": newID(), "text": " \n "}, chat.CodeInvalid, "text"},
		{"message:send", map[string]any{"roomId": room, "clientId": newID(), "text": "x", "replyTo": "nothing"}, chat.CodeNotFound, ""},
		{"room:create", map[string]any{"clientId": newID(), "name": "a\u202eb"}, chat.CodeInvalid, "name"},
		{"room:create", map[string]any{"clientId": newID(), "name": "  "}, chat.CodeInvalid, "name"},
		{"room:join", map[string]any{"roomId": "lobby", "clientId": "not-a-uuid"}, chat.CodeInvalid, "UUID"},
		{"room:leave", map[string]any{"roomId": room, "clientId": chat.NewUUIDv7(time.Now().Add(-5 * time.Minute))}, chat.CodeConflict, ""},
		{"no:such:event", map[string]any{}, chat.CodeInvalid, "event"},
	}
	for _, c := range cases {
		_, err := p.ask(c.name, c.payload)
		if !refusedWith(err, c.code) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %v: %v, want %s with %q", c.name, c.payload, err, c.code, c.says)
		}
	}
	second, third := n.guest("Bob"), n.guest("Cy")
	second.must("room:join", map[string]any{"roomId": room})
	if _, err := third.ask("room:join", map[string]any{"roomId": room}); err == nil || !strings.Contains(err.Error(), "--room-members") {
		t.Errorf("a third member of two: %v", err)
	}
	if sent := p.send(room, "still here"); sent["id"] == nil {
		t.Error("the socket is of no use after its refusals")
	}
}

func TestEventsAreLimited(t *testing.T) {
	n := start(t, "--events-per-socket", "5", "--events-per-user", "1000")
	p, bystander := n.guest("Ada"), n.guest("Bob")
	limited := make(chan *client.Failure, 100)
	for range 60 {
		p.Emit("room:list", map[string]any{}, func(a json.RawMessage, err error) {
			var f *client.Failure
			if err == nil {
				_, err = client.Answer(a)
			}
			errors.As(err, &f)
			limited <- f
		})
	}
	refused := 0
	for range 60 {
		if f := <-limited; f != nil {
			refused++
			if f.Code != string(chat.CodeRateLimited) || !strings.Contains(f.Message, "--events-per-socket") || f.RetryAfterMs <= 0 {
				t.Fatalf("%+v", f)
			}
		}
	}
	if refused < 20 || refused > 50 {
		t.Errorf("%d of 60 events were refused at 5 a second with a burst of 25", refused)
	}
	bystander.must("room:list", map[string]any{})
}

// Origins are checked alike on polling and on websockets; the refusal of an overfull node names its flag.
func TestTheDoor(t *testing.T) {
	n := start(t, "--sockets", "2")
	for _, c := range []struct {
		origin string
		ok     bool
	}{{"", true}, {"http://" + n.addr, true}, {"https://evil.example", false}, {"null", false}} {
		req, _ := http.NewRequest(http.MethodGet, "http://"+n.addr+"/socket.io/?EIO=4&transport=polling", nil)
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if (res.StatusCode == 200) != c.ok || !c.ok && (res.StatusCode != 403 || !strings.Contains(string(body), "--origins")) {
			t.Errorf("polling from %q: %d %s", c.origin, res.StatusCode, body)
		}
		if !c.ok {
			if status := upgradeStatus(t, n.addr, c.origin); status != "HTTP/1.1 403 Forbidden" {
				t.Errorf("websocket from %q: %s", c.origin, status)
			}
		}
	}
	res, err := http.Get("http://" + n.addr + "/socket.io/?EIO=4&transport=polling") // the two that were let in hold the places
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "--sockets") || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", res.StatusCode, body)
	}
	for _, path := range []string{"/debug/pprof/", "/debug/vars"} {
		if res, err := http.Get("http://" + n.addr + path); err != nil || res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusServiceUnavailable { // 503: built without its page
			t.Errorf("%s: %v %v", path, res.StatusCode, err)
		}
	}
}

func upgradeStatus(t *testing.T, addr, origin string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr, origin)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestWhoMayComeIn(t *testing.T) {
	n := start(t, "--guests=false")
	for name, auth := range map[string]any{"a guest": map[string]any{"name": "Kim"}, "nobody": map[string]any{}, "a bad token": map[string]any{"token": "x.y.z"}} {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := client.Dial(ctx, n.addr, auth, func(string, json.RawMessage) {})
		cancel()
		var r *client.Refused
		if !errors.As(err, &r) || !strings.Contains(string(r.Data), `"unauthorized"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
