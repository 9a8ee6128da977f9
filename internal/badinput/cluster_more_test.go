package badinput_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/hubbub-chat/hubbub/internal/bus"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

// note is a row of the bus: bytes that no hubbub publishes.
type note struct {
	name    string
	channel chat.Channel
	data    []byte
}

func notes(bob chat.UserID) []note {
	room, digest := chat.RoomChannel(chat.LobbyID), chat.DigestChannel(chat.PartitionOf(chat.LobbyID, 4))
	bad := chat.Record{Seq: 1 << 52, Kind: chat.KindMessage, Room: chat.LobbyID, ID: "x", User: "eve", Body: []byte(`{"text":`)}
	return []note{
		{"nothing", room, nil},
		{"garbage", room, []byte("garbage")},
		{"a span cut off", room, chat.Span{From: 1, To: 2, Records: []chat.Record{bad}}.Encode()[:20]},
		{"a span of the far future", room, chat.Span{From: 1<<52 - 1, To: 1 << 52, Records: []chat.Record{bad}}.Encode()},
		{"a span that goes back", room, chat.Span{From: 1 << 44, To: 1}.Encode()},
		{"a span of a billion records", room, []byte("S\x01\x02\xff\xff\xff\xff\x0f")},
		{"a digest in a room", room, chat.Digest{P0: 1, P1: 2}.Encode()},
		{"a whisper of broken JSON", room, chat.Whisper{Name: "typing", From: "eve", Body: []byte(`{"roomId":`)}.Encode()},
		{"a whisper that is no object", room, chat.Whisper{Name: "typing", From: "eve", Body: []byte(`7`)}.Encode()},
		{"a whisper that is not UTF-8", room, chat.Whisper{Name: "typing", From: "eve", Body: []byte("{\"a\":\"\xff\"}")}.Encode()},
		{"a whisper with the separator", room, chat.Whisper{Name: "typing", From: "eve", Body: []byte("{\"a\":\"\x1e\"}")}.Encode()},
		{"half a megabyte", room, bytes.Repeat([]byte{'S'}, 1<<19)},
		{"garbage for a partition", digest, []byte("garbage")},
		{"a span for a partition", digest, chat.Span{From: 1, To: 2}.Encode()},
		{"a digest cut off", digest, chat.Digest{P0: 1, P1: 2, Heads: map[chat.RoomID]chat.Seq{"lobby": 2}}.Encode()[:5]},
		{"garbage for a user", chat.UserChannel(bob), []byte("garbage")},
		{"broken JSON for a user", chat.UserChannel(bob), chat.Whisper{Name: "room:invited", Body: []byte(`{`)}.Encode()},
	}
}

// redisDoor publishes what no hubbub publishes, and writes into the lobby's presence.
func redisDoor(t *testing.T, w *shared, bob *bystander) int {
	o, err := bus.ParseRedis(w.redis + "?name=" + w.name)
	if err != nil {
		t.Fatal(err)
	}
	o.Partitions, o.Logger = 4, slog.New(slog.DiscardHandler)
	b, err := bus.OpenRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := chat.PartitionOf(chat.LobbyID, 4)
	rows := notes(chat.UserID(bob.id))
	for _, n := range rows {
		t.Run(n.name, func(t *testing.T) {
			if err := b.Publish(t.Context(), []chat.Note{{Partition: p, Channel: n.channel, Data: n.data}}); err != nil {
				t.Fatal(err)
			}
			heardOn(t, bob)
		})
	}
	raw, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{strings.TrimPrefix(w.redis, "redis://")}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fields := []string{"", "garbage", "\x02", "\x02aaaaaaaaaaaaaaaa\xff\xff\xff\xff\x7f", strings.Repeat("\x01", 100_000)}
	for i, f := range fields {
		t.Run(fmt.Sprint("presence ", i), func(t *testing.T) {
			key := fmt.Sprintf("{%s:p%d}here:lobby", w.name, p)
			if err := raw.Do(t.Context(), raw.B().Hset().Key(key).FieldValue().FieldValue(fmt.Sprint("node-evil", i), f).Build()).Error(); err != nil {
				t.Fatal(err)
			}
			here := 0
			for _, m := range bob.must(t, "room:members", map[string]any{"roomId": "lobby"})["members"].([]any) {
				if m.(map[string]any)["here"] == true {
					here++
				}
			}
			if here < 3 {
				t.Errorf("%d of three are here", here)
			}
			heardOn(t, bob)
		})
	}
	return len(rows) + len(fields)
}

