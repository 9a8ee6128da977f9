package segment_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

const records = 30 // of the log that these tests spoil

// starts gives the byte offset at which each record of a file begins, and where the last one ends, read as the format says.
func starts(b []byte) []int {
	out := []int{64}
	for pos := 64; pos+28 <= len(b); {
		size := int(binary.LittleEndian.Uint32(b[pos:]))
		if size == 0 {
			break
		}
		pos += 28 + size
		out = append(out, pos)
	}
	return out
}

func content(t *testing.T, disk *faultfs.Disk, name string) (b []byte) {
	t.Helper()
	if err := disk.Edit(name, func(old []byte) []byte {
		b = append([]byte(nil), old...)
		return old
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEveryFlippedByte flips each byte of a log in turn. Whatever was synced before the last batch must be there whole, or be named as
// damaged at the record where the flip is; the last batch can not be told from one that was never synced.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	whole := made(t, records)
	names := segments(t, whole)
	if len(names) < 3 {
		t.Fatalf("only %d segments", len(names))
	}
	for i, name := range names {
		b := content(t, whole, name)
		at := starts(b)
		last := i == len(names)-1
		for pos := range b[:at[len(at)-1]] {
			disk := whole.Clone()
			flip := byte(1 << (pos % 8))
			if err := disk.Edit(name, func(b []byte) []byte { b[pos] ^= flip; return b }); err != nil {
				t.Fatal(err)
			}
			begin := 0
			for _, s := range at {
				if s <= pos {
					begin = s
				}
			}
			log, err := segment.Open(options(disk))
			if err == nil { // only the last batch, here the last record, may go
				if !last || begin != at[len(at)-2] {
					t.Fatalf("%s, byte %d flipped: not noticed", name, pos)
				}
				es, err := all(log)
				if err != nil || len(es) != records-1 {
					t.Fatalf("%s, byte %d flipped: %d records, %v", name, pos, len(es), err)
				}
				_ = log.Close()
				continue
			}
			var d *segment.DamageError
			if !errors.As(err, &d) || d.File != name || d.Pos != int64(begin) {
				t.Fatalf("%s, byte %d flipped: %v, want damage at %d", name, pos, err, begin)
			}
		}
	}
}

func TestTornTailIsCutWithAWarning(t *testing.T) {
	for name, spoil := range map[string]func(b []byte, end int) []byte{
		"half a record":   func(b []byte, end int) []byte { return b[:end-10] },
		"garbage":         func(b []byte, end int) []byte { return append(b[:end], "garbage behind the last record"...) },
		"one lonely byte": func(b []byte, end int) []byte { return append(append(b[:end], make([]byte, 200)...), 7) },
		"half of a head":  func(b []byte, end int) []byte { return append(b[:end], 9, 0, 0, 0, 1) },
		"a huge length":   func(b []byte, end int) []byte { return append(b[:end], 255, 255, 255, 255, 0, 0, 0, 0) },
	} {
		disk := made(t, records)
		names := segments(t, disk)
		newest := names[len(names)-1]
		want := records
		if err := disk.Edit(newest, func(b []byte) []byte {
			at := starts(b)
			return spoil(b, at[len(at)-1])
		}); err != nil {
			t.Fatal(err)
		}
		if name == "half a record" {
			want--
		}
		var lines journal
		o := options(disk)
		o.Logger = lines.logger()
		log := mustOpen(t, o)
		holds(t, log, 0, want)
		if !strings.Contains(lines.String(), "level=WARN") || !strings.Contains(lines.String(), newest) {
			t.Errorf("%s: no warning that names %s: %q", name, newest, lines.String())
		}
		for _, more := range []int{0, 1, 20} {
			fill(t, log, want, want+more)
			want += more
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			var after journal
			o.FS = o.FS.(*faultfs.Disk).Reboot(faultfs.Luck(1, 0))
			o.Logger = after.logger()
			log = mustOpen(t, o)
			holds(t, log, 0, want)
			if after.String() != "" {
				t.Errorf("%s: cut once, and yet: %q", name, after.String())
			}
		}
	}
}

func TestZerosAreACleanEnd(t *testing.T) {
	for _, zeros := range []int{0, 1, 27, 28, 29, 5000} {
		disk := made(t, records)
		names := segments(t, disk)
		if err := disk.Edit(names[len(names)-1], func(b []byte) []byte {
			at := starts(b)
			return append(b[:at[len(at)-1]:at[len(at)-1]], make([]byte, zeros)...)
		}); err != nil {
			t.Fatal(err)
		}
		var lines journal
		o := options(disk)
		o.Logger = lines.logger()
		log := mustOpen(t, o)
		holds(t, log, 0, records)
		fill(t, log, records, records+3)
		if lines.String() != "" {
			t.Errorf("%d zeros behind the last record: %q", zeros, lines.String())
		}
	}
}

// TestOldSegmentsAreCheckedWhenRead: what Open leaves out for speed is found damaged by who reads it, and by Verify.
func TestOldSegmentsAreCheckedWhenRead(t *testing.T) {
	disk := made(t, records)
	oldest := segments(t, disk)[0]
	var pos int
	if err := disk.Edit(oldest, func(b []byte) []byte {
		pos = starts(b)[2]
		b[pos+30] ^= 1
		return b
	}); err != nil {
		t.Fatal(err)
	}
	o := options(disk)
	o.ScanBytes = 1
	log := mustOpen(t, o)
	_, err := log.Read(0, 1, 1)
	if d := damage(t, err); d.File != oldest || d.Pos != int64(pos) || d.Offset != 2 {
		t.Fatalf("damage %+v, want %s at %d", d, oldest, pos)
	}
	if _, err := log.Read(records-1, 1, 1); err != nil {
		t.Fatalf("what is sound can still be read: %v", err)
	}
}

// TestLastRecordOfAnotherHistory does the same at the end of a full segment, where only the next file can tell.
func TestLastRecordOfAnotherHistory(t *testing.T) {
	disk, other := made(t, records), faultfs.New()
	name := segments(t, disk)[0]
	last := len(starts(content(t, disk, name))) - 2
	log := mustOpen(t, options(other))
	fill(t, log, 0, last)
	if _, err := put(log, strings.ToUpper(body(last))); err != nil {
		t.Fatal(err)
	}
	foreign := content(t, other, name)
	at := starts(foreign)
	if err := disk.Edit(name, func(b []byte) []byte { copy(b[at[last]:], foreign[at[last]:at[last+1]]); return b }); err != nil {
		t.Fatal(err)
	}
	_, err := segment.Open(options(disk))
	if d := damage(t, err); d.File != name || !strings.Contains(d.Reason, "does not follow") {
		t.Fatalf("%+v, want the next file no longer to follow", d)
	}
}

// TestRecordOfAnotherHistory puts in a record that is sound in itself and stood at this very place, in another history of the log.
func TestRecordOfAnotherHistory(t *testing.T) {
	disk, other := made(t, 5), faultfs.New()
	log := mustOpen(t, options(other))
	fill(t, log, 0, 2)
	if _, err := put(log, strings.ToUpper(body(2))); err != nil {
		t.Fatal(err)
	}
	name := segments(t, disk)[0]
	foreign := content(t, other, name)
	at := starts(foreign)
	if err := disk.Edit(name, func(b []byte) []byte { copy(b[at[2]:at[3]], foreign[at[2]:at[3]]); return b }); err != nil {
		t.Fatal(err)
	}
	_, err := segment.Open(options(disk))
	if d := damage(t, err); d.File != name || d.Pos != int64(at[3]) {
		t.Fatalf("%+v, want the record behind it, at %d, no longer to follow", d, at[3])
	}
}

func TestStrangeDirectories(t *testing.T) {
	newer := func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[8:], segment.FormatVersion+1)
		binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
	other := made(t, 3)
	log := mustOpen(t, segment.Options{FS: faultfs.New(), Log: segment.ID{9}, Generation: 1})
	_ = log.Close()
	for name, c := range map[string]struct {
		spoil func(disk *faultfs.Disk, names []string) error
		want  string
	}{
		"newer format": {func(d *faultfs.Disk, n []string) error { return d.Edit(n[0], newer) }, "newer hubbub (format 2"},
		"newest header gone, records behind it": {func(d *faultfs.Disk, n []string) error {
			return d.Edit(n[len(n)-1], func(b []byte) []byte { clear(b[:64]); return b })
		}, "damaged at byte 0"},
		"a segment is missing": {func(d *faultfs.Disk, n []string) error { return d.Remove(n[1]) }, "is damaged"},
		"a strange name": {func(d *faultfs.Disk, n []string) error {
			d.Put("g1-p0-abc.seg", nil)
			return nil
		}, "no name of a log file"},
		"a file of another place": {func(d *faultfs.Disk, n []string) error {
			d.Put("g1-p0-00000000000000009999.seg", content(t, other, "g1-p0-00000000000000000000.seg"))
			return nil
		}, "put here by mistake"},
		"a new file that follows nothing": {func(d *faultfs.Disk, n []string) error {
			d.Put("g1-p0-00000000000000009999.seg", nil)
			return nil
		}, "does not follow"},
	} {
		disk := made(t, records)
		if err := c.spoil(disk, segments(t, disk)); err != nil {
			t.Fatal(err)
		}
		if log, err := segment.Open(options(disk)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
			if err == nil {
				_ = log.Close()
			}
		}
	}
}
