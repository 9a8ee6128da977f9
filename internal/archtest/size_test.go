package archtest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// No file of ours is above 400 lines: if one grows, a concept in it wants a name and a home.
func TestFileSizes(t *testing.T) {
	kinds := map[string]bool{".go": true, ".ts": true, ".svelte": true, ".css": true, ".mjs": true, ".js": true}
	seen := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist" || d.Name() == "test-out" || d.Name() != ".." && d.Name()[0] == '.') && path != "../.." {
			return fs.SkipDir
		}
		if !kinds[filepath.Ext(path)] {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		if n := bytes.Count(data, []byte("\n")); n > 400 {
			t.Errorf("%s has %d lines", path, n)
		}
		return nil
	})
	if err != nil || seen < 50 {
		t.Fatalf("%d files seen, %v", seen, err)
	}
}
