package segment_test

import (
	"testing"

	"github.com/hubbub-chat/hubbub/internal/msglog/faultfs"
	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// twoPartitions gives a whole log of two partitions, thirty records each.
func twoPartitions(t *testing.T) *faultfs.Disk {
	t.Helper()
	disk := faultfs.New()
	m, err := segment.EnsureManifest(disk, 2)
	if err != nil {
		t.Fatal(err)
	}
	id, err := m.LogID()
	if err != nil {
		t.Fatal(err)
	}
	for p := range 2 {
		o := options(disk)
		o.Log, o.Partition = id, p
		log := mustOpen(t, o)
		fill(t, log, 0, records)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

func TestVerify(t *testing.T) {
	if _, err := segment.Verify(faultfs.New()); err == nil {
		t.Error("there is no log in an empty directory")
	}
	disk := twoPartitions(t)
	r, err := segment.Verify(disk)
	if err != nil || !r.Sound() || r.Manifest.Partitions != 2 || len(r.Files) != len(segments(t, disk)) {
		t.Fatalf("a whole log: %+v, %v", r, err)
	}
	total := int64(0)
	for _, f := range r.Files {
		total += f.Records
		if f.Torn || f.Bytes <= 64 {
			t.Errorf("a whole file: %+v", f)
		}
	}
	if total != 2*records {
		t.Errorf("%d records counted", total)
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	whole := twoPartitions(t)
	names := segments(t, whole)
	newest := names[len(names)-1]
	for what, c := range map[string]struct {
		file  string
		spoil func(b []byte) []byte
		torn  bool
		pos   int64 // of the damage; -1: none
	}{
		"a flipped bit in an old file":    {names[0], func(b []byte) []byte { b[70] ^= 4; return b }, false, 64},
		"an old file's header":            {names[0], func(b []byte) []byte { b[3] ^= 4; return b }, false, 0},
		"an old file cut short":           {names[1], func(b []byte) []byte { return b[:64] }, false, 64},
		"a flipped bit in the newest":     {newest, func(b []byte) []byte { b[70] ^= 4; return b }, false, 64},
		"a torn tail":                     {newest, func(b []byte) []byte { at := starts(b); return b[:at[len(at)-1]-3] }, true, -1},
		"a newest file that was not used": {newest, func(b []byte) []byte { return b[:10] }, true, -1},
	} {
		disk := whole.Clone()
		if err := disk.Edit(c.file, c.spoil); err != nil {
			t.Fatal(err)
		}
		r, err := segment.Verify(disk)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Files {
			if f.Name != c.file {
				if f.Err != nil || f.Torn {
					t.Errorf("%s: %s is blamed: %+v", what, f.Name, f)
				}
				continue
			}
			if f.Torn != c.torn || (f.Err == nil) != (c.pos < 0) {
				t.Errorf("%s: %+v", what, f)
			} else if c.pos >= 0 {
				if d := damage(t, f.Err); d.Pos != c.pos || d.File != c.file {
					t.Errorf("%s: %+v", what, d)
				}
			}
		}
		if r.Sound() != (c.pos < 0) {
			t.Errorf("%s: sound is %v", what, r.Sound())
		}
	}
}
