package archtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hubbub-chat/hubbub/"

// allowed names, for every package, what of ours it may import (tests too, unless they are behind a +). A package that is not named
// here fails: decide where it belongs.
var allowed = map[string]string{
	"cmd/hubbub":                     "internal/node internal/config internal/auth internal/chat internal/bench + internal/enginetest",
	"internal/bench":                 "+ socketio",
	"bench/report":                   "",
	"socketio/packet":                "",
	"socketio/engineio":              "socketio/packet",
	"socketio":                       "socketio/packet socketio/engineio + socketio/internal/rawclient",
	"socketio/testserver":            "socketio socketio/packet socketio/engineio + socketio/internal/rawclient",
	"web":                            "",
	"internal/chat":                  "+ internal/chat/chattest",
	"internal/chat/chattest":         "internal/chat",
	"internal/config":                "",
	"internal/auth":                  "internal/chat",
	"internal/httpd":                 "internal/auth internal/chat socketio/engineio + socketio",
	"internal/gateway":               "internal/chat internal/wellformed internal/workers socketio socketio/engineio + internal/auth internal/chat/chattest",
	"internal/msglog/segment":        "+ internal/msglog/faultfs",
	"internal/msglog":                "internal/chat internal/msglog/segment + internal/msglog/logtest internal/msglog/faultfs internal/enginetest",
	"internal/msglog/logtest":        "internal/chat",
	"internal/relay":                 "internal/chat",
	"internal/bus":                   "internal/chat internal/workers + internal/bus/bustest internal/enginetest",
	"internal/bus/bustest":           "internal/chat internal/bus",
	"internal/hub":                   "internal/chat",
	"internal/persist":               "internal/chat internal/wellformed",
	"internal/store":                 "internal/chat + internal/store/storetest internal/enginetest internal/persist internal/msglog internal/wellformed",
	"internal/store/storetest":       "internal/chat",
	"internal/store/faulty":          "internal/chat + internal/store",
	"internal/history":               "internal/chat + internal/store internal/store/storetest internal/msglog",
	"internal/presence":              "internal/chat + internal/presence/presencetest internal/enginetest",
	"internal/presence/presencetest": "internal/chat",
	"internal/msglog/faultfs":        "internal/msglog/segment",
	"internal/client":                "+ socketio",
	"internal/trial":                 "internal/bench internal/client internal/enginetest internal/trial/crowd internal/trial/hostile internal/trial/roundrobin",
	"internal/trial/crowd":           "internal/client",
	"internal/trial/hostile":         "+ socketio",
	"internal/trial/roundrobin":      "",
	"socketio/internal/rawclient":    "socketio/packet socketio/engineio",
	"internal/enginetest":            "",
	"internal/enginetest/services":   "internal/enginetest",
	"internal/archtest":              "",
	"deploy":                         "+ internal/auth internal/bus internal/config internal/msglog internal/store", // its test
	"docs":                           "*",                                                                           // documents held against a running node, in tests
	"internal/doctor":                "",
	"internal/workers":               "",
	"internal/wellformed":            "",
	"internal/badinput":              "*", // bad input at every door, in tests
	"internal/livetest":              "*", // joins the real parts, in tests
	"internal/sim":                   "*", // drives the real parts
	"internal/node":                  "*", // wires everything, and is the only package that knows all names
}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImports(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	for _, p := range all {
		name := strings.TrimPrefix(p.ImportPath, module)
		rule, known := allowed[name]
		if !known {
			t.Errorf("%s is not in the table of allowed imports", name)
			continue
		}
		code, tests, _ := strings.Cut(rule, "+")
		if rule == "*" {
			continue
		}
		check(t, name, p.Imports, strings.Fields(code))
		check(t, name+" (tests)", slices.Concat(p.TestImports, p.XTestImports), append(strings.Fields(code+" "+tests), name))
	}
}

func check(t *testing.T, name string, imports, may []string) {
	t.Helper()
	for _, i := range imports {
		if rest, ours := strings.CutPrefix(i, module); ours && !slices.Contains(may, rest) {
			t.Errorf("%s imports %s", name, rest)
		}
		if strings.HasPrefix(name, "internal/chat") && strings.Contains(strings.Split(i, "/")[0], ".") && !strings.HasPrefix(i, module) {
			t.Errorf("%s imports %s: the domain uses the standard library only", name, i)
		}
	}
}
