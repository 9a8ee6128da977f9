package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

const handshake = "/socket.io/?EIO=4&transport=polling"

// Sockets are counted per address as the trusted proxy tells it, and a load test from loopback is not held up by that.
func TestSocketsPerAddress(t *testing.T) {
	t.Parallel()
	n := start(t, "--sockets-per-address", "2", "--trust-proxy", "127.0.0.1")
	from := func(addr string) (polling, websocket int, text string) {
		var h http.Header
		if addr != "" {
			h = headers("X-Forwarded-For", addr)
		}
		return n.answers(h)
	}
	for range 3 {
		if p, w, text := from(""); p != 200 || w != 101 {
			t.Fatalf("from loopback: %d, %d %s", p, w, text)
		}
	}
	held := n.websocket(headers("X-Forwarded-For", "203.0.113.1"), "")
	n.websocket(headers("X-Forwarded-For", "6.6.6.6, 203.0.113.1"), "") // only what the proxy itself added is believed
	p, w, text := from("203.0.113.1")
	if p != 429 || w != 429 || !strings.Contains(text, "--sockets-per-address 2") {
		t.Errorf("a third: %d, %d %s", p, w, text)
	}
	if p, w, _ := from("203.0.113.2"); p != 200 || w != 101 {
		t.Errorf("another address: %d, %d", p, w)
	}
	n.websocket(headers("X-Forwarded-For", "2001:db8::1"), "")
	n.websocket(headers("X-Forwarded-For", "2001:db8::2"), "")
	if p, w, _ := from("2001:db8::3"); p != 429 || w != 429 {
		t.Errorf("a third of one /64: %d, %d", p, w)
	}
	held.Close()
	until(t, "the place is given back", func() bool {
		status, _, _ := request(t, http.MethodGet, "http://"+n.addr+handshake, "", headers("X-Forwarded-For", "203.0.113.1"))
		return status == 200
	})
}

// Sockets that never say who they are have a limit of their own; those inside are not touched by it.
func TestHandshakesWithoutConnect(t *testing.T) {
	t.Parallel()
	n := start(t, "--handshakes", "3")
	inside := n.guest("Ada")
	first := n.websocket(nil, "")
	n.websocket(nil, "")
	n.polling(nil)
	p, w, text := n.answers(nil)
	if p != 503 || w != 503 || !strings.Contains(text, "--handshakes 3") {
		t.Errorf("a fourth: %d, %d %s", p, w, text)
	}
	inside.must("room:join", map[string]any{"roomId": "lobby"})
	first.say(`40{"name":"Bob"}`) // who says who he is makes a place
	first.hear(`42["session"`)
	if status, text, _ := request(t, http.MethodGet, "http://"+n.addr+handshake, "", nil); status != 200 {
		t.Errorf("after a CONNECT: %d %s", status, text)
	}
}

// What is too large is refused before it is read: 413 by polling, 1009 by websocket.
func TestPayloadBytes(t *testing.T) {
	t.Parallel()
	n := start(t, "--payload-bytes", "2000")
	bystander := n.guest("Bob")
	p := n.polling(nil)
	if status, _, _ := p.do(http.MethodPost, "40"+strings.Repeat(" ", 2000)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("by polling: %d", status)
	}
	for what, frames := range map[string][]ws.Frame{
		"whole":        {ws.NewTextFrame(make([]byte, 2001))},
		"in fragments": {ws.NewFrame(ws.OpText, false, make([]byte, 1500)), ws.NewFrame(ws.OpContinuation, true, make([]byte, 1500))},
	} {
		s := n.websocket(nil, "")
		for _, f := range frames {
			if err := ws.WriteFrame(s.Conn, ws.MaskFrame(f)); err != nil {
				t.Fatal(err)
			}
		}
		if code := s.closes(); code != ws.StatusMessageTooBig {
			t.Errorf("%s: closed with %d", what, code)
		}
	}
	huge := n.websocket(nil, "") // it says 2^62 bytes; nothing is put aside for them
	if err := ws.WriteHeader(huge.Conn, ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: 1 << 62}); err != nil {
		t.Fatal(err)
	}
	if code := huge.closes(); code != ws.StatusMessageTooBig {
		t.Errorf("a huge frame: closed with %d", code)
	}
	bystander.must("room:list", map[string]any{})
}

