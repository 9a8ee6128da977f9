package segment

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const fileSuffix = ".seg"

// filePrefix begins the names of a partition's files; the generation is in it, so that a new one never meets the files of the old.
func filePrefix(generation, partition int) string {
	return fmt.Sprintf("g%d-p%d-", generation, partition)
}

func (l *Log) fileName(first int64) string {
	return fmt.Sprintf("%s%020d%s", filePrefix(l.opts.Generation, l.opts.Partition), first, fileSuffix)
}

// Open opens a partition, or begins it, and starts its committer. A torn tail is cut with a warning. Errors: *DamageError, *FormatError,
// *IdentityError, or what the disk says. The caller holds the directory's lock.
func Open(o Options) (*Log, error) {
	o.defaults()
	l := &Log{opts: o, recent: recent{limit: o.CacheBytes}, changed: make(chan struct{}), failed: make(chan struct{}), stopped: make(chan struct{})}
	l.work = sync.NewCond(&l.mu)
	if err := l.recover(); err != nil {
		if l.w.file != nil {
			err = errors.Join(err, l.w.file.Close())
		}
		return nil, err
	}
	l.acks = newAcker()
	go l.run()
	return l, nil
}

// recover finds the segments, checks them, and makes the newest one ready for the committer.
func (l *Log) recover() error {
	firsts, err := listSegments(l.opts.FS, filePrefix(l.opts.Generation, l.opts.Partition))
	if err != nil {
		return err
	}
	if len(firsts) == 0 {
		return l.begin()
	}
	for i, first := range firsts {
		seg, err := l.openHeader(first, i == len(firsts)-1)
		if err != nil {
			return err
		}
		l.segments = append(l.segments, seg)
	}
	if l.segments[len(l.segments)-1].header.Log == (ID{}) { // the newest has no whole header
		if err := l.restart(); err != nil {
			return err
		}
	}
	scans, err := l.scanNewest()
	if err != nil {
		return err
	}
	return l.resume(scans)
}

// begin makes a partition's very first segment.
func (l *Log) begin() error {
	h := l.nextHeader(nil)
	file, size, err := l.create(h)
	if err != nil {
		return err
	}
	l.w = writer{file: file, header: h, salt: h.salt(), at: h.start(), size: size}
	l.segments = []*segmentFile{newSegmentFile(l.fileName(0), h, size)}
	l.tip = h.Seed
	return nil
}

// nextHeader gives the header of the segment that follows what was scanned, or of the first one (nil).
func (l *Log) nextHeader(before *scanned) Header {
	h := Header{Log: l.opts.Log, Generation: uint32(l.opts.Generation), Partition: uint32(l.opts.Partition)}
	h.Seed = chainStart(h.Log, h.Generation, h.Partition)
	if before != nil {
		h.First, h.Seed = before.header.First+int64(before.end.index), before.end.crc
	}
	return h
}

// listSegments gives the first offsets of a partition's files, in order.
func listSegments(dir FS, prefix string) ([]int64, error) {
	names, err := dir.List()
	if err != nil {
		return nil, fmt.Errorf("list the log directory: %w", err)
	}
	var firsts []int64
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, prefix)
		digits, ok2 := strings.CutSuffix(rest, fileSuffix)
		if !ok || !ok2 {
			continue
		}
		first, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || first < 0 || len(digits) != 20 {
			return nil, &IdentityError{Reason: fmt.Sprintf("the log directory holds %s, which is no name of a log file: move it away", n)}
		}
		firsts = append(firsts, first)
	}
	sort.Slice(firsts, func(i, j int) bool { return firsts[i] < firsts[j] })
	return firsts, nil
}

// openHeader reads a segment's header. Of the newest one it may be torn: then the zero Header is given.
func (l *Log) openHeader(first int64, newest bool) (*segmentFile, error) {
	name := l.fileName(first)
	file, size, err := l.opts.FS.Open(name, false)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer file.Close()
	b := make([]byte, min(size, headerSize))
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	h, err := ParseHeader(b)
	var newer *FormatError
	switch {
	case errors.As(err, &newer):
		return nil, err
	case err != nil && newest:
		return &segmentFile{name: name, size: size}, nil
	case err != nil:
		return nil, &DamageError{File: name, Offset: first, Reason: err.Error()}
	case h.Log != l.opts.Log || int(h.Generation) != l.opts.Generation || int(h.Partition) != l.opts.Partition || h.First != first:
		return nil, &IdentityError{Reason: fmt.Sprintf("log file %s belongs to log %s, generation %d, partition %d, offset %d: it was put here by mistake",
			name, h.Log, h.Generation, h.Partition, h.First)}
	}
	return &segmentFile{name: name, header: h, size: size}, nil
}

// restart writes the newest segment's header again, after the power went between making the file and syncing it. What the header should
// have been follows from the segment before; if records were ever synced behind it, it was whole once and is damaged now.
func (l *Log) restart() error {
	seg := l.segments[len(l.segments)-1]
	var before *scanned
	if n := len(l.segments); n > 1 {
		var err error
		if before, err = l.scan(l.segments[n-2]); err != nil {
			return err
		}
	}
	h := l.nextHeader(before)
	if l.fileName(h.First) != seg.name {
		return &DamageError{File: seg.name, Offset: -1, Reason: fmt.Sprintf("its header is gone, and it does not follow offset %d", h.First-1)}
	}
	file, _, err := l.opts.FS.Open(seg.name, false)
	if err != nil {
		return fmt.Errorf("open %s: %w", seg.name, err)
	}
	defer file.Close()
	if err := neverUsed(file, seg, h); err != nil {
		return err
	}
	l.opts.Logger.Warn("a log file was begun but never used; it is begun again", "file", seg.name)
	if err := l.startFile(file, h); err != nil {
		return fmt.Errorf("begin %s again: %w", seg.name, err)
	}
	*seg = *newSegmentFile(seg.name, h, max(seg.size, headerSize))
	return nil
}

