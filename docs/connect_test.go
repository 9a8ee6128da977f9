package docs_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/client"
)

// The fields of `auth` that a CONNECT reads are those of protocol.md: as TestTheFieldsThatRequestsRead does it, every word of the gateway's
// source is tried as a field of a wrong type, for which only a field that is read is refused, by name. None is required.
func TestTheFieldsThatConnectReads(t *testing.T) {
	g := protocolGrammar(t)
	fields := g.fields(&shape{name: "Auth"})
	listed := names(fields)
	n := start(t, t.TempDir(), "--sockets", "10000")
	tries := slices.Compact(slices.Sorted(slices.Values(append(words(t, "../internal/gateway"), listed...))))
	var readThere []string
	for _, name := range tries {
		auth := object{"name": "Ann"}
		auth[name] = []any{}
		c, err := client.Dial(t.Context(), n.addr, auth, func(string, json.RawMessage) {})
		if err == nil {
			c.Close()
			continue
		}
		var refused *client.Refused
		if !errors.As(err, &refused) {
			t.Fatalf("auth with %s: %v", name, err)
		}
		if strings.Contains(string(refused.Data), `"code":"invalid"`) && strings.HasPrefix(refused.Message, name+": ") {
			readThere = append(readThere, name)
		}
	}
	if !slices.Equal(readThere, listed) {
		t.Errorf("a CONNECT reads\n%q\nprotocol.md has\n%q", readThere, listed)
	}
	for _, f := range fields {
		if !f.optional {
			t.Errorf("protocol.md says that auth must have %s, and a CONNECT does without any one field", f.name)
		}
	}
}

// What is refused is refused with a Failure that has the documented fields.
func TestRefusedConnectsBringAFailure(t *testing.T) {
	g := protocolGrammar(t)
	n := start(t, t.TempDir())
	for _, auth := range []object{{}, {"name": 1}, {"name": strings.Repeat("x", 81)}} {
		_, err := client.Dial(t.Context(), n.addr, auth, func(string, json.RawMessage) {})
		var refused *client.Refused
		if !errors.As(err, &refused) {
			t.Fatalf("%v: %v", slices.Collect(maps.Keys(auth)), err)
		}
		var data any
		if err := json.Unmarshal(refused.Data, &data); err != nil {
			t.Fatalf("%s: %v", refused.Data, err)
		}
		f := &fit{g, map[*field]bool{}}
		for _, c := range f.complain("err.data", data, &shape{name: "Failure"}) {
			t.Error(c)
		}
	}
}
