package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/socketio/internal/rawclient"
)

// guest joins the chat and takes the session event.
func guest(t *testing.T, base, name string) *rawclient.Socket {
	t.Helper()
	s := rawclient.Join(t, base, `40{"name":"`+name+`"}`)
	if hello := s.Next(); !strings.HasPrefix(hello, `42["session",{`) || !strings.Contains(hello, `"name":"`+name+`"`) {
		t.Fatalf("greeted with %s", hello)
	}
	return s
}

// ask sends an event with the ack id 7, and gives the answer.
func ask(t *testing.T, s *rawclient.Socket, event, payload string) (ok bool, data map[string]any) {
	t.Helper()
	s.Send(fmt.Sprintf(`427["%s",%s]`, event, payload))
	return answerOf(t, s.Next())
}

func answerOf(t *testing.T, text string) (ok bool, data map[string]any) {
	t.Helper()
	var all []struct {
		OK   bool
		Data map[string]any
	}
	if rest, found := strings.CutPrefix(text, "437"); !found || json.Unmarshal([]byte(rest), &all) != nil || len(all) != 1 {
		t.Fatalf("no answer: %s", text)
	}
	return all[0].OK, all[0].Data
}

func TestChat(t *testing.T) {
	base := start(t, "-chat")
	ann, ben := guest(t, base, "Ann"), guest(t, base, "Ben")
	_, made := ask(t, ann, "room:create", `{"clientId":"c1","name":"Tea"}`)
	room := made["room"].(map[string]any)["id"].(string)
	if ok, _ := ask(t, ben, "room:join", `{"clientId":"c2","roomId":"`+room+`"}`); !ok {
		t.Fatal("Ben may not join")
	}
	for i := range 3 {
		ann.Send(fmt.Sprintf(`427["message:send",{"roomId":"%s","clientId":"m%d","text":"hello %d"}]`, room, i, i))
		for _, s := range []*rawclient.Socket{ann, ben} {
			if got := s.Next(); !strings.HasPrefix(got, `42["message:new",{"seq":`) || !strings.Contains(got, fmt.Sprintf(`"text":"hello %d"`, i)) {
				t.Fatalf("message %d: %s", i, got)
			}
		}
		if ok, sent := answerOf(t, ann.Next()); !ok || sent["seq"] == nil {
			t.Fatalf("message %d is answered with %v, %v", i, ok, sent)
		}
	}
	if _, page := ask(t, ben, "message:list", `{"roomId":"`+room+`"}`); len(page["messages"].([]any)) != 3 {
		t.Errorf("the page: %v", page)
	}
	ben.Send(`427["room:leave",{"roomId":"` + room + `"}]`)
	if ok, _ := answerOf(t, ben.Next()); !ok {
		t.Error("Ben may not leave")
	}
	for event, payload := range map[string]string{
		"room:join":    `{"roomId":"nowhere"}`,
		"message:send": `{"roomId":"nowhere","text":"x"}`,
		"message:list": `{"roomId":"nowhere"}`,
		"room:create":  `7`,
	} {
		if ok, _ := ask(t, ben, event, payload); ok {
			t.Errorf("%s %s is answered with ok", event, payload)
		}
	}
}
