package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/store"
)

// TestOldRows: the rows of a file of the first version are there after it was brought up, each kind, at their places, edits included.
func TestOldRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "old.db")
	at := func(n int64) chat.Seq { return chat.MakeSeq(1, n) }
	setup := []string{store.FirstSchema(), fmt.Sprintf("PRAGMA application_id = %d", store.ApplicationID), "PRAGMA user_version = 1",
		"INSERT INTO log (one, id, generation, partitions) VALUES (1, 'l', 1, 1)", fmt.Sprintf("INSERT INTO marks VALUES (0, %d, 7)", at(100))}
	kinds := []chat.Kind{chat.KindCreate, chat.KindJoin, chat.KindMessage, chat.KindJoin, chat.KindLeave, chat.KindTombstone, chat.KindMessage}
	for i, k := range slices.Backward(kinds) { // the order of a file need not be that of a room
		rev := at(int64(i + 1))
		if k == chat.KindTombstone {
			rev = at(50)
		}
		setup = append(setup, fmt.Sprintf(`INSERT INTO rows VALUES ('r', %d, %d, 'id%d', %d, 'u', 's', %d, 5, -3, '{"a":1}')`, at(int64(i+1)), rev, i+1, k, i))
	}
	rawSQL(t, path, append(setup, "DROP INDEX rows_talk")...) // which each start would have mended
	for _, told := range []string{"from=1 to=3", ""} {        // the second time nothing is left to do
		var said bytes.Buffer
		s, err := store.OpenSQLite(t.Context(), path, slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got := said.String(); (got == "") != (told == "") || !strings.Contains(got, told) {
			t.Errorf("the operator was told %q", got)
		}
		want(t, "all", ids(t)(s.Page(t.Context(), "r", chat.Range{All: true}, 100)), "id1 id2 id3 id4 id5 id6 id7")
		want(t, "the talk", ids(t)(s.Page(t.Context(), "r", chat.Range{}, 100)), "id3 id6 id7")
		want(t, "two around 4", ids(t)(s.Page(t.Context(), "r", chat.Range{All: true, Around: at(4)}, 2)), "id4 id5")
		want(t, "above 5", ids(t)(s.Page(t.Context(), "r", chat.Range{All: true, After: at(5)}, 100)), "id6 id7")
		want(t, "changes since 6", ids(t)(s.Changed(t.Context(), "r", at(6), 100)), "id7 id6")
		r, err := s.ByID(t.Context(), "r", "id2")
		if err != nil || r.Seq != at(2) || r.Kind != chat.KindJoin || r.User != "u" || r.Subject != "s" || r.At != 1 || r.Sent != 5 || int64(r.Sum) != -3 || string(r.Body) != `{"a":1}` {
			t.Errorf("%+v, %v", r, err)
		}
		closeStore(t, s)
	}
}

// TestPagesAreNotSorted: a page of all kinds is merged from two indexes as it is read, so that it costs its own length and not the room's.
func TestPagesAreNotSorted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	closeStore(t, openAt(t, path))
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, all := range []bool{false, true} {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+store.PageQuery(all), "r", 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, none int
			var detail string
			if err := rows.Scan(&id, &parent, &none, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(plan, "; ")
		if !strings.Contains(got, "USING INDEX rows_talk (room=? AND seq<?)") || strings.Contains(got, "rows_moves (room=? AND seq<?)") != all ||
			strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") {
			t.Errorf("all %v: %s", all, got)
		}
	}
}

// ids gives a page's ids, in its order.
func ids(t *testing.T) func(chat.Page, error) string {
	return func(p chat.Page, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range p.Rows {
			out = append(out, string(r.ID))
		}
		return strings.Join(out, " ")
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}
