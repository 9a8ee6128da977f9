package segment_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

func TestManifest(t *testing.T) {
	disk := faultfs.New()
	if _, err := segment.ReadManifest(disk); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("in an empty directory: %v", err)
	}
	m, err := segment.EnsureManifest(disk, 4)
	if err != nil || m.Format != segment.FormatVersion || m.Generation != 1 || m.Partitions != 4 {
		t.Fatalf("made %+v, %v", m, err)
	}
	if again, err := segment.EnsureManifest(disk.Reboot(faultfs.Luck(1, 0)), 4); err != nil || again != m {
		t.Fatalf("was %+v, is %+v, %v", m, again, err)
	}
	other, err := segment.EnsureManifest(faultfs.New(), 4)
	if err != nil || other.ID == m.ID {
		t.Fatalf("two logs of one id %s, %v", m.ID, err)
	}
}

func TestManifestRefusals(t *testing.T) {
	const id = `"id": "00112233445566778899aabbccddeeff"`
	for text, want := range map[string]string{
		`{"format": 1, ` + id + `, "generation": 1, "partitions": 4}`:    "start with 4, or begin a new generation with `hubbub log next`",
		`{"format": 2, ` + id + `, "generation": 1, "partitions": 1}`:    "newer hubbub (format 2, this one reads up to 1)",
		`{"format": 0, ` + id + `, "generation": 1, "partitions": 1}`:    "not what a hubbub writes",
		`{"format": 1, ` + id + `, "generation": 0, "partitions": 1}`:    "not what a hubbub writes",
		`{"format": 1, ` + id + `, "generation": 1, "partitions": 0}`:    "not what a hubbub writes",
		`{"format": 1, "id": "xyz", "generation": 1, "partitions": 1}`:   "not 32 hex digits",
		`{"format": 1, "id": "001122", "generation": 1, "partitions": 1`: "not what a hubbub writes",
		``: "not what a hubbub writes",
	} {
		disk := faultfs.New()
		disk.Put(segment.ManifestName, []byte(text))
		if _, err := segment.EnsureManifest(disk, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	disk := made(t, 3)
	if _, err := segment.EnsureManifest(disk, 1); err == nil || !strings.Contains(err.Error(), "but no log.json") {
		t.Errorf("segments without a manifest: %v", err)
	}
}

func TestRealDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "log")
	dir, err := segment.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	second, err := segment.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var locked *segment.LockedError
	if _, err := second.Lock(); !errors.As(err, &locked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another hubbub holds it") {
		t.Fatalf("the second holder is told %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if unlock, err = second.Lock(); err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	log := mustOpen(t, options(dir))
	fill(t, log, 0, 50)
	if err := log.Trim(20); err != nil {
		t.Fatal(err)
	}
	first, _, _, _ := log.State()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	log = mustOpen(t, options(dir))
	holds(t, log, int(first), 50)
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v, %v", info.Mode(), err)
	}
	if free, err := dir.Free(); err != nil || free <= 0 {
		t.Errorf("free space: %d, %v", free, err)
	}
	if _, err := segment.OpenDir(filepath.Join(path, entries[0].Name())); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file as directory: %v", err)
	}
}
