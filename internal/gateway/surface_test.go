package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

func TestAChatBetweenTwo(t *testing.T) {
	r := newRig(t, nil)
	ann := r.in("ann")
	a := ann.must("room:join", `{"roomId":"lobby"}`)
	if a.Data["room"].(map[string]any)["name"] != "Lobby" || a.Data["asOf"] == nil || a.Data["hasMore"] != false ||
		len(a.Data["members"].([]any)) != 1 || len(a.Data["messages"].([]any)) != 0 {
		t.Errorf("join: %s", a.raw)
	}
	bob := r.joined("bob")
	ann.event("room:joined", a.at)
	sent := ann.must("message:send", sendOf("lobby", "m1", "hi\u001e<b>"))
	for _, c := range []*client{ann, bob} {
		_, m := c.event("message:new", 0)
		if m["text"] != "hi\u001e<b>" || m["id"] != sent.Data["id"] || m["seq"] != sent.Data["seq"] || m["clientId"] != "m1" {
			t.Errorf("event %v, ack %s", m, sent.raw)
		}
	}
	for _, p := range bob.packets() {
		if strings.ContainsRune(p, 0x1e) {
			t.Errorf("raw U+001E in %q", p)
		}
	}
	if again := ann.must("message:send", sendOf("lobby", "m1", "hi\u001e<b>")); again.raw != sent.raw {
		t.Errorf("first %s, again %s", sent.raw, again.raw)
	}
	if c := ann.call("message:send", sendOf("lobby", "m1", "other")); c.Error.Code != "conflict" {
		t.Errorf("conflict: %s", c.raw)
	}
	l := bob.must("message:list", `{"roomId":"lobby","limit":1}`)
	if ms := l.Data["messages"].([]any); len(ms) != 1 || l.Data["hasMore"] != false || l.Data["newer"] != false {
		t.Errorf("list: %s", l.raw)
	}
	bob.must("typing", `{"roomId":"lobby","isTyping":true}`)
	if _, m := ann.event("typing", 0); m["isTyping"] != true || m["user"].(map[string]any)["id"] != "bob" {
		t.Errorf("typing: %v", m)
	}
	m := bob.must("room:members", `{"roomId":"lobby"}`)
	if m.Data["count"] != 2.0 || len(m.Data["members"].([]any)) != 2 {
		t.Errorf("members: %s", m.raw)
	}
}

func TestRoomsOfOnesOwn(t *testing.T) {
	r := newRig(t, nil)
	ann, bob := r.in("ann"), r.in("bob")
	c := ann.must("room:create", `{"clientId":"r1","name":" My  room ","private":true,"topic":"t"}`)
	room := c.Data["room"].(map[string]any)
	if room["name"] != "My room" || room["private"] != true || room["owner"] != "ann" || room["members"] != 1.0 || c.Data["asOf"] == nil {
		t.Errorf("create: %s", c.raw)
	}
	id := room["id"].(string)
	if again := ann.must("room:create", `{"clientId":"r1","name":"My room","private":true,"topic":"t"}`); again.Data["room"].(map[string]any)["id"] != id {
		t.Errorf("created again: %s", again.raw)
	}
	ann.must("room:invite", fmt.Sprintf(`{"roomId":%q,"userId":"bob"}`, id))
	if _, m := bob.event("room:invited", 0); m["seq"] != nil || m["room"].(map[string]any)["id"] != id {
		t.Errorf("invited: %v", m)
	}
	if _, m := ann.event("room:invited", 0); m["seq"] == nil || m["invitee"] != "bob" {
		t.Errorf("the inviter hears: %v", m)
	}
	_, _, session := r.dial(`{"token":"bob"}`).connected()
	rooms := session["rooms"].([]any)
	if len(rooms) != 1 || rooms[0].(map[string]any)["state"] != "invited" {
		t.Errorf("session: %v", session)
	}
	bob.must("room:join", fmt.Sprintf(`{"roomId":%q}`, id))
	u := ann.must("room:update", fmt.Sprintf(`{"roomId":%q,"clientId":"u1","name":"New"}`, id))
	if u.Data["room"].(map[string]any)["name"] != "New" {
		t.Errorf("update: %s", u.raw)
	}
	if _, m := bob.event("room:updated", 0); m["name"] != "New" {
		t.Errorf("updated: %v", m)
	}
	l := bob.must("room:list", `{"mine":true}`)
	if rs := l.Data["rooms"].([]any); len(rs) != 1 || rs[0].(map[string]any)["state"] != "joined" {
		t.Errorf("list: %s", l.raw)
	}
	bob.must("room:leave", fmt.Sprintf(`{"roomId":%q}`, id))
	ann.must("message:send", sendOf(id, "m1", "after"))
	ann.event("message:new", 0)
	bob.must("room:list", `{}`) // whatever was under way to bob has come
	last := ""
	for _, p := range bob.packets() {
		if strings.HasPrefix(p, "42") && strings.Contains(p, id) && !strings.Contains(p, "typing") {
			last = p
		}
	}
	if !strings.HasPrefix(last, `42["room:left"`) {
		t.Errorf("the last bob hears of the room: %s", last)
	}
}

