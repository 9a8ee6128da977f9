package wellformed_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/internal/wellformed"
)

// FuzzObject: the quick answer is that of the standard library.
func FuzzObject(f *testing.F) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	for _, body := range []string{`{}`, `{"text":"é\n\"\\\u00e9"}`, ``, `[]`, ` {}`, `{} `, `{}{}`, `{"a":1,}`, `{"a" : [1 , 2.5e-7, -0, true, null]}`, `{"a":01}`, `{"a":1.}`,
		`{"a":+1}`, "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\x"}`, `{a:1}`, "{\"a\":\"\x1e\"}", `{"a":`, `nul`, deep(3), deep(999), deep(1000),
		deep(9_998), deep(9_999), deep(10_000), deep(30_000), strings.Repeat(`{"a":`, 30_000)} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		want := utf8.Valid(body) && json.Valid(body) && body[0] == '{'
		if got := wellformed.Object(body); got != want {
			t.Fatalf("%v, where the standard library says %v", got, want)
		}
	})
}
