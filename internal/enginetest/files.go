package enginetest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Files gives all that a folder holds, by path: sizes, modes, times and bytes. Whoever only looks leaves it as it was.
func Files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if info.Mode().IsRegular() {
			if data, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[path] = fmt.Sprint(info.Size(), info.Mode(), info.ModTime().UnixNano(), string(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
