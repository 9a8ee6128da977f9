package gateway

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzSplitObject: of valid objects it gives what a decoder into a map gives; of all else nothing, or parts, without a panic.
func FuzzSplitObject(f *testing.F) {
	for _, s := range []string{`{}`, ` { } `, `{"a":1}`, "{\n\"a\" : [1, {\"b\":\"}\"}] ,\t\"c\":null}\r\n", `{"a":1,"a":2}`, `{"\u0061\"":"\\"}`, `{"":"","ü":"\ud83d\ude00"}`,
		`{"a":-1.5e+3,"b":true,"c":{},"d":[]}`, `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":]`, `{"a" 1}`, `{a:1}`, `["a"]`, `"a"`, ``, `{"a":"b\`, `{"a":1 "b":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ms, ok := splitObject(raw)
		var want map[string]json.RawMessage
		if !utf8.Valid(raw) || json.Unmarshal(raw, &want) != nil || want == nil {
			return
		}
		got := map[string]json.RawMessage{}
		for _, m := range ms {
			got[string(m.name)] = m.raw
		}
		if !ok || !maps.EqualFunc(got, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			t.Fatalf("%q: %v, %q, want %q", raw, ok, got, want)
		}
		for name, value := range got {
			var s string
			is := strings.HasPrefix(string(value), `"`) && json.Unmarshal(value, &s) == nil
			if text, ok := unquote(value); ok != is || is && text != s {
				t.Fatalf("%s: %s: %q, %v, want %q, %v", name, value, text, ok, s, is)
			}
		}
	})
}

func BenchmarkParseFields(b *testing.B) {
	args := []json.RawMessage{json.RawMessage(`{"roomId":"BQJ90H84i65Dpz33sfXPmg","clientId":"019abcde-f012-7abc-8def-0123456789ab","text":"` + strings.Repeat("a text ", 15) + `"}`)}
	b.ReportAllocs()
	for b.Loop() {
		if f := parseFields(args, 32); f.room() == "" || f.required("text") == "" || f.clientID(true) == "" {
			b.Fatal(f.err)
		}
	}
}
