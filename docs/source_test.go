package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source gives the parsed files of a package, without its tests.
func source(t *testing.T, dir string) []*ast.File {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no source", dir)
	}
	return files
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// strings of a package that could be the name of an event or a field.
func words(t *testing.T, dir string) []string {
	t.Helper()
	set := map[string]bool{}
	for _, f := range source(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok {
				if s, ok := text(lit); ok && s != "" && len(s) < 40 && !strings.ContainsAny(s, " %,`\"\n\\/") {
					set[s] = true
				}
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(set))
}

// constants gives the values of a package's constants of one type, and by name.
func constants(t *testing.T, dir, kind string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range source(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == kind && len(spec.Values) == 1 {
				if s, ok := text(spec.Values[0]); ok {
					out[spec.Names[0].Name] = s
				}
			}
			return true
		})
	}
	return out
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Values(m)) }

// The codes are those of the code, in the type and in the table.
func TestTheCodesOfErrors(t *testing.T) {
	g := protocolGrammar(t)
	want := sorted(constants(t, "../internal/chat", "Code"))
	if len(want) < 5 {
		t.Fatalf("the code has only %q", want)
	}
	if got := g.literals(&shape{name: "Code"}); !slices.Equal(got, want) {
		t.Errorf("protocol.md's type Code has\n%q\nthe code has\n%q", got, want)
	}
	var listed []string
	for _, cells := range table(section(t, read(t, "protocol.md"), "Errors"), "code", "when") {
		listed = append(listed, strings.Trim(cells[0], "`"))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, want) {
		t.Errorf("protocol.md's table has\n%q\nthe code has\n%q", listed, want)
	}
}

// The reasons of a gap are those that some part of the code gives.
func TestTheReasonsOfGaps(t *testing.T) {
	g := protocolGrammar(t)
	all := constants(t, "../internal/chat", "GapReason")
	used := map[string]string{}
	for _, dir := range []string{"../internal/gateway", "../internal/hub", "../internal/history"} {
		for _, f := range source(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok && all[sel.Sel.Name] != "" {
					used[sel.Sel.Name] = all[sel.Sel.Name]
				}
				return true
			})
		}
	}
	if got, want := g.literals(g.field(t, "Gap", "reason").is), sorted(used); !slices.Equal(got, want) {
		t.Errorf("protocol.md has %q, the code gives %q", got, want)
	}
	var listed []string
	for _, cells := range table(section(t, read(t, "protocol.md"), "Following a room"), "reason", "what it means", "do") {
		listed = append(listed, strings.Trim(cells[0], "`"))
	}
	slices.Sort(listed)
	if want := sorted(used); !slices.Equal(listed, want) {
		t.Errorf("protocol.md's table has %q, the code gives %q", listed, want)
	}
}

// emitted gives the names of events that the code sends: where it makes one from a literal.
func emitted(t *testing.T) []string {
	t.Helper()
	at := map[string]int{"eventFrame": 0, "frame": 2, "tell": 3} // which argument is the name
	set := map[string]bool{}
	add := func(e ast.Expr) {
		if s, ok := text(e); ok && s != "" {
			set[s] = true
		}
	}
	for _, dir := range []string{"../internal/gateway", "../internal/chat", "../internal/hub"} {
		for _, f := range source(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					name := ""
					switch fun := n.Fun.(type) {
					case *ast.Ident:
						name = fun.Name
					case *ast.SelectorExpr:
						name = fun.Sel.Name
					}
					if i, ok := at[name]; ok && len(n.Args) > i {
						add(n.Args[i])
					}
				case *ast.KeyValueExpr: // Whisper{Name: …}
					if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Name" {
						add(n.Value)
					}
				case *ast.FuncDecl:
					if n.Name.Name == "EventName" {
						ast.Inspect(n, func(n ast.Node) bool {
							if ret, ok := n.(*ast.ReturnStmt); ok {
								add(ret.Results[0])
							}
							return true
						})
					}
				}
				return true
			})
		}
	}
	delete(set, "Lobby") // RoomInfo{Name: …} and User{Name: …} of the lobby
	delete(set, "Hubbub")
	return slices.Sorted(maps.Keys(set))
}

