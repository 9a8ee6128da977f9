// Package docs_test holds the documents against the code: docs/protocol.md against a running node and against the source, the alarms and the
// dashboard against the metrics, and the paths that documents name against the tree.
package docs_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shape is a type as the blocks marked ts write it. Exactly one of the parts is set.
type shape struct {
	name    string   // of a declared type, or string, boolean, true
	literal string   // with its quotes
	object  []*field // {…}
	isOpen  bool     // object is set, also if it has no fields
	list    *shape   // T[]
	record  *shape   // Record<RoomId, T>
	either  []*shape // T | U
}

// field is one of an object. A method of Requests has payload and data instead of a type.
type field struct {
	name          string
	optional      bool
	is            *shape
	payload, data *shape
}

// grammar is what the ts blocks declare.
type grammar struct {
	declared map[string]*shape
	scalars  map[string]scalar
}

// scalar is a row of the table of scalars.
type scalar struct {
	json       string // string or integer
	from, to   int64
	unit       string // characters, bytes or empty
	bounded    bool
	less, more string // the codes; empty: there is nothing beyond
}

var tsBlock = regexp.MustCompile("(?s)```ts\n(.*?)```")

// protocolGrammar reads docs/protocol.md.
func protocolGrammar(t *testing.T) *grammar {
	t.Helper()
	text := read(t, "protocol.md")
	g := &grammar{declared: map[string]*shape{}, scalars: scalarTable(t, section(t, text, "Scalars"))}
	for _, block := range tsBlock.FindAllStringSubmatch(text, -1) {
		p := &reader{words: tokens(t, block[1])}
		for p.peek() != "" {
			name, is := p.declaration()
			if p.err != nil {
				t.Fatalf("protocol.md, near %q: %v", name, p.err)
			}
			if is == nil {
				continue
			}
			if g.declared[name] != nil {
				t.Errorf("%s is declared twice", name)
			}
			g.declared[name] = is
		}
	}
	for name, is := range g.declared {
		g.known(t, name, is)
	}
	return g
}

// known fails for a type that is used and not declared.
func (g *grammar) known(t *testing.T, where string, s *shape) {
	t.Helper()
	switch {
	case s == nil, s.literal != "":
	case s.name != "":
		_, scalar := g.scalars[s.name]
		if !scalar && g.declared[s.name] == nil && !slices.Contains([]string{"string", "boolean", "true"}, s.name) {
			t.Errorf("%s uses %s, which is nowhere declared", where, s.name)
		}
	default:
		for _, part := range append(slices.Clone(s.either), s.list, s.record) {
			g.known(t, where, part)
		}
		for _, f := range s.object {
			for _, part := range []*shape{f.is, f.payload, f.data} {
				g.known(t, where+"."+f.name, part)
			}
		}
	}
}

var bounds = regexp.MustCompile(`^(\d+) to (\d+)(?: (characters|bytes))?$`)

func scalarTable(t *testing.T, text string) map[string]scalar {
	t.Helper()
	out := map[string]scalar{}
	for _, cells := range table(text, "type", "JSON", "from – to", "less", "more", "what it is") {
		name, s := strings.Trim(cells[0], "`"), scalar{json: cells[1], less: strings.Trim(cells[3], "`"), more: strings.Trim(cells[4], "`")}
		if m := bounds.FindStringSubmatch(cells[2]); m != nil {
			s.from, _ = strconv.ParseInt(m[1], 10, 64)
			s.to, _ = strconv.ParseInt(m[2], 10, 64)
			s.unit, s.bounded = m[3], true
		} else if cells[2] != "" {
			t.Errorf("%s: the bounds %q can not be read", name, cells[2])
		}
		if s.json != "string" && s.json != "integer" {
			t.Errorf("%s is %q in JSON", name, s.json)
		}
		out[name] = s
	}
	if len(out) < 10 {
		t.Fatalf("only %d scalars", len(out))
	}
	return out
}

// reader reads the part of TypeScript that protocol.md uses.
type reader struct {
	words []string
	err   error
}

var (
	tsComment = regexp.MustCompile(`//[^\n]*`)
	tsWord    = regexp.MustCompile(`"[^"]*"|[A-Za-z_][A-Za-z0-9_]*|[{}()\[\]<>|:;,?=]`)
)

