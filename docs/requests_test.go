package docs_test

import (
	"slices"
	"strings"
	"testing"
)

const noSuchEvent = "there is no event of this name"

// sample gives a value that a field may have.
func (g *grammar) sample(s *shape) any {
	switch s.name {
	case "boolean":
		return true
	case "DatedId":
		return newID()
	case "RoomId":
		return "lobby"
	case "MessageId", "Cursor":
		return ""
	}
	if s.literal != "" {
		return strings.Trim(s.literal, `"`)
	}
	if c := g.scalars[s.name]; c.json == "integer" {
		return max(c.from, 1)
	}
	return "x"
}

// payload is the least that a request may have.
func (g *grammar) payload(r *field) object {
	out := object{}
	for _, f := range g.fields(r.payload) {
		if !f.optional {
			out[f.name] = g.sample(f.is)
		}
	}
	return out
}

func with(payload object, name string, value any) object {
	out := object{name: value}
	for k, v := range payload {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// The events that the server takes are those of protocol.md: every word of the gateway's source is tried as an event.
func TestTheEventsThatTheServerTakes(t *testing.T) {
	g := protocolGrammar(t)
	p := generous(t).connect(t, object{"name": "Ann"})
	listed := names(g.fields(&shape{name: "Requests"}))
	tries := append(words(t, "../internal/gateway"), listed...)
	slices.Sort(tries)
	var taken []string
	for _, name := range slices.Compact(tries) {
		if reserved(name) { // an official client refuses to send these
			continue
		}
		if _, said := code(p.ask(name, object{})); said != noSuchEvent {
			taken = append(taken, name)
		}
	}
	if !slices.Equal(taken, listed) {
		t.Errorf("the server takes\n%q\nprotocol.md has\n%q", taken, listed)
	}
}

func reserved(name string) bool {
	return slices.Contains([]string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}, name)
}

// generous is a node on which a test may ask as fast as it can.
func generous(t *testing.T) *running {
	t.Helper()
	return start(t, t.TempDir(), "--events-per-socket", "100000", "--events-per-user", "100000")
}

// The fields that each request reads are those of protocol.md: every word of the gateway's source is tried as a field of a wrong type, which
// only a field that is read is refused for, by name. And what is required is refused when it is missing.
func TestTheFieldsThatRequestsRead(t *testing.T) {
	g := protocolGrammar(t)
	p := generous(t).connect(t, object{"name": "Ann"})
	room := p.room("Here", false)
	candidates := words(t, "../internal/gateway")
	for _, r := range g.fields(&shape{name: "Requests"}) {
		listed, payload := names(g.fields(r.payload)), g.payload(r)
		if payload["roomId"] != nil {
			payload["roomId"] = room
		}
		var readThere []string
		tries := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(candidates), listed...))))
		for _, name := range tries {
			if c, said := code(p.ask(r.name, with(payload, name, []any{}))); c == "invalid" && strings.HasPrefix(said, name+": ") {
				readThere = append(readThere, name)
			}
		}
		if !slices.Equal(readThere, listed) {
			t.Errorf("%s reads\n%q\nprotocol.md has\n%q", r.name, readThere, listed)
		}
		for _, f := range g.fields(r.payload) {
			missing := with(payload, f.name, nil)
			c, said := code(p.ask(r.name, missing))
			if refused := c == "invalid" && said == f.name+": is missing"; refused == f.optional {
				t.Errorf("%s without %s: %s %s", r.name, f.name, c, said)
			}
		}
	}
}

// Each scalar is taken at its bounds, and refused beyond them with the documented code, in every request that has one.
func TestTheBoundsOfScalars(t *testing.T) {
	g := protocolGrammar(t)
	p := generous(t).connect(t, object{"name": "Ann"})
	room := p.room("Here", false)
	tried := map[string]bool{}
	for _, r := range g.fields(&shape{name: "Requests"}) {
		payload := g.payload(r)
		if payload["roomId"] != nil {
			payload["roomId"] = room
		}
		for _, f := range g.fields(r.payload) {
			c, is := g.scalars[f.is.name]
			if !is || !c.bounded {
				continue
			}
			tried[f.is.name] = true
			for _, try := range []struct {
				size int64
				want string
			}{{c.from - 1, c.less}, {c.from, ""}, {c.to, ""}, {c.to + 1, c.more}} {
				if try.size < c.from && c.less == "" {
					continue
				}
				got, said := code(p.ask(r.name, with(payload, f.name, c.value(f.is.name, try.size))))
				about := strings.HasPrefix(said, f.name+": ")
				wrong := about && got != "not_found" && got != "conflict" // these judge what it names, not how it looks
				if try.want == "" && wrong || try.want != "" && (got != try.want || !about) {
					t.Errorf("%s, %s of %d %s: %s %s; documented is %q", r.name, f.name, try.size, c.unit, got, said, try.want)
				}
			}
		}
	}
	for name, c := range g.scalars {
		if c.bounded && !tried[name] {
			t.Errorf("%s has bounds, and no request has one", name)
		}
	}
}

// value makes one of a size.
func (c scalar) value(name string, size int64) any {
	switch {
	case c.json == "integer":
		return size
	case name == "DatedId":
		return (newID() + "0")[:size]
	case name == "RoomId" && size == c.to: // it need not be there, only look right
		return strings.Repeat("r", int(size))
	}
	return strings.Repeat("x", int(size))
}

// Beyond ASCII: a name's and a topic's other bounds, and what no string may hold.
func TestWhatStringsMayNotHold(t *testing.T) {
	p := generous(t).connect(t, object{"name": "Ann"})
	for text, want := range map[string]string{strings.Repeat("漢", 66): "ok", strings.Repeat("漢", 67): "too_large", " a \t b ": "ok", " ": "invalid",
		"a\u202eb": "invalid", "a\x00b": "invalid", "a\x07b": "invalid"} {
		if got, said := code(p.ask("room:create", object{"clientId": newID(), "name": text})); got != want {
			t.Errorf("a room %q: %s %s, not %s", text, got, said, want)
		}
	}
	for text, want := range map[string]string{strings.Repeat("漢", 333): "ok", strings.Repeat("漢", 334): "too_large", "": "ok"} {
		if got, said := code(p.ask("room:create", object{"clientId": newID(), "name": "n", "topic": text})); got != want {
			t.Errorf("a topic of %d bytes: %s %s, not %s", len(text), got, said, want)
		}
	}
}
