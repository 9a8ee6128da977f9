package segment

import (
	"fmt"
)

// FileReport says what Verify found in one file.
type FileReport struct {
	Name    string
	First   int64 // offset of its first record
	Records int64
	Bytes   int64 // of the file
	Torn    bool  // the newest file of its partition ends in leavings of a write that was never synced; the next start cuts them
	Err     error // *DamageError, *FormatError, *IdentityError, or what the disk says; nil: sound
}

// Report says what Verify found in a directory.
type Report struct {
	Manifest Manifest
	Files    []FileReport // by partition and offset
}

// Sound tells whether nothing is wrong.
func (r Report) Sound() bool {
	for _, f := range r.Files {
		if f.Err != nil {
			return false
		}
	}
	return true
}

// VerifyDir checks the log in a directory, see Verify.
func VerifyDir(path string) (Report, error) {
	return Verify(&Dir{path: path})
}

// Verify reads every record of every partition, and changes nothing. While a hubbub writes to the log its last file may look torn. The
// error is for what can not be read at all.
func Verify(dir FS) (Report, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return Report{}, err
	}
	id, err := m.LogID()
	if err != nil {
		return Report{}, err
	}
	r := Report{Manifest: m}
	for p := range m.Partitions {
		firsts, err := listSegments(dir, filePrefix(m.Generation, p))
		if err != nil {
			return r, err
		}
		l := &Log{opts: Options{FS: dir, Log: id, Generation: m.Generation, Partition: p}}
		var before *scanned
		for i, first := range firsts {
			f, found := l.verifyFile(first, before, i == len(firsts)-1)
			if before != nil && found != nil {
				if err := before.sealedBy(first, found.header.Seed); err != nil {
					r.Files[len(r.Files)-1].Err = err
				}
			}
			r.Files = append(r.Files, f)
			before = found
		}
	}
	return r, nil
}

// verifyFile checks one file and how it follows the one before (nil: there is none, or it was too bad to tell).
func (l *Log) verifyFile(first int64, before *scanned, newest bool) (FileReport, *scanned) {
	r := FileReport{Name: l.fileName(first), First: first}
	seg, err := l.openHeader(first, newest)
	if err != nil {
		r.Err = err
		return r, nil
	}
	r.Bytes = seg.size
	file, size, err := l.opts.FS.Open(seg.name, false)
	if err != nil {
		r.Err = fmt.Errorf("open %s: %w", seg.name, err)
		return r, nil
	}
	defer file.Close()
	if seg.header.Log == (ID{}) {
		h := l.nextHeader(before)
		if r.Err = neverUsed(file, seg, h); r.Err == nil && h.First != first {
			r.Err = &DamageError{File: seg.name, Offset: -1, Reason: "its header is gone, and it does not follow the file before"}
		}
		r.Torn = r.Err == nil
		return r, nil
	}
	found, err := scanFile(file, seg.name, seg.header, size)
	if err != nil {
		r.Err = err
		return r, nil
	}
	r.Records = int64(found.end.index)
	v, err := newScanner(file, seg.header, found.end, size, readBytes, false).judge()
	switch {
	case err != nil:
		r.Err = fmt.Errorf("read %s: %w", seg.name, err)
	case v == damaged:
		r.Err = &DamageError{File: seg.name, Pos: found.end.pos, Offset: first + r.Records,
			Reason: fmt.Sprintf("record %d is not what was written, and sound records follow", first+r.Records)}
	case v == tornTail:
		r.Torn = newest
	}
	return r, found
}
