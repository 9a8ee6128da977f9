package main

import (
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/trial/crowd"
)

func TestTheDatabaseIsHeldAgainstHistory(t *testing.T) {
	truth := func() (crowd.History, []row) {
		return crowd.History{"r": {{Seq: 10, ID: "a", Text: "one"}, {Seq: 20, ID: "b", Text: "two"}}},
			[]row{{"a", "r", 10, true, `{"text":"one"}`}, {"join", "r", 15, false, `{}`}, {"b", "r", 20, true, `{"text":"two"}`}, {"z", "lobby", 1, true, `{"text":"x"}`}}
	}
	for name, c := range map[string]struct {
		harm func(h crowd.History, rows []row) []row
		says string
	}{
		"the truth":     {func(h crowd.History, rows []row) []row { return rows }, ""},
		"not saved":     {func(h crowd.History, rows []row) []row { return rows[:2] }, "b of room r is not in the database"},
		"saved twice":   {func(h crowd.History, rows []row) []row { return append(rows, rows[0]) }, "a is in the database twice"},
		"never shown":   {func(h crowd.History, rows []row) []row { return append(rows, row{"c", "r", 30, true, `{}`}) }, "c is in the database and not in history"},
		"another text":  {func(h crowd.History, rows []row) []row { rows[0].Body = `{"text":"uno"}`; return rows }, `with "one" in history`},
		"another place": {func(h crowd.History, rows []row) []row { rows[0].Seq = 11; return rows }, "in the database at 11 of room r"},
		"another room":  {func(h crowd.History, rows []row) []row { rows[0].Room = "lobby"; return rows }, "a of room r is not in the database"},
	} {
		t.Run(name, func(t *testing.T) {
			h, rows := truth()
			err := compare(h, c.harm(h, rows))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("it says %v, wanted %q", err, c.says)
			}
		})
	}
}
