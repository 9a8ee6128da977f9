package gateway

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/wellformed"
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
		page := answerOfPage(messagePage{}, []chat.Record{r})
		if !json.Valid(page) || bytes.IndexByte(page, 0x1e) >= 0 {
			t.Fatalf("page %s", page)
		}
		got := Encoder{}.Record(r).Wire.(*wire).frame
		shown := chat.Shown(r, wellformed.Object)
		want := socketio.EncodeEvent(namespace, shown.Kind.EventName(), chat.AppendEvent(nil, shown))
		if got.Size() != want.Size() {
			t.Fatalf("%d bytes, want %d", got.Size(), want.Size())
		}
		if chat.Malformed(r, wellformed.Object) == "" && r.Kind.EventName() != "" && !bytes.Contains(page, body[1:]) {
			t.Fatalf("%s was shown as %s", body, page)
		}
	})
}