// neverUsed checks that a file without a whole header holds no record either: the header is synced before the first is written. h is the
// header it should have.
func neverUsed(file File, seg *segmentFile, h Header) error {
	s := newScanner(file, h, h.start(), seg.size, readBytes, false)
	_, _, err := s.next()
	if errors.Is(err, errNoRecord) {
		var v verdict
		if v, err = s.judgeFrom(0); err == nil && v != damaged {
			return nil
		}
	}
	return errors.Join(err, &DamageError{File: seg.name, Offset: h.First, Reason: "its header is gone, but records follow"})
}

// scanNewest checks the newest segments, two at least, against each other, newest first.
func (l *Log) scanNewest() ([]*scanned, error) {
	var scans []*scanned
	var bytes int64
	for i := len(l.segments) - 1; i >= 0 && (len(scans) < 2 || bytes < l.opts.ScanBytes); i-- {
		seg := l.segments[i]
		found, err := l.scan(seg)
		if err != nil {
			return nil, err
		}
		if i+1 < len(l.segments) {
			next := l.segments[i+1].header
			if err := found.sealedBy(next.First, next.Seed); err != nil {
				return nil, err
			}
		}
		seg.index, seg.indexed = found.index, found.indexed
		scans = append(scans, found)
		bytes += seg.size
	}
	return scans, nil
}

func (l *Log) scan(seg *segmentFile) (*scanned, error) {
	file, size, err := l.opts.FS.Open(seg.name, false)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", seg.name, err)
	}
	defer file.Close()
	return scanFile(file, seg.name, seg.header, size)
}

// scanned is what a scan found in a file.
type scanned struct {
	name    string
	header  Header
	index   []place
	indexed int64
	end     place // behind the last good record
	batch   int64 // where the last batch begins, byte offset
	lastAt  int64 // append time of the last record; 0: none
}

// scanFile walks a file from its first record as far as records go.
func scanFile(file File, name string, h Header, size int64) (*scanned, error) {
	seg := newSegmentFile(name, h, size)
	found := &scanned{name: name, header: h, batch: headerSize}
	s := newScanner(file, h, h.start(), size, readBytes, false)
	for {
		pos := s.at.pos
		f, _, err := s.next()
		if errors.Is(err, errNoRecord) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if f.batch == f.index {
			found.batch = pos
		}
		found.lastAt = f.at
		seg.note(s.at)
	}
	found.index, found.indexed, found.end = seg.index, seg.indexed, s.at
	return found, nil
}

// sealedBy checks that the records reach exactly to where the next segment begins.
func (f *scanned) sealedBy(first int64, seed uint32) error {
	end := f.header.First + int64(f.end.index)
	if end == first && f.end.crc == seed {
		return nil
	}
	reason := fmt.Sprintf("record %d is not what was written, and the log goes on to %d", end, first-1)
	if end >= first {
		reason = fmt.Sprintf("the next file begins at %d and does not follow", first)
	}
	return &DamageError{File: f.name, Pos: f.end.pos, Offset: end, Reason: reason}
}

// resume makes the newest segment ready to be written: judges its end, cuts what is torn, and syncs what was found.
func (l *Log) resume(scans []*scanned) error {
	last := scans[0]
	file, size, err := l.opts.FS.Open(last.name, false)
	if err != nil {
		return fmt.Errorf("open %s: %w", last.name, err)
	}
	l.w = writer{file: file, header: last.header, salt: last.header.salt(), at: last.end, size: size}
	for _, s := range scans {
		l.w.lastAt = max(l.w.lastAt, s.lastAt)
	}
	v, err := newScanner(file, last.header, last.end, size, readBytes, false).judge()
	if err != nil {
		return fmt.Errorf("read %s: %w", last.name, err)
	}
	end := last.header.First + int64(last.end.index)
	switch {
	case v == damaged:
		return &DamageError{File: last.name, Pos: last.end.pos, Offset: end, Reason: fmt.Sprintf("record %d is not what was written, and sound records follow", end)}
	case v == tornTail:
		l.opts.Logger.Warn("the log's last write was torn and is cut; nobody was promised what it held",
			"file", last.name, "byte", last.end.pos, "next_offset", end)
		if err := file.Resize(last.end.pos); err != nil {
			return fmt.Errorf("cut %s: %w", last.name, err)
		}
		l.w.size = last.end.pos
	}
	if err := l.resync(last); err != nil {
		return fmt.Errorf("sync %s again: %w", last.name, err)
	}
	l.segments[len(l.segments)-1].size = l.w.size
	l.end, l.tip = end, last.end.crc
	if end > math.MaxInt64>>1 {
		return &DamageError{File: last.name, Offset: end, Reason: "its offsets are beyond all sense"}
	}
	return nil
}

// resync writes header and last batch again, as they are, and syncs. They may stand in the kernel's memory alone: after a kill because
// nobody synced them, after a failed sync because the kernel took them for written. From here on readers are shown them.
func (l *Log) resync(last *scanned) error {
	if err := writeAll(l.w.file, last.header.encode(), 0); err != nil {
		return err
	}
	b := make([]byte, last.end.pos-last.batch)
	if n, err := l.w.file.ReadAt(b, last.batch); n < len(b) {
		return err
	}
	if err := writeAll(l.w.file, b, last.batch); err != nil {
		return err
	}
	if err := l.w.file.Sync(); err != nil {
		return err
	}
	return l.opts.FS.SyncDir()
}
