package gateway

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/socketio"
)

// FuzzShown: whatever a record holds, its event and its place on a page are valid JSON, so that it ends no connection.
func FuzzShown(f *testing.F) {
	for _, s := range []string{`{"id":"i","text":"hello"}`, ``, `{`, `{}`, `[]`, `{"text":`, "{\"text\":\"\xff\"}", "{\"text\":\"\x00\"}", "{\"text\":\"\x1e\"}",
		`{"text":"a"}{"text":"b"}`, ` {"text":"a"}`, `null`, `{ }`, "{\n\t}", `{ "text":"a"}`} {
		f.Add(byte(1), []byte(s))
	}
	f.Add(byte(0), []byte(`{}`))
	f.Add(byte(99), []byte(`{"text":"a"}`))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		r := chat.Record{Seq: 5, Kind: chat.Kind(kind), Room: "r", ID: "i", User: "u", Body: body}
		page := pageOf(chat.Page{Rows: []chat.Record{r}}, chat.Range{}, 1<<20)
		if !json.Valid(marshal(page)) {
			t.Fatalf("page %s", marshal(page))
		}
		got := Encoder{}.Record(r).Wire.(*wire).frame
		shown := chat.Shown(r)
		want := socketio.EncodeEvent(namespace, shown.Kind.EventName(), chat.AppendEvent(nil, shown))
		if got.Size() != want.Size() || !json.Valid(page.Messages[0]) || bytes.IndexByte(page.Messages[0], 0x1e) >= 0 {
			t.Fatalf("%d bytes, want %d; %s", got.Size(), want.Size(), page.Messages[0])
		}
		if chat.Malformed(r) == "" && r.Kind.EventName() != "" && !bytes.Contains(page.Messages[0], body[1:]) {
			t.Fatalf("%s was shown as %s", body, page.Messages[0])
		}
	})
}
