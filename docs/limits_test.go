package docs_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/chat"
	"github.com/hubbub-chat/hubbub/internal/config"
	"github.com/hubbub-chat/hubbub/internal/gateway"
)

var unit = regexp.MustCompile(`\btime\.(Second|Minute|Hour|Millisecond)\b`)

// number gives a whole number that a package names: of a constant (a duration in milliseconds), or of the default {&l.NAME, 512} of a field.
func number(t *testing.T, dir, name string) int64 {
	t.Helper()
	var found []ast.Expr
	for _, f := range source(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if id.Name == name && i < len(n.Values) {
						found = append(found, n.Values[i])
					}
				}
			case *ast.CompositeLit:
				if len(n.Elts) != 2 {
					break
				}
				if field, ok := n.Elts[0].(*ast.UnaryExpr); ok && strings.HasSuffix(types.ExprString(field), "."+name) {
					found = append(found, n.Elts[1])
				}
			}
			return true
		})
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d numbers named %s", dir, len(found), name)
	}
	text := unit.ReplaceAllStringFunc(types.ExprString(found[0]), func(u string) string {
		return map[string]string{"time.Millisecond": "1", "time.Second": "1000", "time.Minute": "60000", "time.Hour": "3600000"}[u]
	})
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text)
	if err != nil {
		t.Fatalf("%s in %s is %s: %v", name, dir, text, err)
	}
	n, exact := constant.Int64Val(constant.ToInt(v.Value))
	if !exact {
		t.Fatalf("%s in %s is %s, no whole number", name, dir, v.Value)
	}
	return n
}

// grouped writes 1000000 as 1,000,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// sentence is a part of a document with the numbers that the code has.
func sentence(format string, numbers ...int64) string {
	args := make([]any, len(numbers))
	for i, n := range numbers {
		args[i] = grouped(n)
	}
	return fmt.Sprintf(format, args...)
}

// The numbers of protocol.md are those of the code: where one is changed, the sentence with the new number is missing.
func TestTheLimitsOfTheProtocol(t *testing.T) {
	c, err := config.Parse(nil, func(string) string { return "" }, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l, times := c.Limits, chat.DefaultTimes()
	seconds := func(d time.Duration) int64 { return int64(d / time.Second) }
	named := func(dir, name string) int64 { return number(t, "../"+dir, name) }
	rooms, names := named("internal/gateway", "maxSince"), named("internal/hub", "maxNames")
	if patience := times.Patience; patience != 4*time.Minute {
		t.Errorf("protocol.md says four minutes, the code %v", patience)
	}
	holds(t, "protocol.md", []string{
		sentence("| %s, %s a second; bursts of five times as much (`--events-per-socket`", int64(l.EventsPerSocket), int64(l.EventsPerUser)),
		sentence("after %s s' worth of refusals", named("internal/gateway", "maxRefused")),
		sentence("| %s events at once, then %s times its limit", named("internal/gateway", "eventsAtOnce"), named("internal/gateway", "paceTimes")),
		sentence("| %s KiB at once, then %s KiB a second", named("internal/gateway", "readAtOnce")>>10, named("internal/gateway", "readPace")>>10),
		sentence("| %s KiB at once, then %s MiB a second", named("internal/gateway", "pagesAtOnce")>>10, named("internal/gateway", "pagesPace")>>20),
		sentence("| %s bytes (`--payload-bytes`", int64(l.PayloadBytes)),
		sentence("| %s (`--json-depth`)", int64(l.JSONDepth)),
		sentence("| %s MiB (`--queue-bytes`)", int64(l.QueueBytes)>>20),
		sentence("| %s; %s each; %s | `rate_limited`", int64(l.RoomsPerSocket), int64(l.RoomsPerUser), int64(l.RoomMembers)),
		sentence("| ping every %s s, %s s for the pong |", seconds(c.PingInterval), seconds(c.PingTimeout)),
		sentence("a client that vanished within %s s (ping interval + timeout)", seconds(c.PingInterval+c.PingTimeout)),
		sentence("resume these rooms, at most %s, each", rooms),
		sentence("memberships and invitations, at most %s;", rooms),
		sentence("more than %s rooms in `since`", rooms),
		sentence("%s s after its `exp` comes", seconds(gateway.Leeway)),
		sentence("with %s s of leeway", seconds(gateway.Leeway)),
		"at most " + strconv.FormatInt(named("internal/auth", "maxToken"), 10) + " bytes", // 8192
		sentence("presents it within %s days", named("internal/auth", "guestLife")/86_400_000),
		sentence("filled without a gap within %s s", seconds(times.Resume)),
		sentence("could not be read within %s s", seconds(times.Resume)),
		sentence("more than %s events were missed (the newest %s come)", named("internal/history", "fillMax"), named("internal/history", "fillNewest")),
		sentence("%s requests of a socket, %s of a node", named("internal/gateway", "Pending"), named("internal/chat", "InFlight")),
		sentence("nobody can tell within %s s", seconds(times.Wait)),
		sentence("one younger than %s s costs no look-up", seconds(times.Young)),
		sentence("at most about %s KiB of them", named("internal/gateway", "PageBytes")>>10),
		sentence("the first %s members", named("internal/gateway", "firstMembers")),
		sentence("passed on at most once in %s s", named("internal/chat", "typingBetween")/1000),
		sentence("Above %s people", names),
	})
	if other := named("internal/presence", "MaxNames"); other != names {
		t.Errorf("presence has at most %d names, the hub %d", other, names)
	}
}

// So are those of operations.md that no flag has: the table of flags is held by internal/config.
func TestTheNumbersOfOperations(t *testing.T) {
	named := func(dir, name string) int64 { return number(t, "../"+dir, name) }
	holds(t, "operations.md", []string{
		sentence("`GOGC=%s`", named("cmd/hubbub", "gcPercent")),
		sentence("(up to %s) while that is less than %s MiB of garbage", named("cmd/hubbub", "gcMost"), named("cmd/hubbub", "gcAtLeast")>>20),
		sentence("or %s MiB, up to two and a half times", named("cmd/hubbub", "gcAtLeast")>>20),
		sentence("looks every %s s", named("internal/node", "trimEvery")/1000),
		sentence("less than %s MiB a second", named("internal/node", "quietRate")>>20),
		sentence("saving is paused or more than %s records late", named("internal/node", "behindBy")),
		sentence("above %s of a node, or %s of its Kafka producer", named("internal/chat", "InFlight"), named("internal/msglog", "produceRecords")),
		sentence("more than %s s off", named("internal/node", "maxClock")/1000),
		sentence("%s KiB for each socket", named("internal/bench", "socketBytes")>>10),
		sentence("beyond %s s tokens of other machines", int64(gateway.Leeway/time.Second)),
	})
}

func holds(t *testing.T, document string, sentences []string) {
	t.Helper()
	text := read(t, document)
	for _, s := range sentences {
		if !strings.Contains(text, s) {
			t.Errorf("%s does not say %q, and so it is in the code", document, s)
		}
	}
}
