package badinput_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// stored is a row of the store: what is written into the file of a node that runs, past it, and what a request for it is answered. $shelf
// is a room whose first messages only the store has, $row the place of the first, $user who wrote it. code is "ok" where the answer has
// what says names. What was spoilt is put right again afterwards; then the request must be answered.
type stored struct {
	name    string
	table   string // with a condition for the row
	column  string
	value   string // SQL
	request string
	payload string
	code    string
	says    string
}

func storedRows() []stored {
	const row, page = "rows WHERE room = '$shelf' AND seq = $row", `{"roomId":"$shelf","after":0,"limit":5}`
	const room, list = "rooms WHERE id = '$shelf'", `{"query":"shelf"}`
	const member, members = "members WHERE room = '$shelf' AND user = '$user'", `{"roomId":"$shelf"}`
	deleted := `"deleted":true,"reason":"unstorable"`
	return []stored{
		{"a body of broken JSON", row, "body", `CAST('{"text":' AS BLOB)`, "message:list", page, "ok", deleted},
		{"a body that is no object", row, "body", `CAST('[1,2]' AS BLOB)`, "message:list", page, "ok", deleted},
		{"a body that is not UTF-8", row, "body", `CAST('{"text":"' AS BLOB) || x'ff' || CAST('"}' AS BLOB)`, "message:list", page, "ok", deleted},
		{"a body of bytes", row, "body", `x'0001020304'`, "message:list", page, "ok", deleted},
		{"a body with the separator of packets", row, "body", `CAST('{"text":"' AS BLOB) || x'1e' || CAST('"}' AS BLOB)`, "message:list", page, "ok", deleted},
		{"a body that is a text", row, "body", `CAST(body AS TEXT)`, "message:list", page, "ok", `"text":"book 0"`},
		{"a time that is a word", row, "at", `'yesterday'`, "message:list", page, "unavailable", ""},
		{"a time of bytes", row, "sent", `x'00ff'`, "message:list", page, "unavailable", ""},
		{"a sum that is a fraction", row, "sum", `0.5`, "message:list", page, "unavailable", ""},
		{"a kind that is a number of words", row, "kind", `'one'`, "message:list", `{"roomId":"$shelf","after":0,"limit":1}`, "ok", `"text":"book 1"`},
		{"a user of bytes", row, "user", `x'ff00'`, "message:list", page, "ok", `"text":"book 0"`},
		{"a room with a number of words", room, "members", `'many'`, "room:list", list, "unavailable", ""},
		{"a room that is private in words", room, "private", `'perhaps'`, "room:list", list, "unavailable", ""},
		{"a room made at no time", room, "created", `'once'`, "room:list", list, "unavailable", ""},
		{"a room without a name", room, "name", `''`, "room:list", `{"mine":true}`, "ok", "$shelf"},
		{"a room with a name of bytes", room, "name", `x'ff'`, "room:list", `{"mine":true}`, "ok", "$shelf"},
		{"a member in a state of words", member, "state", `'perhaps'`, "room:list", `{"mine":true}`, "ok", `"rooms":[]`},
		{"a member since a word", member, "joined", `'once'`, "room:list", `{"mine":true}`, "unavailable", ""},
	}
}

// storeDoor spoils single rows in the file under a running node.
func storeDoor(t *testing.T, w *world) int {
	lib := w.attend(t, "Librarian", client.WebSocket)
	defer lib.Close()
	shelf := lib.must(t, "room:create", map[string]any{"clientId": newID(), "name": "shelf"})["room"].(map[string]any)["id"].(string)
	var first, last float64
	for i := range 60 { // the newest 50 are in the node's memory
		last = lib.must(t, "message:send", map[string]any{"roomId": shelf, "clientId": newID(), "text": fmt.Sprint("book ", i)})["seq"].(float64)
		if i == 0 {
			first = last
		}
	}
	d := dir(w.data)
	until(t, "all is saved", func() bool { return float64(d.saved(t)) >= last })
	fill := strings.NewReplacer("$shelf", shelf, "$row", fmt.Sprintf("%.0f", first), "$user", lib.id)
	for _, r := range storedRows() {
		t.Run(r.name, func(t *testing.T) {
			table, where, _ := strings.Cut(fill.Replace(r.table), " WHERE ")
			ask := func() (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				data, err := lib.Call(ctx, r.request, jsonText(fill.Replace(r.payload)))
				return string(data), err
			}
			d.statement(t, fmt.Sprintf("CREATE TABLE kept AS SELECT * FROM %s WHERE %s", table, where))
			d.statement(t, fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", table, r.column, r.value, where))
			text, err := ask()
			d.statement(t, fmt.Sprintf("UPDATE %s SET %s = (SELECT %s FROM kept) WHERE %s; DROP TABLE kept", table, r.column, r.column, where))
			var f *client.Failure
			switch {
			case r.code == "ok" && (err != nil || !strings.Contains(text, fill.Replace(r.says))):
				t.Errorf("%.300s, %v, want %q", text, err, fill.Replace(r.says))
			case r.code != "ok" && (!errors.As(err, &f) || f.Code != r.code):
				t.Errorf("%.300s, %v, want %s", text, err, r.code)
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
	return len(storedRows())
}
