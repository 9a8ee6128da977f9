package gateway

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/workers"
)

// FuzzCheckContent: what passes decodes to texts that every engine can hold, and what decodes to such texts passes.
func FuzzCheckContent(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `"\u0000"`, `"\\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`,
		`[[[[[[]]]]]]`, `"[[[[[["`, `"\"[[["`, "\"\xff\"", `"\uD83D\u0041"`, `"a\\"`, `{"\u0000":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := checkContent(raw, 4)
		if !json.Valid(raw) {
			return
		}
		var v any
		if json.Unmarshal(raw, &v) != nil {
			return
		}
		nul, broken, depth := walk(v, 0)
		lossy := broken && !strings.Contains(string(raw), "\ufffd") && !strings.Contains(strings.ToLower(string(raw)), `\ufffd`)
		switch {
		case err == nil && (nul || lossy || depth > 4 || !utf8.Valid(raw)):
			t.Errorf("%q passed", raw)
		case err == errNul && !nul && !duplicateKeys(raw), err == errDepth && depth <= 4 && !duplicateKeys(raw):
			t.Errorf("%q: %v", raw, err)
		case err == errSurrogate && !broken && !duplicateKeys(raw), err == errUTF8 && utf8.Valid(raw):
			t.Errorf("%q: %v", raw, err)
		}
	})
}

// duplicateKeys: of two equal keys the decoder keeps one, so that walk does not see all.
func duplicateKeys(raw []byte) bool { return strings.Count(string(raw), ":") > 1 }

func walk(v any, level int) (nul, broken bool, depth int) {
	text := func(s string) {
		nul = nul || strings.ContainsRune(s, 0)
		broken = broken || strings.ContainsRune(s, utf8.RuneError)
	}
	into := func(v any) {
		n, b, d := walk(v, level+1)
		nul, broken, depth = nul || n, broken || b, max(depth, d)
	}
	depth = level
	switch v := v.(type) {
	case string:
		text(v)
	case []any:
		depth = level + 1
		for _, x := range v {
			into(x)
		}
	case map[string]any:
		depth = level + 1
		for k, x := range v {
			text(k)
			into(x)
		}
	}
	return nul, broken, depth
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"roomId":"lobby","clientId":"a","text":"x","limit":5,"since":{"a":1},"before":3}`))
	f.Add([]byte(`{"limit":1e3}`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`null`))
	f.Add([]byte(" \n"))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, read := range []func(*fields) action{readSend, readTyping, readInvite, readUpdate, readLeave,
			func(f *fields) action { return readMessages(f, 100) }, func(f *fields) action { return readOpen(f, 100) },
			func(f *fields) action { return readJoin(f, 100) }, func(f *fields) action { return readMembers(f, 100) },
			func(f *fields) action { return readList(f, 100) }, func(f *fields) action { return readCreate(f, "u") },
			func(f *fields) action { f.places("since"); return action{run: nil} }} {
			fs := parseFields([]json.RawMessage{raw}, 32)
			a := read(fs)
			if fs.err == nil && a.room != "" && !chat.ValidClientID(string(a.room)) {
				t.Errorf("room %q", a.room)
			}
			if fs.err != nil && chat.AsError(fs.err).Code != chat.CodeInvalid {
				t.Errorf("%v", fs.err)
			}
		}
	})
}

func TestExecutorKeepsOrderPerRoomAndBounds(t *testing.T) {
	e := executor{workers: workers.New()}
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range 50 {
		wg.Add(1)
		ok := e.do("a", job{run: func() {
			defer wg.Done()
			<-gate
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
		}, size: 1}, 51, 1000)
		if !ok {
			t.Fatal("refused")
		}
	}
	other := make(chan struct{})
	if !e.do("b", job{run: func() { close(other) }}, 51, 1000) {
		t.Fatal("another room is refused")
	}
	<-other
	eventually(t, "b is done", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.jobs == 50 })
	if e.do("c", job{}, 50, 1000) || e.do("c", job{size: 951}, 51, 1000) {
		t.Error("more than the bound")
	}
	close(gate)
	wg.Wait()
	if !slices.IsSorted(order) || len(order) != 50 {
		t.Errorf("order %v", order)
	}
	eventually(t, "idle", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.jobs+e.bytes+len(e.queues) == 0 })
}

func TestExecutorClaim(t *testing.T) {
	e := executor{workers: workers.New()}
	if !e.claim("a") || e.claim("a") {
		t.Fatal("claim")
	}
	ran := make(chan struct{})
	e.do("a", job{run: func() { close(ran) }}, 10, 10)
	select {
	case <-ran:
		t.Fatal("ran under a claim")
	default:
	}
	e.release("a")
	<-ran
	eventually(t, "idle", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return len(e.queues) == 0 })
}

func TestExpiryHeap(t *testing.T) {
	var e expiry
	base := time.Unix(1000, 0)
	var cs []*conn
	for i := range 20 {
		c := &conn{place: -1, who: Identity{Expires: base.Add(time.Duration(i*7%20) * time.Second)}}
		cs = append(cs, c)
		e.add(c)
	}
	e.add(&conn{place: -1}) // never expires
	e.remove(cs[3])
	e.remove(cs[3])
	if got := e.due(base.Add(9 * time.Second)); len(got) != 10-1 || slices.Contains(got, cs[3]) {
		t.Errorf("%d due, want 9, without the one that was removed", len(got))
	}
	rest := e.due(base.Add(time.Hour))
	if len(e.h) != 0 || len(rest) != 10 || !slices.IsSortedFunc(rest, func(a, b *conn) int { return a.who.Expires.Compare(b.who.Expires) }) {
		t.Errorf("%d left, %d late", len(e.h), len(rest))
	}
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
