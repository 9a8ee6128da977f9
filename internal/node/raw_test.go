package node_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// Text that JSON allows and a store cannot hold is refused at the door; what is sent behind it is kept. See cases.md 2.
func TestTextThatNoStoreHolds(t *testing.T) {
	n := start(t)
	p := n.guest("Ada")
	room := p.create("room", false)
	for _, bad := range []string{`\u0000`, `\ud800`, `\udc00\ud800`, "\xff", `a\ud800b`} {
		for request, payload := range map[string]string{
			"message:send": fmt.Sprintf(`{"roomId":%q,"clientId":%q,"text":"a%s"}`, room, newID(), bad),
			"room:create":  fmt.Sprintf(`{"clientId":%q,"name":"a%s"}`, newID(), bad),
			"room:update":  fmt.Sprintf(`{"roomId":%q,"clientId":%q,"topic":"a%s"}`, room, newID(), bad),
			"room:list":    fmt.Sprintf(`{"query":"a%s"}`, bad),
			"typing":       fmt.Sprintf(`{"roomId":"a%s","isTyping":true}`, bad),
		} {
			if bad == "\xff" {
				continue // not UTF-8: the websocket itself refuses it, see engineio
			}
			if _, err := p.ask(request, rawJSON(payload)); !refusedWith(err, chat.CodeInvalid) {
				t.Errorf("%s with %s: %v", request, bad, err)
			}
		}
		if _, err := p.ask("message:send", rawJSON(fmt.Sprintf(`{"roomId":%q,"clientId":"a%s","text":"x"}`, room, strings.ReplaceAll(bad, "\xff", "")+`\u0000`))); !refusedWith(err, chat.CodeInvalid) {
			t.Errorf("a clientId with %s: %v", bad, err)
		}
	}
	for i := range 50 {
		p.send(room, fmt.Sprint("plain ", i))
	}
	if got := p.must("message:list", map[string]any{"roomId": room, "limit": 100})["messages"].([]any); len(got) != 50 {
		t.Errorf("%d messages", len(got))
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// A client that is gone before its join is done leaves nobody in the room. See cases.md 5.
func TestJoinedAfterTheSocketWasGone(t *testing.T) {
	n := start(t)
	owner := n.guest("Owner")
	room := owner.create("room", false)
	for i := range 60 {
		p := n.guest(fmt.Sprint("ghost", i))
		p.Emit("room:join", map[string]any{"roomId": room, "clientId": newID()}, func(json.RawMessage, error) {})
		p.Close()
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		here := 0
		for _, m := range owner.must("room:members", map[string]any{"roomId": room, "limit": 100})["members"].([]any) {
			if m.(map[string]any)["here"] == true {
				here++
			}
		}
		if here == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d people are here", here)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// A slow sender of headers is hung up on; the address answers others meanwhile.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	n := start(t)
	c, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if res, err := http.Get("http://" + n.addr + "/healthz"); err != nil || res.StatusCode != 200 {
		t.Fatalf("meanwhile: %v", err)
	}
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Read(make([]byte, 1000)); err == nil {
		if _, err = c.Read(make([]byte, 1000)); err == nil {
			t.Error("an answer without headers")
		}
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("the connection is still open after 20 s")
	}
}

// Tokens are read from the CONNECT packet alone.
func TestTokensInTheURLAreNotRead(t *testing.T) {
	n := start(t, append(hostKey(t), "--guests=false")...)
	token := hostToken(t, "ada", time.Hour)
	s := n.websocket(headers("Cookie", "token="+token, "Authorization", "Bearer "+token), "&token="+token)
	s.say("40{}")
	if a := s.hear("4"); !strings.HasPrefix(a, "44") || !strings.Contains(a, `"unauthorized"`) {
		t.Errorf("a token beside CONNECT: %s", a)
	}
	s = n.websocket(nil, "")
	s.say(`40{"token":` + quoted(token) + `}`)
	s.hear(`42["session"`) // the token is a good one
	res, err := http.Get("http://" + n.addr + "/socket.io/?EIO=4&transport=polling&token=" + token)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if len(res.Header.Values("Set-Cookie")) > 0 {
		t.Error("a cookie is set")
	}
}
