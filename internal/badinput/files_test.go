package badinput_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// damage is a row of files: what is done to the data directory of a node that was stopped. says: it must not start, and its sentence
// names these; none: it serves, and has every acknowledged message. With degraded in front it runs, /readyz names the others, and what it
// can not know is `unavailable`.
type damage struct {
	name string
	do   func(t *testing.T, d dir)
	says []string
}

const degraded = "degraded"

// dir is a data directory.
type dir string

func (d dir) path(name string) string { return filepath.Join(string(d), name) }

// segment gives the name of a log file: the oldest is 0, the newest -1.
func (d dir) segment(t *testing.T, i int) string {
	t.Helper()
	names, err := filepath.Glob(d.path("log/*.seg"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%d log files, %v", len(names), err)
	}
	if i < 0 {
		i += len(names)
	}
	return "log/" + filepath.Base(names[i])
}

// edit changes a file's bytes.
func (d dir) edit(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(d.path(name))
	if err == nil {
		err = os.WriteFile(d.path(name), change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (d dir) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(d.path(name)); err != nil {
		t.Fatal(err)
	}
}

// The ways to spoil a file.
func to(text string) func([]byte) []byte { return func([]byte) []byte { return []byte(text) } }

func half(b []byte) []byte { return b[:len(b)/2] }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 4; return b }
}

// zero clears n bytes.
func zero(from, n int) func([]byte) []byte {
	return func(b []byte) []byte { clear(b[from : from+n]); return b }
}

// end gives where the last record of a log file ends, and where it begins, as the format says: 64 bytes of header, then records of 28
// bytes and their bodies.
func end(b []byte) (last, end int) {
	for end = 64; end+28 <= len(b); {
		size := int(binary.LittleEndian.Uint32(b[end:]))
		if size == 0 {
			break
		}
		last, end = end, end+28+size
	}
	return last, end
}

func newer(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[8:], 99)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// logDamages are what may become of the log.
func logDamages() []damage {
	seg := func(i int, change func([]byte) []byte) func(*testing.T, dir) {
		return func(t *testing.T, d dir) { d.edit(t, d.segment(t, i), change) }
	}
	manifest := func(change func([]byte) []byte) func(*testing.T, dir) {
		return func(t *testing.T, d dir) { d.edit(t, "log/log.json", change) }
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	}
	return []damage{
		{"log: garbage behind the last record", seg(-1, func(b []byte) []byte { _, n := end(b); return append(b[:n], "garbage behind the last record"...) }), nil},
		{"log: half of a record behind the last one", seg(-1, func(b []byte) []byte { _, n := end(b); return append(b[:n], 9, 0, 0, 0, 1, 2, 3) }), nil},
		{"log: the last record flipped", seg(-1, func(b []byte) []byte { last, _ := end(b); b[last+40] ^= 1; return b }), []string{"ends at", "before"}},
		{"log: the last record cut off", seg(-1, func(b []byte) []byte { last, _ := end(b); return b[:last] }), []string{"ends at", "before"}},
		{"log: the newest file flipped", seg(-1, flip(5000)), []string{"damaged at byte"}},
		{"log: the oldest file flipped", seg(0, flip(5000)), []string{"damaged at byte"}},
		{"log: a hole in the middle", seg(1, zero(100_000, 4096)), []string{"damaged at byte"}},
		{"log: the oldest header flipped", seg(0, flip(20)), []string{"damaged at byte 0"}},
		{"log: the newest header gone", seg(-1, zero(0, 64)), []string{"damaged at byte 0"}},
		{"log: a newer format", seg(0, newer), []string{"newer hubbub"}},
		{"log: the oldest file cut in half", seg(0, half), []string{"damaged"}},
		{"log: the newest file cut in half", seg(-1, func(b []byte) []byte { _, n := end(b); return b[:n/2] }), []string{"ends at", "before"}},
		{"log: the oldest file empty", seg(0, to("")), []string{"damaged"}},
		{"log: the newest file gone", func(t *testing.T, d dir) { d.remove(t, d.segment(t, -1)) }, []string{"ends at", "before"}},
		{"log: one in the middle gone", func(t *testing.T, d dir) { d.remove(t, d.segment(t, 1)) }, []string{"damaged"}},
		{"log: the oldest gone, which history has", func(t *testing.T, d dir) { d.remove(t, d.segment(t, 0)) }, nil},
		{"log: all files gone", func(t *testing.T, d dir) {
			for range 3 {
				d.remove(t, d.segment(t, 0))
			}
		}, []string{"before"}},
		{"log: a file of no name", func(t *testing.T, d dir) {
			if err := os.WriteFile(d.path("log/g1-p0-abc.seg"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"no name of a log file"}},
		{"log: a directory in place of a file", func(t *testing.T, d dir) {
			name := d.segment(t, -1)
			d.remove(t, name)
			if err := os.Mkdir(d.path(name), 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"directory"}},
		{"log: a file in place of the directory", func(t *testing.T, d dir) {
			d.remove(t, "log")
			if err := os.WriteFile(d.path("log"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{"not a directory"}},
		{"log: the directory gone", func(t *testing.T, d dir) { d.remove(t, "log") }, []string{"belongs to the log"}},
		{"manifest: not JSON", manifest(to("hello")), []string{"log.json", "not what a hubbub writes"}},
		{"manifest: empty", manifest(to("")), []string{"log.json", "not what a hubbub writes"}},
		{"manifest: gone", func(t *testing.T, d dir) { d.remove(t, "log/log.json") }, []string{"no log.json"}},
		{"manifest: another count", manifest(replace(`"partitions": 1`, `"partitions": 2`)), []string{"hubbub log next"}},
		{"manifest: generation 0", manifest(replace(`"generation": 1`, `"generation": 0`)), []string{"not what a hubbub writes"}},
		{"manifest: generation 5000", manifest(replace(`"generation": 1`, `"generation": 5000`)), []string{"generation"}},
		{"manifest: a newer format", manifest(replace(`"format": 1`, `"format": 9`)), []string{"newer hubbub"}},
		{"manifest: another log's id", manifest(replace(`"id": "`, `"id": "f`)), []string{"32 hex digits"}},
		{"manifest: a directory", func(t *testing.T, d dir) {
			d.remove(t, "log/log.json")
			if err := os.Mkdir(d.path("log/log.json"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"log.json"}},
	}
}