func TestTheNamesOfEventsThatTheServerSends(t *testing.T) {
	g := protocolGrammar(t)
	got, want := names(g.fields(&shape{name: "Events"})), emitted(t)
	if !slices.Equal(got, want) {
		t.Errorf("protocol.md has\n%q\nthe code sends\n%q", got, want)
	}
}

// structs gives the JSON fields of every struct of a package that has some: sorted names, ? behind those that may be missing.
func structs(t *testing.T, dirs ...string) map[string]bool {
	t.Helper()
	named := map[string]*ast.StructType{}
	var all []*ast.StructType
	for _, dir := range dirs {
		for _, f := range source(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.TypeSpec:
					if s, ok := n.Type.(*ast.StructType); ok {
						named[n.Name.Name] = s
					}
				case *ast.StructType:
					all = append(all, n)
				}
				return true
			})
		}
	}
	out := map[string]bool{}
	for _, s := range all {
		if fields := jsonFields(s, named); len(fields) > 0 {
			slices.Sort(fields)
			out[strings.Join(fields, " ")] = true
		}
	}
	return out
}

func jsonFields(s *ast.StructType, named map[string]*ast.StructType) (out []string) {
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 { // embedded
			name := ""
			switch e := f.Type.(type) {
			case *ast.Ident:
				name = e.Name
			case *ast.SelectorExpr:
				name = e.Sel.Name
			}
			if inner := named[name]; inner != nil {
				out = append(out, jsonFields(inner, named)...)
			}
			continue
		}
		if f.Tag == nil {
			continue
		}
		tag, _ := strconv.Unquote(f.Tag.Value)
		name, opt, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		if opt == "omitempty" {
			name += "?"
		}
		out = append(out, name)
	}
	return out
}

// signature is the same of a documented object.
func (g *grammar) signature(s *shape) string {
	var out []string
	for _, f := range g.fields(s) {
		name := f.name
		if f.optional {
			name += "?"
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// objects gives the signatures of all documented objects that the server sends.
func (g *grammar) objects(s *shape, out map[string]bool) {
	if s == nil {
		return
	}
	if s.name != "" {
		s = g.declared[s.name]
		if s == nil {
			return
		}
	}
	if s.isOpen {
		key := g.signature(s)
		if out[key] {
			return
		}
		out[key] = true
	}
	for _, part := range append(slices.Clone(s.either), s.list) {
		g.objects(part, out)
	}
	for _, f := range g.fields(s) {
		g.objects(f.is, out)
	}
}

// Each documented object is a struct of the code with the same fields, of which the same may be missing, and each struct of the code that
// goes out is documented. (The events of records are made of one struct for all kinds; TestEventsAndAnswersAreAsDocumented has them.)
func TestObjectsAreTheStructsOfTheCode(t *testing.T) {
	g := protocolGrammar(t)
	documented := map[string]bool{}
	g.objects(&shape{name: "Events"}, documented)
	for _, r := range g.fields(&shape{name: "Requests"}) {
		g.objects(r.data, documented)
	}
	g.objects(&shape{name: "Failure"}, documented)
	code := structs(t, "../internal/gateway", "../internal/chat", "../internal/hub")
	for s := range documented {
		record := strings.Contains(" "+s+" ", " seq ") && strings.Contains(s, "roomId") || s == g.signature(&shape{name: "Events"})
		if s != "" && !record && !code[s] {
			t.Errorf("protocol.md has an object {%s}, and the code has no such struct", s)
		}
	}
	inside := map[string]string{
		"data? error? ok": "the answer itself, declared as Answer<Data>",
		"at clientId? deleted? id invitee? name? reason? replyTo? room? roomId text? topic? user": "the body of all records' events",
	}
	for s := range code {
		if !documented[s] && inside[s] == "" {
			t.Errorf("the code has a struct {%s}, and protocol.md has no such object", s)
		}
	}
}
