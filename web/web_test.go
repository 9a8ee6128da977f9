package web

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestBundleNeedsEveryPart(t *testing.T) {
	whole := fstest.MapFS{"dist/app/client/VERSION": file("4.8.4\n"), "dist/app/client/socket.io.js": file("x")}
	files, version, ok := bundle(whole)
	if !ok || version != "4.8.4" {
		t.Fatalf("whole bundle: version %q, ok %v", version, ok)
	}
	if _, err := fs.ReadFile(files, "socket.io.js"); err != nil {
		t.Fatalf("the bundle's files are not at the root: %v", err)
	}
	for name, from := range map[string]fstest.MapFS{
		"bare clone":    {"dist/README": file("run make web")},
		"no version":    {"dist/app/client/socket.io.js": file("x")},
		"empty version": {"dist/app/client/VERSION": file("\n"), "dist/app/client/socket.io.js": file("x")},
		"no script":     {"dist/app/client/VERSION": file("4.8.4")},
	} {
		if _, _, ok := bundle(from); ok {
			t.Errorf("%s: taken for a bundle", name)
		}
	}
}

func TestSubOfWantsAFile(t *testing.T) {
	if _, ok := subOf(fstest.MapFS{"dist/app/index.html/x": file("")}, "dist/app", "index.html"); ok {
		t.Error("a directory called index.html was taken for the page")
	}
	if _, ok := subOf(fstest.MapFS{"dist/README": file("")}, "dist/app", "index.html"); ok {
		t.Error("a page without index.html was taken for built")
	}
}

// The README is what makes go:embed work in a bare clone.
func TestReadmeIsEmbedded(t *testing.T) {
	if _, err := fs.Stat(built, "dist/README"); err != nil {
		t.Fatal(err)
	}
}