// Whatever a stranger asks of a private room is answered byte for byte as of one that is not there.
func TestPrivateAndMissingRoomsAreByteAlike(t *testing.T) {
	r := newRig(t, nil)
	ann := r.in("ann")
	id := ann.must("room:create", `{"clientId":"r1","name":"Secret","private":true}`).Data["room"].(map[string]any)["id"].(string)
	eve, left := r.in("eve"), r.in("left")
	ann.must("room:invite", fmt.Sprintf(`{"roomId":%q,"userId":"left"}`, id))
	left.must("room:join", fmt.Sprintf(`{"roomId":%q}`, id))
	left.must("room:leave", fmt.Sprintf(`{"roomId":%q}`, id))
	const missing = "0123456789012345678901"
	for event, payload := range map[string]string{
		"room:join": `{"roomId":%q}`, "room:open": `{"roomId":%q,"since":0}`, "room:leave": `{"roomId":%q}`, "room:members": `{"roomId":%q}`,
		"room:invite": `{"roomId":%q,"userId":"x"}`, "room:update": `{"roomId":%q,"clientId":"u","name":"x"}`,
		"message:send": `{"roomId":%q,"clientId":"m","text":"x"}`, "message:list": `{"roomId":%q}`, "typing": `{"roomId":%q,"isTyping":true}`,
	} {
		for _, c := range []*client{eve, left} {
			there, gone := c.call(event, fmt.Sprintf(payload, id)), c.call(event, fmt.Sprintf(payload, missing))
			if there.OK || there.Error.Code != "not_found" || there.raw != gone.raw {
				t.Errorf("%s: private %s, missing %s", event, there.raw, gone.raw)
			}
		}
	}
	for _, who := range []string{"eve", "left"} {
		c := r.dial(fmt.Sprintf(`{"token":%q,"since":{%q:5,%q:5}}`, who, id, missing))
		c.connected()
		i, a := c.event("gap", 0)
		_, b := c.event("gap", i+1)
		if a["roomId"] == b["roomId"] || a["reason"] != "not_found" || b["reason"] != "not_found" || a["to"] != 0.0 || b["to"] != 0.0 {
			t.Errorf("since: %v and %v", a, b)
		}
	}
	if r.Listeners(chat.RoomID(id)) != 1 {
		t.Errorf("%d listeners in the private room", r.Listeners(chat.RoomID(id)))
	}
}