// The budget of a user spans his sockets, and names its flag; that of another is his own.
func TestEventsPerUser(t *testing.T) {
	t.Parallel()
	n := start(t, "--events-per-socket", "1000", "--events-per-user", "4")
	one := n.guest("Ada")
	two, other := one.again(), n.guest("Bob")
	var refused []*client.Failure
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 60 {
		p := []*person{one, two}[i%2]
		all.Add(1)
		p.Emit("room:list", map[string]any{}, func(a json.RawMessage, err error) {
			defer all.Done()
			if err == nil {
				_, err = client.Answer(a)
			}
			var f *client.Failure
			if errors.As(err, &f) {
				mu.Lock()
				refused = append(refused, f)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(refused) < 10 || len(refused) > 45 {
		t.Errorf("%d of 60 were refused at 4 a second with a burst of 20", len(refused))
	}
	for _, f := range refused {
		if f.Code != string(chat.CodeRateLimited) || !strings.Contains(f.Message, "--events-per-user") || f.RetryAfterMs <= 0 {
			t.Fatalf("%+v", f)
		}
	}
	other.must("room:list", map[string]any{})
}

// Open rooms of a socket, nesting, page size: each refusal is typed and names its flag.
func TestMoreLimitsNameTheirFlags(t *testing.T) {
	t.Parallel()
	n := start(t, "--rooms-per-socket", "2", "--json-depth", "5", "--page-size", "7", "--events-per-user", "100000")
	p := n.guest("Ada")
	rooms := []string{p.create("one", false), p.create("two", false)}
	says := func(name string, payload any, code chat.Code, flag string) {
		t.Helper()
		if _, err := p.ask(name, payload); !refusedWith(err, code) || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v, want %s with %s", name, err, code, flag)
		}
	}
	says("room:join", map[string]any{"roomId": "lobby"}, chat.CodeRateLimited, "--rooms-per-socket")
	says("room:create", map[string]any{"clientId": newID(), "name": "three"}, chat.CodeRateLimited, "--rooms-per-socket")
	p.must("room:open", map[string]any{"roomId": rooms[0]}) // one of them anew takes no place
	p.must("room:leave", map[string]any{"roomId": rooms[0]})
	p.await("room:left", func(event) bool { return true })
	p.must("room:join", map[string]any{"roomId": "lobby"})

	since := map[string]any{rooms[1]: 0, "lobby": 0}
	for i := range 5 {
		other := n.guest(fmt.Sprint("other", i))
		id := other.create("public", false)
		since[id] = 0
		p.Close()
		p = p.again()
		// Nothing may be open while he joins them, so that the resume below is what meets the limit.
		p.must("room:join", map[string]any{"roomId": id})
	}
	back := n.connect(map[string]any{"token": p.token, "since": since})
	until(t, "rooms beyond the limit are told as gaps", func() bool {
		limited := 0
		for _, id := range keys(since) {
			for _, g := range back.of(id, "gap") {
				if g.Reason == "limit" && g.To == 0 {
					limited++
				}
			}
		}
		return limited == len(since)-2
	})
	p = back
	deep := func(n int) rawJSON {
		return rawJSON(`{"x":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}`)
	}
	p.must("room:list", deep(4))
	says("room:list", deep(5), chat.CodeInvalid, "--json-depth")
	says("room:list", deep(30), chat.CodeInvalid, "--json-depth")
	for _, name := range []string{"room:list", "message:list", "room:members", "room:join", "room:open"} {
		says(name, map[string]any{"roomId": rooms[1], "limit": 8}, chat.CodeInvalid, "--page-size")
	}
	_, err := client.Dial(deadline(t), n.addr, rawJSON(`{"name":"Kim","x":`+string(deep(9))+`}`), func(string, json.RawMessage) {})
	if err == nil || !strings.Contains(err.Error(), "--json-depth") {
		t.Errorf("a deep CONNECT: %v", err)
	}
}

func keys(m map[string]any) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}
