package docs_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/auth"
	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/client"
)

// house is a node with small limits, and people who stand to its rooms in different ways.
type house struct {
	node                 *running
	owner, guest         *person
	open, closed, absent string // rooms: one of the owner's that anybody sees, a private one, one that is not there
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{node: start(t, t.TempDir(), "--events-per-socket", "100000", "--events-per-user", "100000", "--rooms-per-user", "4",
		"--rooms-per-socket", "3", "--room-members", "2"), absent: "nowhere"}
	h.owner, h.guest = h.node.connect(t, object{"name": "Olga"}), h.node.connect(t, object{"name": "Gus"})
	h.open, h.closed = h.owner.room("Open", false), h.owner.room("Closed", true)
	return h
}

func old() string { return chat.NewUUIDv7(time.Now().Add(-time.Hour)) }

// refusals provoke each row of the table "what each request is refused with"; each gives the answers that should have the row's code.
var refusals = map[string]func(*testing.T, *house) []object{
	"room:create too_large": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("room:create", object{"clientId": newID(), "name": strings.Repeat("x", 81)}),
			h.guest.ask("room:create", object{"clientId": newID(), "name": "x", "topic": strings.Repeat("x", 1001)})}
	},
	"room:create conflict": func(_ *testing.T, h *house) []object {
		h.guest.must("room:create", object{"clientId": "one", "name": "One"})
		return []object{h.guest.ask("room:create", object{"clientId": "one", "name": "Other"})}
	},
	"room:create rate_limited": func(t *testing.T, h *house) []object {
		full := h.crowded(t)
		return []object{full.ask("room:create", object{"clientId": newID(), "name": "x"}), h.busy(t).ask("room:create", object{"clientId": newID(), "name": "x"})}
	},
	"room:list too_large": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("room:list", object{"query": strings.Repeat("x", 1001)})}
	},
	"room:join not_found": func(_ *testing.T, h *house) []object { return h.each("room:join", nil) },
	"room:join forbidden": func(t *testing.T, h *house) []object {
		h.node.connect(t, object{"name": "Second"}).must("room:join", object{"roomId": h.open})
		return []object{h.guest.ask("room:join", object{"roomId": h.open})}
	},
	"room:join conflict": func(_ *testing.T, h *house) []object {
		id := newID()
		h.guest.must("room:join", object{"roomId": h.open, "clientId": id})
		h.guest.must("room:leave", object{"roomId": h.open})
		return []object{h.guest.ask("room:join", object{"roomId": h.open, "clientId": id}), h.guest.ask("room:join", object{"roomId": "lobby", "clientId": old()})}
	},
	"room:join rate_limited": func(t *testing.T, h *house) []object {
		other := h.node.connect(t, object{"name": "Other"}).room("Another", false)
		return []object{h.crowded(t).ask("room:join", object{"roomId": other}), h.busy(t).ask("room:join", object{"roomId": other})}
	},
	"room:open not_found": func(_ *testing.T, h *house) []object { return h.each("room:open", nil) },
	"room:open forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("room:open", object{"roomId": h.open})}
	},
	"room:open rate_limited": func(t *testing.T, h *house) []object {
		p := h.guest
		last := p.room("r0", false)
		again := h.node.connect(t, object{"token": p.await("session", anything)["token"]})
		for i := range 3 {
			again.room("r"+strconv.Itoa(i+1), false)
		}
		return []object{again.ask("room:open", object{"roomId": last})}
	},
	"room:leave not_found": func(_ *testing.T, h *house) []object { return h.each("room:leave", nil) },
	"room:leave forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("room:leave", object{"roomId": h.open})}
	},
	"room:leave conflict": func(_ *testing.T, h *house) []object {
		return []object{h.owner.ask("room:leave", object{"roomId": h.open, "clientId": old()})}
	},
	"room:members not_found": func(_ *testing.T, h *house) []object { return h.each("room:members", nil) },
	"room:members forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("room:members", object{"roomId": h.open})}
	},
	"room:invite not_found": func(_ *testing.T, h *house) []object { return h.each("room:invite", object{"userId": "bob"}) },
	"room:invite forbidden": func(_ *testing.T, h *house) []object {
		for i := range 3 {
			h.owner.must("room:invite", object{"roomId": h.open, "userId": "u" + strconv.Itoa(i)})
		}
		return []object{h.guest.ask("room:invite", object{"roomId": h.open, "userId": "bob"}), h.owner.ask("room:invite", object{"roomId": h.open, "userId": "u3"})}
	},
	"room:invite conflict": func(_ *testing.T, h *house) []object {
		h.owner.must("room:invite", object{"roomId": h.open, "userId": "a", "clientId": "i"})
		return []object{h.owner.ask("room:invite", object{"roomId": h.open, "userId": "b", "clientId": "i"})}
	},
	"room:invite rate_limited": func(t *testing.T, h *house) []object {
		for i := range 4 {
			p := h.node.connect(t, object{"name": "Host"})
			p.must("room:invite", object{"roomId": p.room("r"+strconv.Itoa(i), true), "userId": "popular"})
		}
		return []object{h.owner.ask("room:invite", object{"roomId": h.open, "userId": "popular"})}
	},
	"room:update too_large": func(_ *testing.T, h *house) []object {
		return []object{h.owner.ask("room:update", object{"roomId": h.open, "clientId": newID(), "name": strings.Repeat("x", 81)}),
			h.owner.ask("room:update", object{"roomId": h.open, "clientId": newID(), "topic": strings.Repeat("x", 401)})}
	},
	"room:update not_found": func(_ *testing.T, h *house) []object {
		return h.each("room:update", object{"clientId": newID(), "name": "x"})
	},
	"room:update forbidden": func(_ *testing.T, h *house) []object {
		out := []object{h.guest.ask("room:update", object{"roomId": h.open, "clientId": newID(), "name": "x"})}
		h.owner.must("room:leave", object{"roomId": h.open})
		return append(out, h.owner.ask("room:update", object{"roomId": h.open, "clientId": newID(), "name": "x"}))
	},
	"room:update conflict": func(_ *testing.T, h *house) []object {
		h.owner.must("room:update", object{"roomId": h.open, "clientId": "u", "name": "x"})
		return []object{h.owner.ask("room:update", object{"roomId": h.open, "clientId": "u", "name": "y"})}
	},
	"message:send too_large": func(_ *testing.T, h *house) []object {
		return []object{h.owner.ask("message:send", object{"roomId": h.open, "clientId": newID(), "text": strings.Repeat("x", 16385)})}
	},
	"message:send not_found": func(_ *testing.T, h *house) []object {
		return append(h.each("message:send", object{"clientId": newID(), "text": "x"}),
			h.owner.ask("message:send", object{"roomId": h.open, "clientId": newID(), "text": "x", "replyTo": "nothing"}))
	},
	"message:send forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("message:send", object{"roomId": h.open, "clientId": newID(), "text": "x"})}
	},
	"message:send conflict": func(_ *testing.T, h *house) []object {
		h.owner.must("message:send", object{"roomId": h.open, "clientId": "m", "text": "x"})
		return []object{h.owner.ask("message:send", object{"roomId": h.open, "clientId": "m", "text": "y"})}
	},
	"message:list not_found": func(_ *testing.T, h *house) []object { return h.each("message:list", nil) },
	"message:list forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("message:list", object{"roomId": h.open})}
	},
	"typing not_found": func(_ *testing.T, h *house) []object { return h.each("typing", object{"isTyping": true}) },
	"typing forbidden": func(_ *testing.T, h *house) []object {
		return []object{h.guest.ask("typing", object{"roomId": h.open, "isTyping": true})}
	},
}

