package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// tree is every file and folder of the repository, with / in front, but for what is built or fetched.
func tree(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && d.Name() != ".ci"
		if d.IsDir() && (hidden || slices.Contains([]string{"node_modules", "dist", "test-out", "hubbub-data"}, d.Name())) {
			return fs.SkipDir
		}
		paths = append(paths, "/"+strings.TrimPrefix(filepath.ToSlash(p), "../"))
		return nil
	})
	if err != nil || len(paths) < 300 {
		t.Fatalf("%d paths: %v", len(paths), err)
	}
	return paths
}

var (
	inTicks  = regexp.MustCompile("`([^`\n]+)`")
	pathLike = regexp.MustCompile(`^[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*-]+)*/?$`)
	fileLike = regexp.MustCompile(`\.(go|md|mjs|js|ts|svelte|html|json|yaml|service|conf|mod|xml)$`)
	link     = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
)

// missing gives the paths that a document names in back ticks and that are not there. A path may begin anywhere in the tree, as
// `segment/commit.go` does; * stands for any part of a name.
func missing(text string, all []string) (out []string) {
	for _, m := range inTicks.FindAllStringSubmatch(text, -1) {
		name := strings.TrimSuffix(m[1], "/")
		if !pathLike.MatchString(m[1]) || !strings.Contains(m[1], "/") && !fileLike.MatchString(m[1]) {
			continue
		}
		found := slices.ContainsFunc(all, func(p string) bool {
			rest := p
			for range strings.Count(p, "/") {
				rest = rest[strings.Index(rest, "/")+1:]
				if ok, _ := path.Match(name, rest); ok {
					return true
				}
			}
			return false
		})
		if !found {
			out = append(out, m[1])
		}
	}
	return out
}

// documents are all of them, as seen from this folder, but for the changelog, which may name what is no more.
func documents(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "*.md", "adr/*.md", "../deploy/*.md", "../examples/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == "../CHANGELOG.md" })
	for _, must := range []string{"../README.md", "../ARCHITECTURE.md", "../CONTRIBUTING.md", "protocol.md", "operations.md", "performance.md", "../examples/embed/README.md"} {
		if !slices.Contains(paths, must) {
			t.Fatalf("%s is not among %q", must, paths)
		}
	}
	return paths
}

// Documents name files and folders that there are.
func TestPathsThatDocumentsName(t *testing.T) {
	all := tree(t)
	elsewhere := []string{"./hubbub-data", "DATA/secret", "log/", "testing/synctest", // a data directory, the standard library
		".cache/bench", "raw/", "log.json", // what make bench leaves, what a log keeps in its folder
		"uWebSockets.js"} // a library
	for _, doc := range documents(t) {
		text := read(t, doc)
		for _, name := range missing(text, all) {
			if !slices.Contains(elsewhere, name) {
				t.Errorf("%s names %s, which is not there", doc, name)
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if at := "/" + strings.TrimPrefix(path.Join("docs", path.Dir(doc), m[1]), "../"); !slices.Contains(all, at) {
				t.Errorf("%s links to %s, which is not there", doc, m[1])
			}
		}
	}
	if got := missing("`internal/nowhere.go` `nowhere.go` `node/` `GET /x` `no/where/`", all); !slices.Equal(got, []string{"internal/nowhere.go", "nowhere.go", "no/where/"}) {
		t.Errorf("missing finds %q", got)
	}
}

var makeTarget = regexp.MustCompile("(?m)(?:`|^    )make ([a-z][a-z-]*)")

// Documents name make targets and scripts that there are.
func TestTargetsThatDocumentsName(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		targets[m[1]] = true
	}
	named := 0
	for _, doc := range documents(t) {
		for _, m := range makeTarget.FindAllStringSubmatch(read(t, doc), -1) {
			named++
			if !targets[m[1]] {
				t.Errorf("%s names make %s, which is not there", doc, m[1])
			}
		}
	}
	if named < 10 {
		t.Errorf("only %d targets are named", named)
	}
}

// ARCHITECTURE.md begins with three files to read, is short, and its functions are in the files that it names before them.
func TestTheArchitecture(t *testing.T) {
	text := read(t, "../ARCHITECTURE.md")
	if lines := strings.Count(text, "\n"); lines > 150 {
		t.Errorf("%d lines", lines)
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(text, "# Architecture\n\n"), "\n\n")
	if !strings.HasPrefix(first, "**Your first change: read these three files.**") || len(missing(first, tree(t))) > 0 {
		t.Errorf("it begins with %q", first)
	}
	_, walk, ok := strings.Cut(text, "function by function")
	walk, _, _ = strings.Cut(walk, "\nBeside the way")
	if !ok {
		t.Fatal("there is no walk")
	}
	functions, folder := 0, "" // of the last whole path: a bare name behind it lies there too
	for _, m := range walked.FindAllStringSubmatch(walk, -1) {
		file := m[1]
		if strings.HasPrefix(file, "internal/") || strings.HasPrefix(file, "socketio/") {
			folder = path.Dir(file)
		} else {
			file = path.Join(folder, file)
		}
		for _, f := range inTicks.FindAllStringSubmatch(m[2], -1) {
			functions++
			if !declared(t, file, f[1]) {
				t.Errorf("%s has no %s", file, f[1])
			}
		}
	}
	if functions < 15 {
		t.Errorf("only %d functions", functions)
	}
}

// Every package has its place in ARCHITECTURE.md.
func TestTheArchitectureNamesEveryPackage(t *testing.T) {
	named := map[string]bool{}
	for _, m := range inTicks.FindAllStringSubmatch(read(t, "../ARCHITECTURE.md"), -1) {
		named[path.Base(strings.TrimSuffix(m[1], "/"))] = true
		named[path.Base(path.Dir(m[1]))] = true
	}
	packages := map[string]bool{}
	for _, p := range tree(t) {
		if strings.HasSuffix(p, ".go") {
			packages[path.Dir(p)] = true
		}
	}
	for p := range packages {
		if !named[path.Base(p)] {
			t.Errorf("ARCHITECTURE.md does not name %s", p)
		}
	}
	if len(packages) < 40 {
		t.Errorf("only %d packages", len(packages))
	}
}

// walked is a file, and the functions of it that are named behind it.
var walked = regexp.MustCompile("`([\\w/]+\\.go)`(?:\\s+\\(((?:`\\w+`(?:,\\s)?)+)\\))?")

func declared(t *testing.T, file, name string) bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path.Join("..", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return false
	}
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fun, ok := d.(*ast.FuncDecl)
		return ok && fun.Name.Name == name
	})
}
