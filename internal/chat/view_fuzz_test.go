package chat_test

import (
	"encoding/json"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
)

// FuzzFold: whatever records a log holds, a view of a room can be made of them: the owner does not change, and nobody is a member twice.
func FuzzFold(f *testing.F) {
	create := chat.Record{Seq: 1, Kind: chat.KindCreate, Room: "r", ID: "c", User: "ada", Subject: "ada",
		Body: chat.Body{ID: "c", RoomID: "r", User: chat.User{ID: "ada", Name: "Ada"}, Room: &chat.RoomInfo{Name: "n", Owner: "ada"}}.Encode()}
	f.Add(byte(2), byte(3), "eve", []byte(`{"user":{"id":"eve","name":"Eve"}}`))
	f.Add(byte(4), byte(5), "eve", []byte(`{"room":{"name":"mine","owner":"eve"},"name":"x"}`))
	f.Add(byte(5), byte(6), "", []byte(`{"name":7}`))
	f.Add(byte(0), byte(99), "ada", []byte(nil))
	f.Fuzz(func(t *testing.T, first, second byte, subject string, body []byte) {
		v := (&chat.View{}).Fold(create)
		for i, kind := range []byte{first, second} {
			r := chat.Record{Seq: chat.Seq(2 + i), Kind: chat.Kind(kind), Room: "r", ID: "x", User: "eve", Subject: chat.UserID(subject), Body: body}
			v = v.Fold(r)
			_ = chat.AppendEvent(nil, chat.Shown(r, json.Valid))
		}
		if v.Room().Owner != "ada" || v.Room().ID != "r" {
			t.Fatalf("%+v", v.Room())
		}
		seen := map[chat.UserID]bool{}
		v.Each(func(m chat.Member) bool {
			if seen[m.User.ID] || m.User.ID == "" {
				t.Fatalf("member %+v", m)
			}
			seen[m.User.ID] = true
			return true
		})
	})
}