func TestMalformedRequests(t *testing.T) {
	r := newRig(t, nil)
	c := r.joined("ann")
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, bad := range [][3]string{ // event, arguments, a word of the message
		{"nonsense", `{}`, "no event"},
		{"constructor", `{}`, "no event"},
		{"message:send", `"text"`, "object"},
		{"message:send", `[]`, "object"},
		{"message:send", `null`, "object"},
		{"message:send", `{},{}`, "one object"},
		{"message:send", `{}`, "roomId"},
		{"message:send", `{"roomId":5,"clientId":"a","text":"x"}`, "roomId"},
		{"message:send", `{"roomId":"a b","clientId":"a","text":"x"}`, "roomId"},
		{"message:send", `{"roomId":"lobby","text":"x"}`, "clientId"},
		{"message:send", `{"roomId":"lobby","clientId":"","text":"x"}`, "clientId"},
		{"message:send", `{"roomId":"lobby","clientId":{"$gt":""},"text":"x"}`, "clientId"},
		{"message:send", `{"roomId":"lobby","clientId":"a"}`, "text"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":null}`, "text"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":["x"]}`, "text"},
		{"message:send", `{"roomId":"lobby","clientId":"a","TEXT":"x"}`, "text"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"\u0000"}`, "U+0000"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"\ud800"}`, "surrogate"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"\udc00\ud800"}`, "surrogate"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"x","z":"\u0000"}`, "U+0000"},
		{"message:send", `{"roomId":"lobby","clientId":"a\u0000","text":"x"}`, "U+0000"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"x","z":` + deep + `}`, "--json-depth"},
		{"message:send", `{"roomId":"lobby","clientId":"a","text":"x","replyTo":7}`, "replyTo"},
		{"room:create", `{"clientId":"r","name":"\ud83d"}`, "surrogate"},
		{"room:create", `{"clientId":"r","name":"a\u202eb"}`, "name"},
		{"room:create", `{"clientId":"r","name":"a","topic":"\u0000"}`, "U+0000"},
		{"room:create", `{"clientId":"r","name":"a","private":"yes"}`, "private"},
		{"room:join", `{"roomId":"lobby","clientId":"not-v7"}`, "UUIDv7"},
		{"room:open", `{"roomId":"lobby","since":-1}`, "since"},
		{"room:open", `{"roomId":"lobby","since":1.5}`, "since"},
		{"room:open", `{"roomId":"lobby","since":9007199254740992}`, "since"},
		{"message:list", `{"roomId":"lobby","limit":0}`, "limit"},
		{"message:list", `{"roomId":"lobby","limit":101}`, "--page-size"},
		{"message:list", `{"roomId":"lobby","limit":"5"}`, "limit"},
		{"message:list", `{"roomId":"lobby","before":1,"after":2}`, "only one"},
		{"message:list", `{"roomId":"lobby","before":0}`, "before"},
		{"room:members", `{"roomId":"lobby","cursor":"***"}`, "cursor"},
		{"room:update", `{"roomId":"lobby","clientId":"u"}`, "name or topic"},
		{"room:invite", `{"roomId":"lobby","userId":"~system"}`, "userId"},
		{"typing", `{"roomId":"lobby"}`, "isTyping"},
		{"typing", `{"roomId":"lobby","isTyping":1}`, "isTyping"},
	} {
		a := c.call(bad[0], bad[1])
		if a.OK || a.Error.Code != "invalid" || !strings.Contains(a.Error.Message, bad[2]) {
			t.Errorf("%s %.80s: %s", bad[0], bad[1], a.raw)
		}
	}
	if a := c.call("message:send", sendOf("lobby", "a", strings.Repeat("x", 20_000))); a.Error.Code != "too_large" {
		t.Errorf("too long: %s", a.raw)
	}
	c.write(`42["message:send",`+sendOf("lobby", "quiet", "no ack wanted")+`]`, `42["nonsense"]`, `427777["message:send"]`)
	if _, m := c.event("message:new", 0); m["clientId"] != "quiet" {
		t.Errorf("without an ack: %v", m)
	}
	if a := c.answer(7777); a.OK || a.Error.Code != "invalid" { // a number that no request above has had
		t.Errorf("no payload: %s", a.raw)
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	r := newRig(t, nil)
	for auth, want := range map[string]string{
		`{}`:                                `"code":"unauthorized"`,
		``:                                  `"code":"unauthorized"`,
		`{"token":5}`:                       `"code":"invalid"`,
		`{"name":"a\u0000"}`:                `"code":"invalid"`,
		`{"name":"\ud800"}`:                 `"code":"invalid"`,
		`{"token":"a","since":[]}`:          `"code":"invalid"`,
		`{"token":"a","since":{"x":"1"}}`:   `"code":"invalid"`,
		`{"token":"a","since":{"a b":1}}`:   `"code":"invalid"`,
		`{"token":"a","since":{"x":-1}}`:    `"code":"invalid"`,
		`{"token":"a","log":{},"since":{}}`: `"code":"invalid"`,
	} {
		c := r.dial(auth)
		_, p := c.find("a refusal", 1, func(string) bool { return true })
		if !strings.HasPrefix(p, `44{"message":`) || !strings.Contains(p, want) {
			t.Errorf("auth %s: %s", auth, p)
		}
	}
	if n, _ := r.Channels(); n != 0 || r.g.Stats().Sockets != 0 {
		t.Errorf("%d channels, %+v", n, r.g.Stats())
	}
}

