package hostile

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func messages(seqs ...int64) (all []record) {
	for _, s := range seqs {
		all = append(all, record{Seq: s, ID: fmt.Sprint("m", s), RoomID: "r"})
	}
	return all
}

func TestWhoComesBackMustBeWhole(t *testing.T) {
	for name, c := range map[string]struct {
		got, kept []record
		gaps      [][2]int64
		says      string
	}{
		"whole":                      {messages(12, 15, 17), messages(5, 10, 12, 15, 17), nil, ""},
		"nothing was said":           {nil, messages(5, 10), nil, ""},
		"one is missing":             {messages(12, 17), messages(12, 15, 17), nil, "message 15 did not come"},
		"the end is missing":         {messages(12, 15), messages(12, 15, 17), nil, "message 17 did not come"},
		"the beginning is missing":   {messages(15), messages(12, 15), nil, "message 12 did not come"},
		"a gap was told":             {messages(12, 17), messages(12, 15, 17), [][2]int64{{12, 15}}, ""},
		"another gap was told":       {messages(12, 17), messages(12, 15, 17), [][2]int64{{15, 16}}, "message 15 did not come"},
		"twice":                      {messages(12, 12, 15), messages(12, 15), nil, "message 12 came after 12"},
		"out of order":               {messages(15, 12), messages(12, 15), nil, "message 12 came after 15"},
		"what is not in history":     {messages(12, 13, 15), messages(12, 15), nil, "message 15 did not come"},
		"more than history had":      {messages(12, 15), messages(12), nil, ""},
		"what history does not have": {messages(12, 13), append(messages(12), record{Seq: 14, ID: "m14", RoomID: "r"}), [][2]int64{{13, 14}}, "message 13 is not in history"},
		"another one at that place":  {[]record{{Seq: 12, ID: "x", RoomID: "r"}}, messages(12), nil, "message 12 did not come"},
	} {
		err := (&place{asOf: 10, got: c.got, gaps: c.gaps}).whole(c.kept)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: it says %v, wanted %q", name, err, c.says)
		}
	}
}

func TestWhatAReaderTakes(t *testing.T) {
	p := &place{since: 3}
	r := &reader{places: map[string]*place{"r": p}}
	for _, packet := range []string{`42["message:new",{"seq":5,"id":"a","roomId":"r"}]`, `42["room:joined",{"seq":6,"id":"b","roomId":"r"}]`, `42["presence",{"roomId":"r"}]`,
		`42["gap",{"roomId":"r","from":6,"to":9,"reason":"limit"}]`, `42["message:new",{"seq":99,"id":"c","roomId":"elsewhere"}]`, `42["message:new"`, `430[{}]`, ""} {
		r.take(packet)
	}
	if p.since != 9 || fmt.Sprint(p.got) != "[{5 a r 0 0}]" || fmt.Sprint(p.gaps) != "[[6 9]]" {
		t.Errorf("%+v", p)
	}
}

func TestMetricsAreRead(t *testing.T) {
	text := "# HELP x y\n# TYPE x gauge\ngo_goroutines 25\n" + SlowClients + " 7\nhubbub_sockets_ended_total{reason=\"ping timeout\"} 0\nhubbub_sockets_ended_total{reason=\"rate limited\"} 1e+03\nnonsense\n"
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
	defer web.Close()
	m, err := Scrape(t.Context(), web.Listener.Addr().String())
	if err != nil || m["go_goroutines"] != 25 || m[SlowClients] != 7 {
		t.Errorf("%v, %v", m, err)
	}
	if ended := fmt.Sprint(m.Ended()); ended != "map[rate limited:1000 slow client:7]" {
		t.Error(ended)
	}
	status = http.StatusForbidden
	if _, err := Scrape(t.Context(), web.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("it says %v", err)
	}
}

func TestAnUnknownCompanyIsRefused(t *testing.T) {
	if _, err := Run(t.Context(), "good", Options{}, nothingReady, t.Context()); err == nil || !strings.Contains(err.Error(), `"good"`) {
		t.Errorf("it says %v", err)
	}
	names, what := Names()
	if len(names) != len(what) || len(names) < 5 {
		t.Errorf("%v", names)
	}
}

func nothingReady() {}
