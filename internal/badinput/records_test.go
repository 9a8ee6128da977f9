package badinput_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// poison is a row of the log: bytes that no hubbub writes, put there past every check, between two good messages of the lobby. They harm
// nobody; but in front of what a newer hubbub wrote the log stops and says so, and what lies behind is `unavailable`.
type poison struct {
	name  string
	body  []byte
	stops bool
}

// record is a good message to the lobby, changed.
func record(change func(r *chat.Record)) []byte {
	id := chat.MakeMessageID(chat.LobbyID, "eve", newID())
	r := chat.Record{Kind: chat.KindMessage, Room: chat.LobbyID, ID: id, User: "eve", Sent: time.Now().UnixMilli(), Sum: 7,
		Body: message(id, "poison")}
	change(&r)
	return chat.AppendRecord(nil, r)
}

// planted is the clientId of what was put straight into an engine.
const planted = "planted"

func message(id chat.MessageID, text string) []byte {
	return chat.Body{ID: id, RoomID: chat.LobbyID, ClientID: planted, User: chat.User{ID: "eve", Name: "Eve"}, Text: &text, At: 1}.Encode()
}

func poisons() []poison {
	with := func(body string) []byte { return record(func(r *chat.Record) { r.Body = []byte(body) }) }
	kind := func(k chat.Kind) []byte { return record(func(r *chat.Record) { r.Kind = k }) }
	return []poison{
		{"garbage", []byte("this is no record"), false},
		{"a single byte", []byte{1}, false},
		{"a record cut off", record(func(*chat.Record) {})[:30], false},
		{"a record of version 9", append([]byte{9}, record(func(*chat.Record) {})[1:]...), true},
		{"kind 0", kind(0), false},
		{"kind 99", kind(99), false},
		{"a tombstone, which only stores have", kind(chat.KindTombstone), false},
		{"no body", with(""), false},
		{"a body of broken JSON", with(`{"id":"x","text":`), false},
		{"a body of a space", with(`{ }`), false},
		{"a body that is no object", with(`["text"]`), false},
		{"a body of wrong types", with(`{"id":7,"user":"eve","text":{},"at":"now"}`), false},
		{"a body that is not UTF-8", with("{\"text\":\"\xff\"}"), false},
		{"a body with U+0000", with("{\"text\":\"a\x00b\"}"), false},
		{"a body with the separator of packets", with("{\"text\":\"a\x1e42[]\"}"), false},
		{"a body with two objects", with(`{"text":"a"}{"text":"b"}`), false},
		{"a body of another room", with(strings.Replace(string(message("x", "y")), "lobby", "other", 1)), false},
		{"a body of 300 kB", with(`{"text":"` + strings.Repeat("x", 300_000) + `"}`), false},
		{"no room", record(func(r *chat.Record) { r.Room = "" }), false},
		{"a room that nobody made", record(func(r *chat.Record) { r.Room = "nowhere" }), false},
		{"no id", record(func(r *chat.Record) { r.ID = "" }), false},
		{"no user", record(func(r *chat.Record) { r.User = "" }), false},
		{"a join of nobody", kind(chat.KindJoin), false},
		{"an update without a name", kind(chat.KindUpdate), false},
		{"a creation of the lobby by Eve", record(func(r *chat.Record) {
			r.Kind, r.Subject = chat.KindCreate, "eve"
			r.Body = chat.Body{ID: r.ID, RoomID: r.Room, User: chat.User{ID: "eve"}, Room: &chat.RoomInfo{Name: "Eve's", Owner: "eve"}}.Encode()
		}), false},
		{"a time before there was time", record(func(r *chat.Record) { r.Sent = -1 << 60 }), false},
	}
}

// put appends bytes to the log of a node that does not run.
func (d dir) put(t *testing.T, bodies ...[]byte) {
	t.Helper()
	files, err := segment.OpenDir(d.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := segment.ReadManifest(files)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.LogID()
	if err != nil {
		t.Fatal(err)
	}
	log, err := segment.Open(segment.Options{FS: files, Log: id, Generation: m.Generation})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		done := make(chan error, 1)
		log.Append(b, func(_, _ int64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// recordsDoor starts nodes on logs that hold what no hubbub writes.
func recordsDoor(t *testing.T) int {
	clean := dir(t.TempDir())
	w, err := begin(string(clean))
	if err != nil {
		t.Fatal(err)
	}
	ada := w.attend(t, "Ada", client.WebSocket)
	ada.must(t, "room:join", map[string]any{"roomId": "lobby"})
	ada.must(t, "message:send", map[string]any{"roomId": "lobby", "clientId": "before", "text": "before"})
	ada.Close()
	w.stop(t)
	good := func(i int) []byte {
		id := chat.MakeMessageID(chat.LobbyID, chat.UserID(ada.id), fmt.Sprint("after ", i))
		return record(func(r *chat.Record) {
			r.User, r.ID, r.Body = chat.UserID(ada.id), id, message(id, fmt.Sprint("after ", i))
		})
	}
	all := sideBySide(t)
	defer all.wait()
	var harmless [][]byte
	for i, p := range poisons() {
		if !p.stops {
			harmless = append(harmless, p.body, good(i))
			continue
		}
		all.run(p.name, true, func(t *testing.T) {
			d := clean.copyOf(t)
			d.put(t, p.body, good(i))
			w, err := begin(string(d))
			if err != nil {
				t.Fatal(err)
			}
			defer w.stop(t)
			until(t, "it says what is wrong", func() bool {
				_, text, _ := w.dial(t).ask("GET /readyz HTTP/1.1\nConnection: close", "")
				return strings.Contains(text, `"log":"down"`) && strings.Contains(text, "run that version")
			})
			unknown(t, w)
		})
	}
	t.Run("harmless", func(t *testing.T) {
		d := clean.copyOf(t)
		d.put(t, harmless...)
		w, err := begin(string(d))
		if err != nil {
			t.Fatal(err)
		}
		defer w.stop(t)
		survives(t, w, ada.token)
	})
	return len(poisons())
}

// survives says whether people can go on in the lobby: what was there before and behind the poison is there, and new messages are
// kept and heard.
func survives(t *testing.T, w *world, token string) {
	t.Helper()
	ada, bob := w.attend(t, "Ada", client.WebSocket), w.attend(t, "Bob", client.Polling)
	defer ada.Close()
	defer bob.Close()
	for _, b := range []*bystander{ada, bob} {
		b.must(t, "room:join", map[string]any{"roomId": "lobby"})
	}
	for i := range 3 {
		ada.must(t, "message:send", map[string]any{"roomId": "lobby", "clientId": newID(), "text": fmt.Sprint("new ", i)})
	}
	until(t, "Bob hears", func() bool { return len(bob.ofRoom("lobby")) >= 3 })
	want := []string{"before"}
	for i, p := range poisons() {
		if !p.stops {
			want = append(want, fmt.Sprint("after ", i))
		}
	}
	want = append(want, "new 0", "new 1", "new 2")
	var got []string
	for _, m := range historyOf(t, bob, "lobby") {
		if slices.Contains(want, string(m.Text)) {
			got = append(got, string(m.Text))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("history: %q, want %q", got, want)
	}
	until(t, "all is saved", func() bool {
		_, text, _ := w.dial(t).ask("GET /readyz HTTP/1.1\nConnection: close", "")
		return strings.Contains(text, `"state":"ok"`) && strings.Contains(text, `"lag":0`)
	})
	ada.undisturbed(t)
	bob.undisturbed(t)
}