func anything(object) bool { return true }

// each asks the guest's request of a room that is not there, and of one that is not for him: both must be answered alike.
func (h *house) each(request string, more object) (out []object) {
	for _, room := range []string{h.absent, h.closed} {
		out = append(out, h.guest.ask(request, with(more, "roomId", room)))
	}
	return out
}

// crowded is somebody in as many rooms as anybody may be in, on a socket that hears none of them.
func (h *house) crowded(t *testing.T) *person {
	t.Helper()
	p := h.node.connect(t, object{"name": "Crowded"})
	for i := range 3 {
		p.room("c"+strconv.Itoa(i), false)
	}
	token := p.await("session", anything)["token"]
	h.node.connect(t, object{"token": token}).room("c3", false)
	return h.node.connect(t, object{"token": token})
}

// busy is somebody whose socket hears as many rooms as one may.
func (h *house) busy(t *testing.T) *person {
	t.Helper()
	p := h.node.connect(t, object{"name": "Busy"})
	for i := range 3 {
		p.room("b"+strconv.Itoa(i), false)
	}
	return p
}

// Every row of the table of refusals comes about, as documented; and no row is missing that this test knows of.
func TestWhatEachRequestIsRefusedWith(t *testing.T) {
	rows := table(section(t, read(t, "protocol.md"), "Errors"), "request", "code", "when")
	if len(rows) != len(refusals) {
		t.Errorf("%d rows, and %d ways to provoke them", len(rows), len(refusals))
	}
	for _, cells := range rows {
		name := strings.Trim(cells[0], "`") + " " + strings.Trim(cells[1], "`")
		provoke := refusals[name]
		if provoke == nil {
			t.Errorf("nobody knows how to provoke %q", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, want, _ := strings.Cut(name, " ")
			h := newHouse(t)
			for i, a := range provoke(t, h) {
				if got, said := code(a); got != want {
					t.Errorf("answer %d: %s %s", i, got, said)
				}
			}
			h.node.stop()
		})
	}
}

