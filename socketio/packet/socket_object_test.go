package packet_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/socketio/packet"
)

// FuzzSplitObject: of valid objects it gives what a decoder into a map gives; of all else nothing, or parts, without a panic.
func FuzzSplitObject(f *testing.F) {
	for _, s := range []string{`{}`, ` { } `, `{"a":1}`, "{\n\"a\" : [1, {\"b\":\"}\"}] ,\t\"c\":null}\r\n", `{"a":1,"a":2}`, `{"\u0061\"":"\\"}`, `{"":"","ü":"\ud83d\ude00"}`,
		`{"a":-1.5e+3,"b":true,"c":{},"d":[]}`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":]`, `{"a" 1}`, `{a:1}`, `["a"]`, `"a"`, ``, `{"a":"b\`, `{"a":1 "b":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ms, ok := packet.SplitObject(raw)
		var want map[string]json.RawMessage
		if !utf8.Valid(raw) || json.Unmarshal(raw, &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		for _, m := range ms {
			got[string(m.Name)] = m.JSON
		}
		if !ok || !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Fatalf("%q: %v, %q, want %q", raw, ok, got, want)
		}
		for name, value := range got {
			var s string
			is := strings.HasPrefix(string(value), `"`) && json.Unmarshal(value, &s) == nil
			if text, ok := packet.Unquote(value); ok != is || is && text != s {
				t.Fatalf("%s: %s: %q, %v, want %q, %v", name, value, text, ok, s, is)
			}
		}
	})
}