func tokens(t *testing.T, block string) []string {
	t.Helper()
	block = tsComment.ReplaceAllString(block, "")
	if rest := strings.TrimSpace(tsWord.ReplaceAllString(block, "")); rest != "" {
		t.Fatalf("protocol.md: %.80q is not understood", rest)
	}
	return tsWord.FindAllString(block, -1)
}

func (p *reader) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *reader) next() string {
	w := p.peek()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

func (p *reader) want(word string) {
	if got := p.next(); got != word && p.err == nil {
		p.err = fmt.Errorf("%q where %q should be", got, word)
		p.words = nil
	}
}

func (p *reader) maybe(word string) bool {
	if p.peek() != word {
		return false
	}
	p.next()
	return true
}

// declaration reads interface X [extends Y] {…} or type X = T; a generic one is passed over.
func (p *reader) declaration() (string, *shape) {
	kind, name := p.next(), p.next()
	switch kind {
	case "interface":
		parent := ""
		if p.maybe("extends") {
			parent = p.next()
		}
		s := p.object()
		if parent != "" {
			s.object = append([]*field{{name: "extends " + parent, is: &shape{name: parent}}}, s.object...)
		}
		return name, s
	case "type":
		if p.peek() == "<" {
			p.words = skipTo(p.words)
			return name, nil
		}
		p.want("=")
		s := p.union()
		p.maybe(";")
		return name, s
	}
	p.err = fmt.Errorf("%q begins no declaration", kind)
	return name, nil
}

// skipTo gives what begins with the next declaration.
func skipTo(words []string) []string {
	for i, w := range words {
		if w == "interface" || w == "type" {
			return words[i:]
		}
	}
	return nil
}

func (p *reader) union() *shape {
	first := p.postfix()
	if p.peek() != "|" {
		return first
	}
	s := &shape{either: []*shape{first}}
	for p.maybe("|") {
		s.either = append(s.either, p.postfix())
	}
	return s
}

func (p *reader) postfix() *shape {
	s := p.atom()
	for p.maybe("[") {
		p.want("]")
		s = &shape{list: s}
	}
	return s
}

func (p *reader) atom() *shape {
	switch w := p.peek(); {
	case w == "{":
		return p.object()
	case w == "(":
		p.next()
		s := p.union()
		p.want(")")
		return s
	case strings.HasPrefix(w, `"`):
		return &shape{literal: p.next()}
	case w == "Record":
		p.next()
		p.want("<")
		p.want("RoomId")
		p.want(",")
		s := &shape{record: p.union()}
		p.want(">")
		return s
	}
	return &shape{name: p.next()}
}

func (p *reader) object() *shape {
	s := &shape{isOpen: true}
	p.want("{")
	for p.err == nil && !p.maybe("}") {
		f := &field{name: strings.Trim(p.next(), `"`), optional: p.maybe("?")}
		if p.maybe("(") { // a request
			p.want("payload")
			p.want(":")
			f.payload = p.union()
			p.want(")")
			p.want(":")
			f.data = p.union()
		} else {
			p.want(":")
			f.is = p.union()
		}
		if p.peek() != "}" {
			p.want(";")
		}
		s.object = append(s.object, f)
	}
	return s
}

// fields gives an object's own and inherited fields; nil for what is no object.
func (g *grammar) fields(s *shape) []*field {
	if s.name != "" && g.declared[s.name] != nil {
		return g.fields(g.declared[s.name])
	}
	var out []*field
	for _, f := range s.object {
		if parent, ok := strings.CutPrefix(f.name, "extends "); ok {
			out = append(out, g.fields(g.declared[parent])...)
			continue
		}
		out = append(out, f)
	}
	return out
}

// literals gives the strings of a union, or of one literal.
func (g *grammar) literals(s *shape) []string {
	if s.name != "" && g.declared[s.name] != nil {
		return g.literals(g.declared[s.name])
	}
	var out []string
	for _, alt := range append(slices.Clone(s.either), s) {
		if alt.literal != "" {
			out = append(out, strings.Trim(alt.literal, `"`))
		}
	}
	slices.Sort(out)
	return out
}

// field finds one by its name.
func (g *grammar) field(t *testing.T, of, name string) *field {
	t.Helper()
	for _, f := range g.fields(&shape{name: of}) {
		if f.name == name {
			return f
		}
	}
	t.Fatalf("%s has no %s", of, name)
	return nil
}

// names gives the sorted names of fields.
func names(fs []*field) []string {
	set := map[string]bool{}
	for _, f := range fs {
		set[f.name] = true
	}
	return slices.Sorted(maps.Keys(set))
}
