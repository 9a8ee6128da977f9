package config_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hubbub-chat/hubbub/internal/config"
)

const operations = "../../docs/operations.md"

func document(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section gives what stands below a heading, up to the next of its kind.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	return rest
}

var (
	helpFlag = regexp.MustCompile(`(?m)^  -([a-z-]+)`)
	row      = regexp.MustCompile("(?m)^\\| ((?:`--[a-z-]+` ?)+)\\| ([^|]*) \\|")
	inRow    = regexp.MustCompile("`--([a-z-]+)`")
	anyFlag  = regexp.MustCompile(`--([a-z][a-z-]*[a-z])`)
)

func help(t *testing.T) (text string, flags []string) {
	t.Helper()
	var out bytes.Buffer
	if _, err := config.Parse([]string{"-h"}, none, &out); !errors.Is(err, config.ErrHelp) {
		t.Fatal(err)
	}
	for _, m := range helpFlag.FindAllStringSubmatch(out.String(), -1) {
		flags = append(flags, m[1])
	}
	slices.Sort(flags)
	return out.String(), flags
}

// The table of flags in operations.md is the flags that there are: each once, none more, and the defaults that numbers have.
func TestTheTableOfFlags(t *testing.T) {
	text, want := help(t)
	var got []string
	for _, m := range row.FindAllStringSubmatch(section(t, document(t, operations), "Flags"), -1) {
		var names []string
		for _, f := range inRow.FindAllStringSubmatch(m[1], -1) {
			names = append(names, f[1])
		}
		got = append(got, names...)
		defaults := strings.Split(m[2], ", ")
		for i, name := range names {
			if d := defaultOf(text, name); d != "" && len(defaults) == len(names) && !same(defaults[i], d) {
				t.Errorf("--%s defaults to %s, the table says %s", name, d, defaults[i])
			}
		}
		if len(defaults) > 1 && len(defaults) != len(names) {
			t.Errorf("%d defaults of %v", len(defaults), names)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the table has\n%v\nthe program has\n%v", got, want)
	}
}

// same compares numbers as they are written, and durations by what they are.
func same(a, b string) bool {
	x, err1 := time.ParseDuration(a)
	y, err2 := time.ParseDuration(b)
	return a == b || err1 == nil && err2 == nil && x == y
}

// defaultOf gives a flag's default where it is a plain number or a duration.
func defaultOf(help, name string) string {
	_, rest, _ := strings.Cut(help, "\n  -"+name+" ")
	rest, _, _ = strings.Cut(rest, "\n  -")
	if m := regexp.MustCompile(`\(default (\d[\dhms]*)[);]`).FindStringSubmatch(rest); m != nil {
		return m[1]
	}
	return ""
}

// No document names a flag that is not there.
func TestDocumentsNameOnlyFlagsThatExist(t *testing.T) {
	_, flags := help(t)
	others := []string{"accept-loss", "from", // of hubbub log next
		"build", "oplog", "alter", "entity-name", "entity-type", "cluster-enabled"} // of other programs
	for _, path := range []string{operations, "../../README.md", "../../docs/protocol.md", "../../ARCHITECTURE.md", "../../CHANGELOG.md", "../../CONTRIBUTING.md"} {
		for _, m := range anyFlag.FindAllStringSubmatch(document(t, path), -1) {
			if !slices.Contains(flags, m[1]) && !slices.Contains(others, m[1]) {
				t.Errorf("%s names --%s, and there is no such flag", path, m[1])
			}
		}
	}
}

var commandLine = regexp.MustCompile(`(?m)^ *(?:\./)?hubbub (serve|doctor)((?: [^#\n]*(?:\\\n)?)*)`)

// What the documents tell to type is what the program takes.
func TestCommandLinesOfTheDocuments(t *testing.T) {
	found := 0
	for _, path := range []string{operations, "../../README.md"} {
		for _, m := range commandLine.FindAllStringSubmatch(document(t, path), -1) {
			found++
			args := strings.Fields(strings.NewReplacer("\\\n", " ", `"`, "", " &", "").Replace(m[2]))
			if _, err := config.Parse(args, none, nil); err != nil {
				t.Errorf("%s: hubbub %s %q: %v", path, m[1], args, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d command lines found", found)
	}
}