// A log that takes nothing: every request that makes a record is unavailable, and says when to ask again.
func TestWithoutALogRequestsAreUnavailable(t *testing.T) {
	data := t.TempDir()
	n := start(t, data)
	ann := n.connect(t, object{"name": "Ann"})
	room := ann.room("r", false)
	token := ann.await("session", anything)["token"]
	n.stop()
	n = start(t, data, "--reserve-bytes", strconv.FormatInt(1e15, 10))
	ann = n.connect(t, object{"token": token, "since": object{room: 1}})
	ann.must("message:list", object{"roomId": room})
	for name, payload := range map[string]object{"room:create": {"clientId": newID(), "name": "x"}, "room:join": {"roomId": room},
		"room:leave": {"roomId": room}, "room:invite": {"roomId": room, "userId": "bob"}, "room:update": {"roomId": room, "clientId": newID(), "name": "x"},
		"message:send": {"roomId": room, "clientId": newID(), "text": "x"}} {
		a := ann.ask(name, payload)
		e, _ := a["error"].(object)
		if got, said := code(a); got != "unavailable" || e["retryAfterMs"] == nil {
			t.Errorf("%s: %s %s %v", name, got, said, e["retryAfterMs"])
		}
	}
	if s := ann.await("session", anything)["status"].(object); s["log"] != "down" {
		ann.await("status", func(d object) bool { return d["log"] == "down" })
	}
}

// The table of refused CONNECTs: each code but internal (a defect) comes about.
func TestRefusedConnects(t *testing.T) {
	n := start(t, t.TempDir())
	closed := start(t, t.TempDir(), "--guests=false")
	foreign, err := auth.NewTokens(must(auth.NewSecret("somebody else's secret")), nil).Mint(chat.User{ID: "eve"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	came := []string{"internal"}
	for what, try := range map[string]struct {
		at   *running
		auth object
		want string
	}{
		"nothing":        {n, object{}, "unauthorized"},
		"expired":        {n, object{"token": n.token(t, "ann", -time.Minute)}, "unauthorized"},
		"another key":    {n, object{"token": foreign}, "unauthorized"},
		"no token":       {n, object{"token": "x"}, "unauthorized"},
		"too long":       {n, object{"token": strings.Repeat("x", 8193)}, "unauthorized"},
		"a guest":        {closed, object{"name": "Ann"}, "unauthorized"},
		"a number":       {n, object{"name": 1}, "invalid"},
		"a bad since":    {n, object{"name": "Ann", "since": object{"r": "x"}}, "invalid"},
		"an unseen name": {n, object{"name": " "}, "invalid"},
		"a long name":    {n, object{"name": strings.Repeat("x", 81)}, "too_large"},
	} {
		_, err := client.Dial(t.Context(), try.at.addr, try.auth, func(string, json.RawMessage) {})
		var refused *client.Refused
		if !errors.As(err, &refused) || !strings.Contains(string(refused.Data), `"code":"`+try.want+`"`) || refused.Message == "" {
			t.Errorf("%s: %v, not %s", what, err, try.want)
		}
		came = append(came, try.want)
	}
	var listed []string
	for _, cells := range table(section(t, read(t, "protocol.md"), "Connecting"), "code", "when", "do") {
		listed = append(listed, strings.Trim(cells[0], "`"))
	}
	slices.Sort(listed)
	slices.Sort(came)
	if came = slices.Compact(came); !slices.Equal(listed, came) {
		t.Errorf("protocol.md lists %q, and there are %q", listed, came)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The table of refused HTTP requests: each status comes about, with its code or its Retry-After.
func TestRefusedHandshakes(t *testing.T) {
	n := start(t, t.TempDir(), "--sockets", "1")
	limited := start(t, t.TempDir(), "--sockets-per-address", "1", "--trust-proxy", "127.0.0.1")
	const poll = "/socket.io/?EIO=4&transport=polling"
	came := map[string]bool{}
	for _, try := range []struct {
		at           *running
		method, path string
		header       [2]string
		status       int
		has          string
	}{
		{n, "GET", "/socket.io/?EIO=4&transport=smoke", [2]string{}, 400, `"code":0`},
		{n, "GET", poll + "&sid=nobody", [2]string{}, 400, `"code":1`},
		{n, "GET", poll, [2]string{"Origin", "https://elsewhere.example"}, 403, `"code":4`},
		{n, "GET", poll, [2]string{}, 200, `"sid"`},
		{n, "GET", poll, [2]string{}, 503, "Retry-After"},
		{limited, "GET", poll, [2]string{"X-Forwarded-For", "203.0.113.9"}, 200, `"sid"`},
		{limited, "GET", poll, [2]string{"X-Forwarded-For", "203.0.113.9"}, 429, "Retry-After"},
	} {
		req := must(http.NewRequestWithContext(t.Context(), try.method, "http://"+try.at.addr+try.path, nil))
		if try.header[0] != "" {
			req.Header.Set(try.header[0], try.header[1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		has := strings.Contains(string(body), try.has) || res.Header.Get(try.has) != ""
		if res.StatusCode != try.status || !has {
			t.Errorf("%s %s %v: %d %s", try.method, try.path, try.header, res.StatusCode, body)
		}
		came[strconv.Itoa(try.status)] = true
	}
	for _, cells := range table(section(t, read(t, "protocol.md"), "Connecting"), "HTTP", "when") {
		status, _, _ := strings.Cut(strings.Fields(cells[0])[0], ",")
		if status != "413" && !came[status] { // a body that is too large: socketio/engineio has its own tests
			t.Errorf("nothing was answered with %s", status)
		}
	}
}
