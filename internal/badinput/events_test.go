package badinput_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

// event is a row of requests. Eve sends it, a member of $room; $private is a room that she is not in, $own one of hers, $id a fresh
// clientId, $used that of a message she sent to $room, $made that of $own, $gone that of her join of $past, which she has left, $old one
// of six minutes ago, $ahead one of the future.
type event struct {
	name    string
	request string
	payload string
	code    string // "ok": it is taken
	says    string
}

// eventRows has every request of docs/protocol.md with what must not be in it.
func eventRows() []event {
	long := strings.Repeat("x", 16<<10+1)
	name := strings.Repeat("n", 201)
	rows := []event{
		{"no payload", "room:list", `null`, "invalid", "must be an object"},
		{"an array", "message:send", `[]`, "invalid", "must be an object"},
		{"a text", "message:send", `"hello"`, "invalid", "must be an object"},
		{"33 levels", "message:send", `{"x":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, "invalid", "--json-depth"},
		{"keys that are odd", "message:send", `{"__proto__":{},"roomId":"$room","clientId":"$id"}`, "invalid", "text"},
		{"U+0000 in a key nobody reads", "message:send", `{"a\u0000":1,"roomId":"$room","clientId":"$id","text":"x"}`, "invalid", "U+0000"},
		{"half a pair in a key", "message:send", `{"\ud800":1,"roomId":"$room","clientId":"$id","text":"x"}`, "invalid", "surrogate"},

		{"create: no name", "room:create", `{"clientId":"$id"}`, "invalid", "name"},
		{"create: no clientId", "room:create", `{"name":"n"}`, "invalid", "clientId"},
		{"create: an empty name", "room:create", `{"clientId":"$id","name":""}`, "invalid", "name"},
		{"create: a name of spaces", "room:create", `{"clientId":"$id","name":" \t\n "}`, "invalid", "name"},
		{"create: a name too long", "room:create", `{"clientId":"$id","name":"` + name + `"}`, "too_large", ""},
		{"create: a name that turns text round", "room:create", `{"clientId":"$id","name":"a\u202eb"}`, "invalid", ""},
		{"create: an escape sequence", "room:create", `{"clientId":"$id","name":"\u001b[2J"}`, "invalid", ""},
		{"create: a topic too long", "room:create", `{"clientId":"$id","name":"n","topic":"` + strings.Repeat("t", 1001) + `"}`, "too_large", ""},
		{"create: private is a text", "room:create", `{"clientId":"$id","name":"n","private":"false"}`, "invalid", "private"},
		{"create: other content", "room:create", `{"clientId":"$made","name":"another"}`, "conflict", ""},

		{"list: limit 0", "room:list", `{"limit":0}`, "invalid", "limit"},
		{"list: limit 101", "room:list", `{"limit":101}`, "invalid", "limit"},
		{"list: limit 1.5", "room:list", `{"limit":1.5}`, "invalid", "limit"},
		{"list: mine is a number", "room:list", `{"mine":1}`, "invalid", "mine"},
		{"list: an invented cursor", "room:list", `{"cursor":"bogus"}`, "invalid", "cursor"},
		{"list: a cursor too long", "room:list", `{"cursor":"` + strings.Repeat("c", 1025) + `"}`, "invalid", "cursor"},
		{"list: the query is an object", "room:list", `{"query":{"$ne":1}}`, "invalid", "query"},
		{"list: half a pair in the query", "room:list", `{"query":"\udc00"}`, "invalid", "surrogate"},

		{"join: no room", "room:join", `{}`, "invalid", "roomId"},
		{"join: a room that is not there", "room:join", `{"roomId":"nowhere"}`, "not_found", ""},
		{"join: a private room", "room:join", `{"roomId":"$private"}`, "not_found", ""},
		{"join: a clientId that is no UUIDv7", "room:join", `{"roomId":"$room","clientId":"mine"}`, "invalid", "UUIDv7"},
		{"join: a clientId of six minutes ago", "room:join", `{"roomId":"$past","clientId":"$old"}`, "conflict", ""},
		{"join: a clientId of an ended membership", "room:join", `{"roomId":"$past","clientId":"$gone"}`, "conflict", ""},
		{"join: a clientId of the future", "room:join", `{"roomId":"$past","clientId":"$ahead"}`, "conflict", "clock"},
		{"join: the clientId of a message", "room:join", `{"roomId":"$room","clientId":"$used"}`, "conflict", ""},
		{"join: after is a text", "room:join", `{"roomId":"$room","after":"1"}`, "invalid", "after"},
		{"join: after is below 0", "room:join", `{"roomId":"$room","after":-1}`, "invalid", "after"},

		{"open: no member", "room:open", `{"roomId":"$private"}`, "not_found", ""},
		{"open: a public room, no member", "room:open", `{"roomId":"$past"}`, "forbidden", ""},
		{"open: since beyond 2^53", "room:open", `{"roomId":"$room","since":9007199254740993}`, "invalid", "since"},
		{"open: since is null and limit a text", "room:open", `{"roomId":"$room","since":null,"limit":"5"}`, "invalid", "limit"},

		{"leave: not a member", "room:leave", `{"roomId":"$private"}`, "not_found", ""},
		{"leave: a clientId of six minutes ago", "room:leave", `{"roomId":"$room","clientId":"$old"}`, "conflict", ""},
		{"leave: a room's id of 65 characters", "room:leave", `{"roomId":"` + strings.Repeat("r", 65) + `"}`, "invalid", "roomId"},

		{"members: not a member", "room:members", `{"roomId":"$private"}`, "not_found", ""},
		{"members: an invented cursor", "room:members", `{"roomId":"$room","cursor":"!"}`, "invalid", "cursor"},
		{"members: limit is true", "room:members", `{"roomId":"$room","limit":true}`, "invalid", "limit"},

		{"invite: nobody", "room:invite", `{"roomId":"$own"}`, "invalid", "userId"},
		{"invite: the system", "room:invite", `{"roomId":"$own","userId":"~system"}`, "invalid", ""},
		{"invite: a name with a line break", "room:invite", `{"roomId":"$own","userId":"a\nb"}`, "invalid", ""},
		{"invite: a name too long", "room:invite", `{"roomId":"$own","userId":"` + strings.Repeat("u", 129) + `"}`, "invalid", ""},
		{"invite: into a room of others", "room:invite", `{"roomId":"$private","userId":"somebody"}`, "not_found", ""},

		{"update: nothing", "room:update", `{"roomId":"$own","clientId":"$id"}`, "invalid", ""},
		{"update: not the owner", "room:update", `{"roomId":"$room","clientId":"$id","name":"Eve's"}`, "forbidden", ""},
		{"update: the lobby", "room:update", `{"roomId":"lobby","clientId":"$id","name":"Eve's"}`, "forbidden", ""},
		{"update: a private room of others", "room:update", `{"roomId":"$private","clientId":"$id","name":"Eve's"}`, "not_found", ""},
		{"update: an empty name", "room:update", `{"roomId":"$own","clientId":"$id","name":""}`, "invalid", ""},
		{"update: the topic is an array", "room:update", `{"roomId":"$own","clientId":"$id","topic":["t"]}`, "invalid", "topic"},

		{"send: no text", "message:send", `{"roomId":"$room","clientId":"$id"}`, "invalid", "text"},
		{"send: the text is null", "message:send", `{"roomId":"$room","clientId":"$id","text":null}`, "invalid", "text"},
		{"send: the text is a number", "message:send", `{"roomId":"$room","clientId":"$id","text":7}`, "invalid", "text"},
		{"send: an empty text", "message:send", `{"roomId":"$room","clientId":"$id","text":""}`, "invalid", ""},
		{"send: a text too long", "message:send", `{"roomId":"$room","clientId":"$id","text":"` + long + `"}`, "too_large", ""},
		{"send: U+0000", "message:send", `{"roomId":"$room","clientId":"$id","text":"a\u0000b"}`, "invalid", "U+0000"},
		{"send: half a pair", "message:send", `{"roomId":"$room","clientId":"$id","text":"\ud83d"}`, "invalid", "surrogate"},
		{"send: a pair the wrong way round", "message:send", `{"roomId":"$room","clientId":"$id","text":"\ude00\ud83d"}`, "invalid", "surrogate"},
		{"send: no clientId", "message:send", `{"roomId":"$room","text":"x"}`, "invalid", "clientId"},
		{"send: an empty clientId", "message:send", `{"roomId":"$room","clientId":"","text":"x"}`, "invalid", "clientId"},
		{"send: a clientId of 65 characters", "message:send", `{"roomId":"$room","clientId":"` + strings.Repeat("c", 65) + `","text":"x"}`, "invalid", "clientId"},
		{"send: a clientId with a space", "message:send", `{"roomId":"$room","clientId":"a b","text":"x"}`, "invalid", "clientId"},
		{"send: other content under a clientId", "message:send", `{"roomId":"$room","clientId":"$used","text":"other"}`, "conflict", ""},
		{"send: the same again is the same", "message:send", `{"roomId":"$room","clientId":"$used","text":"first"}`, "ok", ""},
		{"send: to a room that is not there", "message:send", `{"roomId":"nowhere","clientId":"$id","text":"x"}`, "not_found", ""},
		{"send: to a private room", "message:send", `{"roomId":"$private","clientId":"$id","text":"x"}`, "not_found", ""},
		{"send: to a room that she left", "message:send", `{"roomId":"$past","clientId":"$id","text":"x"}`, "forbidden", ""},
		{"send: the room is an array", "message:send", `{"roomId":["$room"],"clientId":"$id","text":"x"}`, "invalid", "roomId"},
		{"send: the room's id has a slash", "message:send", `{"roomId":"a/b","clientId":"$id","text":"x"}`, "invalid", "roomId"},
		{"send: an answer to nothing", "message:send", `{"roomId":"$room","clientId":"$id","text":"x","replyTo":"nothing"}`, "not_found", ""},
		{"send: an answer to a message elsewhere", "message:send", `{"roomId":"$own","clientId":"$id","text":"x","replyTo":"$msg"}`, "not_found", ""},
		{"send: replyTo is too long", "message:send", `{"roomId":"$room","clientId":"$id","text":"x","replyTo":"` + strings.Repeat("m", 65) + `"}`, "invalid", "replyTo"},

		{"messages: before and after", "message:list", `{"roomId":"$room","before":5,"after":5}`, "invalid", "only one"},
		{"messages: before 0", "message:list", `{"roomId":"$room","before":0}`, "invalid", "before"},
		{"messages: around 1e400", "message:list", `{"roomId":"$room","around":1e400}`, "invalid", "around"},
		{"messages: of a private room", "message:list", `{"roomId":"$private"}`, "not_found", ""},
		{"messages: limit -1", "message:list", `{"roomId":"$room","limit":-1}`, "invalid", "limit"},

		{"typing: no isTyping", "typing", `{"roomId":"$room"}`, "invalid", "isTyping"},
		{"typing: isTyping is 1", "typing", `{"roomId":"$room","isTyping":1}`, "invalid", "isTyping"},
		{"typing: in a private room", "typing", `{"roomId":"$private","isTyping":true}`, "not_found", ""},
	}
	return rows
}

// eventsDoor lets Eve ask for everything that she may not have; ada owns the room in which the bystanders talk.
func eventsDoor(t *testing.T, w *world, ada *bystander, room string) int {
	eve := w.attend(t, "Eve", client.WebSocket)
	defer eve.Close()
	text := func(m map[string]any, keys ...string) string {
		for _, k := range keys[:len(keys)-1] {
			m = m[k].(map[string]any)
		}
		return fmt.Sprint(m[keys[len(keys)-1]])
	}
	used, made, gone := newID(), newID(), newID()
	eve.must(t, "room:join", map[string]any{"roomId": room})
	msg := text(eve.must(t, "message:send", map[string]any{"roomId": room, "clientId": used, "text": "first"}), "id")
	past := text(ada.must(t, "room:create", map[string]any{"clientId": newID(), "name": "past"}), "room", "id")
	eve.must(t, "room:join", map[string]any{"roomId": past, "clientId": gone})
	eve.must(t, "room:leave", map[string]any{"roomId": past})
	fill := strings.NewReplacer("$room", room, "$used", used, "$made", made, "$gone", gone, "$msg", msg, "$past", past,
		"$private", text(ada.must(t, "room:create", map[string]any{"clientId": newID(), "name": "private", "private": true}), "room", "id"),
		"$own", text(eve.must(t, "room:create", map[string]any{"clientId": made, "name": "own"}), "room", "id"),
		"$old", chat.NewUUIDv7(time.Now().Add(-6*time.Minute)), "$ahead", chat.NewUUIDv7(time.Now().Add(time.Hour)))
	for _, r := range eventRows() {
		t.Run(r.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			payload := json.RawMessage(strings.ReplaceAll(fill.Replace(r.payload), "$id", newID()))
			_, err := eve.Call(ctx, r.request, payload)
			var f *client.Failure
			switch {
			case r.code == "ok":
				if err != nil {
					t.Errorf("refused: %v", err)
				}
			case !errors.As(err, &f) || f.Code != r.code || !strings.Contains(f.Message, r.says):
				t.Errorf("%v, want %s with %q", err, r.code, r.says)
			}
		})
	}
	t.Run("too many at once", func(t *testing.T) { flood(t, eve) })
	eve.undisturbed(t)
	mine := 0
	for _, m := range historyOf(t, ada, room) {
		if m.ClientID == used {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("Eve's one message is %d times in history", mine)
	}
	return len(eventRows()) + 1
}

// flood asks more often than --events-per-socket allows: what is beyond it is rate_limited, with a time after which to try again.
func flood(t *testing.T, eve *bystander) {
	const asked = 1500
	answers := make(chan error, asked)
	for range asked {
		eve.Emit("room:list", map[string]any{"limit": 0}, func(a json.RawMessage, err error) {
			if err == nil {
				_, err = client.Answer(a)
			}
			answers <- err
		})
	}
	refused := 0
	for range asked {
		err := <-answers
		var f *client.Failure
		switch {
		case errors.As(err, &f) && f.Code == "invalid":
		case f == nil || f.Code != "rate_limited" || f.RetryAfterMs <= 0 || !strings.Contains(f.Message, "--events-per-socket"):
			t.Fatalf("%v", err)
		default:
			refused++
		}
	}
	if refused == 0 {
		t.Error("none is refused")
	}
}
