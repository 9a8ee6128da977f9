package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// The tests of this package ask the same as the official Socket.IO 5 suite, in our own words: here its first half, which looks at
// Engine.IO through the path of Socket.IO. The heartbeat is slower where only its presence counts.

const (
	polling   = "EIO=4&transport=polling"
	websocket = "EIO=4&transport=websocket"
)

// start serves the fixture and returns the address of /socket.io/.
func start(t *testing.T, flags ...string) string {
	t.Helper()
	c, err := parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	a := newApp(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	server := httptest.NewServer(a.handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rawclient.Patience)
		defer cancel()
		if err := a.close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		server.Close()
	})
	return server.URL + "/socket.io/"
}

// quiet are flags without a heartbeat or connect timeout that a slow machine could meet.
func quiet(t *testing.T) string {
	t.Helper()
	return start(t, "-ping-interval=1m", "-ping-timeout=1m", "-connect-timeout=1m")
}

func checkHandshake(t *testing.T, text string, upgrades int) {
	t.Helper()
	var h map[string]json.RawMessage
	if !strings.HasPrefix(text, "0") || json.Unmarshal([]byte(text[1:]), &h) != nil || len(h) != 5 {
		t.Fatalf("handshake %s", text)
	}
	var list []string
	if err := json.Unmarshal(h["upgrades"], &list); err != nil || len(list) != upgrades || list == nil {
		t.Errorf("upgrades %s", h["upgrades"])
	}
	if string(h["pingInterval"]) != "300" || string(h["pingTimeout"]) != "200" || string(h["maxPayload"]) != "1000000" {
		t.Errorf("handshake %s", text)
	}
	if len(h["sid"]) < 20 {
		t.Errorf("sid %s", h["sid"])
	}
}

func TestPollingOpensASession(t *testing.T) {
	status, body := rawclient.Do(t, http.MethodGet, start(t)+"?"+polling, "")
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	checkHandshake(t, body, 1)
}

func TestWebsocketOpensASession(t *testing.T) {
	checkHandshake(t, rawclient.Dial(t, start(t), websocket).Next(), 0)
}

func TestPollingRefusesBadRequests(t *testing.T) {
	base := start(t)
	for _, c := range []struct{ name, method, query string }{
		{"protocol missing", http.MethodGet, "transport=polling"},
		{"protocol unknown", http.MethodGet, "EIO=abc&transport=polling"},
		{"transport missing", http.MethodGet, "EIO=4"},
		{"transport unknown", http.MethodGet, "EIO=4&transport=abc"},
		{"opening with POST", http.MethodPost, polling},
		{"opening with PUT", http.MethodPut, polling},
	} {
		if status, body := rawclient.Do(t, c.method, base+"?"+c.query, ""); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", c.name, status, body)
		}
	}
}

func TestWebsocketRefusesBadRequests(t *testing.T) {
	base := start(t)
	for _, query := range []string{"transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"} {
		if s, err := rawclient.TryDial(t, base, query); err == nil {
			s.WantClosed()
		}
	}
}

func TestPollingHeartbeat(t *testing.T) {
	p := rawclient.OpenPoll(t, start(t, "-ping-interval=100ms", "-ping-timeout=1m"))
	for range 3 {
		if status, body := p.Get(); status != http.StatusOK || body != "2" {
			t.Fatalf("poll: %d %s", status, body)
		}
		if status, _ := p.Post("3"); status != http.StatusOK {
			t.Fatalf("pong: %d", status)
		}
	}
}

func TestWebsocketHeartbeat(t *testing.T) {
	s := rawclient.Open(t, start(t, "-ping-interval=100ms", "-ping-timeout=1m"))
	for range 3 {
		s.Want("2")
		s.Send("3")
	}
}

func TestPollingTimesOut(t *testing.T) {
	p := rawclient.OpenPoll(t, start(t))
	// Not a poll is pending, so only the timeout can end the session.
	deadline := time.Now().Add(rawclient.Patience)
	<-time.After(500 * time.Millisecond)
	for {
		status, _ := p.Get()
		if status == http.StatusBadRequest {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the session lives on: %d", status)
		}
	}
}

func TestWebsocketTimesOut(t *testing.T) {
	rawclient.Open(t, start(t)).WantClosed()
}

func TestPollingClientCloses(t *testing.T) {
	p := rawclient.OpenPoll(t, quiet(t))
	var poll string
	var wait sync.WaitGroup
	wait.Go(func() { _, poll = p.Get() })
	if status, body := p.Post("1"); status != http.StatusOK || body != "ok" {
		t.Errorf("post: %d %s", status, body)
	}
	wait.Wait()
	if status, _ := p.Get(); status != http.StatusBadRequest {
		t.Errorf("after the close: %d", status)
	}
	// The poll may also have come too late; a session that is gone answers it with an error.
	if poll != "6" && !strings.Contains(poll, "Session ID unknown") {
		t.Errorf("pending poll: %s", poll)
	}
}

func TestWebsocketClientCloses(t *testing.T) {
	s := rawclient.Open(t, quiet(t))
	s.Send("1")
	s.WantClosed()
}

// upgrade moves a polling session to a websocket.
func upgrade(t *testing.T, base string) (*rawclient.Poll, *rawclient.Socket) {
	t.Helper()
	p := rawclient.OpenPoll(t, base)
	s := rawclient.Dial(t, base, websocket+"&sid="+p.SID)
	s.Send("2probe")
	s.Want("3probe")
	s.Send("5")
	return p, s
}

func TestUpgrade(t *testing.T) {
	_, s := upgrade(t, quiet(t))
	s.Send("40")
	if answer := s.Next(); !strings.HasPrefix(answer, "40{") {
		t.Errorf("after the upgrade: %s", answer)
	}
	s.Want(`42["auth",{}]`)
}

func TestPollingAfterTheUpgradeIsRefused(t *testing.T) {
	p, s := upgrade(t, quiet(t))
	s.Send("40")
	s.Next() // the switch is done
	if status, _ := p.Get(); status != http.StatusBadRequest {
		t.Errorf("poll: %d", status)
	}
	s.Want(`42["auth",{}]`)
}

func TestSecondWebsocketIsRefused(t *testing.T) {
	base := quiet(t)
	p, s := upgrade(t, base)
	if second, err := rawclient.TryDial(t, base, websocket+"&sid="+p.SID); err == nil {
		second.WantClosed()
	}
	s.Send("40")
	if answer := s.Next(); !strings.HasPrefix(answer, "40{") {
		t.Errorf("the first websocket: %s", answer)
	}
}