func TestLimitsNameTheirFlag(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limits = Limits{EventsPerSocket: 1, EventsPerUser: 1.6, RoomsPerSocket: 1} })
	for _, room := range []string{"a", "b"} {
		_, err := r.s.CreateRoom(context.Background(), chat.User{ID: "ann"}, chat.CreateRequest{ClientID: room, Name: room})
		if err != nil {
			t.Fatal(err)
		}
	}
	one, two := r.in("ann"), r.in("ann")
	one.must("room:join", `{"roomId":"lobby"}`)
	if a := one.call("room:open", fmt.Sprintf(`{"roomId":%q}`, chat.MakeRoomID("ann", "a"))); !strings.Contains(a.Error.Message, "--rooms-per-socket") {
		t.Errorf("a second room: %s", a.raw)
	}
	var socket, user ack
	for range 6 {
		if a := one.call("nonsense", `{}`); a.Error.Code == "rate_limited" {
			socket = a
		}
	}
	for range 6 {
		if a := two.call("nonsense", `{}`); a.Error.Code == "rate_limited" {
			user = a
			break
		}
	}
	if !strings.Contains(socket.Error.Message, "--events-per-socket") || socket.Error.RetryAfterMs <= 0 {
		t.Errorf("per socket: %s", socket.raw)
	}
	if !strings.Contains(user.Error.Message, "--events-per-user") || user.Error.RetryAfterMs <= 0 {
		t.Errorf("per user: %s", user.raw)
	}
}

func TestATokenThatRunsOutClosesTheSocketOnce(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Auth = door{expires: time.Now().Add(-Leeway + 1500*time.Millisecond)} })
	c := r.joined("ann")
	i, m := c.event("session:expired", 0)
	if m["code"] != "unauthorized" {
		t.Errorf("expired: %v", m)
	}
	if _, p := c.find("DISCONNECT", i+1, func(string) bool { return true }); p != "41" {
		t.Errorf("then %q", p)
	}
	eventually(t, "the socket is gone", func() bool { return r.g.Stats().Sockets == 0 && r.Listeners(chat.LobbyID) == 0 })
}

func TestStatusAndDrain(t *testing.T) {
	r := newRig(t, nil)
	a, b := r.in("ann"), r.in("bob")
	r.g.SetStatus(Status{Log: "ok", Bus: "down", Store: "behind"})
	i, m := a.event("status", 0)
	if m["bus"] != "down" || m["store"] != "behind" || m["draining"] != nil {
		t.Errorf("status %v", m)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.g.Drain(ctx, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if _, m = a.event("status", i+1); m["draining"] != true {
		t.Errorf("status %v", m)
	}
	for _, c := range []*client{a, b} {
		eventually(t, "closed without a DISCONNECT", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.over
		})
		for _, p := range c.packets() {
			if p == "41" {
				t.Error("a DISCONNECT: the client would not come back")
			}
		}
	}
}