// document is a row of MongoDB: a field that is set to what it can not be, and what a request for it is answered; see stored.
type document struct {
	name       string
	collection string
	field      string
	value      any
	request    string
	payload    string
	code       string
	says       string
}

func documents() []document {
	const page, list = `{"roomId":"$shelf","after":0,"limit":5}`, `{"mine":true}`
	deleted := `"deleted":true,"reason":"unstorable"`
	return []document{
		{"a body of broken JSON", "rows", "body", `{"text":`, "message:list", page, "ok", deleted},
		{"a body that is no object", "rows", "body", `[1]`, "message:list", page, "ok", deleted},
		{"an empty body", "rows", "body", "", "message:list", page, "ok", deleted},
		{"a body that is a number", "rows", "body", 7, "message:list", page, "unavailable", ""},
		{"a body that is a document", "rows", "body", bson.D{{Key: "text", Value: "x"}}, "message:list", page, "unavailable", ""},
		{"a time that is a word", "rows", "at", "yesterday", "message:list", page, "unavailable", ""},
		{"a sum that is an array", "rows", "sum", bson.A{1}, "message:list", page, "unavailable", ""},
		{"a user that is a number", "rows", "user", 7, "message:list", page, "unavailable", ""},
		{"a room with a number of words", "rooms", "members", "many", "room:list", list, "unavailable", ""},
		{"a room that is private in words", "rooms", "private", "perhaps", "room:list", list, "unavailable", ""},
		{"a room whose name is a document", "rooms", "name", bson.D{}, "room:list", list, "unavailable", ""},
		{"a member in a state of words", "members", "state", "perhaps", "room:list", list, "ok", `"rooms":[]`},
		{"a member since a word", "members", "joined", "once", "room:list", list, "unavailable", ""},
	}
}

// mongoDoor spoils single documents under a running node.
func mongoDoor(t *testing.T, w *shared) int {
	lib := w.attend(t, "Librarian", client.WebSocket)
	defer lib.Close()
	shelf := lib.must(t, "room:create", map[string]any{"clientId": newID(), "name": "shelf"})["room"].(map[string]any)["id"].(string)
	first := ""
	for i := range 60 {
		id := lib.must(t, "message:send", map[string]any{"roomId": shelf, "clientId": newID(), "text": fmt.Sprint("book ", i)})["id"].(string)
		if i == 0 {
			first = id
		}
	}
	cl, err := mongo.Connect(options.Client().ApplyURI(w.mongo))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Disconnect(context.Background())
	db := cl.Database(w.name)
	until(t, "all is saved", func() bool {
		n, err := db.Collection("rows").CountDocuments(t.Context(), bson.D{{Key: "room", Value: shelf}})
		return err == nil && n >= 61
	})
	filters := map[string]bson.D{"rows": {{Key: "_id", Value: first}}, "rooms": {{Key: "_id", Value: shelf}},
		"members": {{Key: "room", Value: shelf}, {Key: "user", Value: lib.id}}}
	for _, d := range documents() {
		t.Run(d.name, func(t *testing.T) {
			c, filter := db.Collection(d.collection), filters[d.collection]
			var was bson.D
			if err := c.FindOne(t.Context(), filter).Decode(&was); err != nil {
				t.Fatal(err)
			}
			set := func(v any) {
				if _, err := c.UpdateOne(t.Context(), filter, bson.D{{Key: "$set", Value: bson.D{{Key: d.field, Value: v}}}}); err != nil {
					t.Fatal(err)
				}
			}
			ask := func() (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				data, err := lib.Call(ctx, d.request, jsonText(strings.ReplaceAll(d.payload, "$shelf", shelf)))
				return string(data), err
			}
			set(d.value)
			text, err := ask()
			for _, e := range was {
				if e.Key == d.field {
					set(e.Value)
				}
			}
			var f *client.Failure
			switch {
			case d.code == "ok" && (err != nil || !strings.Contains(text, d.says)):
				t.Errorf("%.300s, %v, want %q", text, err, d.says)
			case d.code != "ok" && (!errors.As(err, &f) || f.Code != d.code):
				t.Errorf("%.300s, %v, want %s", text, err, d.code)
			}
			if text, err := ask(); err != nil || strings.Contains(text, "deleted") {
				t.Errorf("put right: %.300s, %v", text, err)
			}
		})
	}
	if got := historyOf(t, lib, shelf); len(got) != 60 {
		t.Errorf("%d messages of 60", len(got))
	}
	lib.undisturbed(t)
	return len(documents())
}
