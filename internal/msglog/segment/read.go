package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
)

const (
	indexStep = 64 << 10  // bytes between two places of a segment's index
	readBytes = 256 << 10 // read at a time
)

func newSegmentFile(name string, h Header, size int64) *segmentFile {
	return &segmentFile{name: name, header: h, size: size, index: []place{h.start()}, indexed: headerSize}
}

// note remembers a place if it is far enough from the last one remembered.
func (f *segmentFile) note(p place) {
	if p.pos-f.indexed >= indexStep {
		f.index, f.indexed = append(f.index, p), p.pos
	}
}

// entryCost is what an entry costs in memory beside its body, about.
const entryCost = 64

// recent holds the newest entries without a hole, bounded in bytes.
type recent struct {
	list  []Entry
	bytes int
	limit int
}

func (r *recent) push(es []Entry) {
	for _, e := range es {
		r.bytes += len(e.Body) + entryCost
	}
	r.list = append(r.list, es...)
	drop := 0
	for ; r.bytes > r.limit && drop < len(r.list); drop++ {
		r.bytes -= len(r.list[drop].Body) + entryCost
		r.list[drop] = Entry{}
	}
	r.list = r.list[drop:] // append moves to a new array now and then, and leaves the dropped ones behind
}

// get gives entries from an offset on; nil where it does not reach back so far.
func (r *recent) get(from int64, limit bound) []Entry {
	if len(r.list) == 0 || from < r.list[0].Offset {
		return nil
	}
	es := r.list[from-r.list[0].Offset:]
	n := 0
	for n < len(es) && limit.take(len(es[n].Body)) {
		n++
	}
	return append([]Entry(nil), es[:n]...)
}

// bound counts down records and bytes; the first record always fits.
type bound struct {
	records, bytes int
	taken          bool
}

func (b *bound) take(size int) bool {
	if b.records <= 0 || b.taken && size > b.bytes {
		return false
	}
	b.records--
	b.bytes -= size
	b.taken = true
	return true
}

// Read gives durable entries from an offset on, at most so many records and bytes, but one at least; none at the end. It may give fewer than
// there are. Errors: ErrTrimmed, ErrBeyond, ErrClosed, *DamageError, or what the disk says.
func (l *Log) Read(from int64, records, bytes int) ([]Entry, error) {
	limit := bound{records: max(1, records), bytes: bytes}
	l.mu.Lock()
	switch {
	case l.changed == nil:
		l.mu.Unlock()
		return nil, ErrClosed
	case from < l.segments[0].header.First:
		l.mu.Unlock()
		return nil, ErrTrimmed
	case from > l.end:
		l.mu.Unlock()
		return nil, ErrBeyond
	case from == l.end:
		l.mu.Unlock()
		return nil, nil
	}
	if es := l.recent.get(from, limit); es != nil {
		l.mu.Unlock()
		return es, nil
	}
	i := sort.Search(len(l.segments), func(i int) bool { return l.segments[i].header.First > from }) - 1
	seg, end, seed := l.segments[i], l.end, l.tip
	if i+1 < len(l.segments) {
		end, seed = l.segments[i+1].header.First, l.segments[i+1].header.Seed
	}
	at, known := seg.find(from)
	l.mu.Unlock()

	if !known {
		var err error
		if at, err = l.indexSealed(seg, end, seed, from); err != nil {
			return nil, l.readError(from, err)
		}
	}
	es, err := l.readSegment(seg, at, from, end, limit)
	if err != nil {
		return nil, l.readError(from, err)
	}
	return es, nil
}

// readError says why a file that was there is gone.
func (l *Log) readError(from int64, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, fs.ErrNotExist) && from < l.segments[0].header.First {
		return ErrTrimmed
	}
	return err
}

// CRC gives the chained CRC of the record before offset: a proof of the log up to there.
func (l *Log) CRC(offset int64) (uint32, error) {
	l.mu.Lock()
	first, end, tip, seed := l.segments[0].header.First, l.end, l.tip, l.segments[0].header.Seed
	l.mu.Unlock()
	switch {
	case offset < first:
		return 0, ErrTrimmed
	case offset > end:
		return 0, ErrBeyond
	case offset == end:
		return tip, nil
	case offset == first:
		return seed, nil
	}
	es, err := l.Read(offset-1, 1, 0)
	if err != nil {
		return 0, err
	}
	return es[0].CRC, nil
}

// find gives the last remembered place at or before an offset; known is false when the file was never scanned. Needs mu.
func (f *segmentFile) find(offset int64) (at place, known bool) {
	if f.index == nil {
		return at, false
	}
	want := offset - f.header.First
	i := sort.Search(len(f.index), func(i int) bool { return int64(f.index[i].index) > want }) - 1
	return f.index[i], true
}

// indexSealed scans a segment that was not checked at Open, whole.
func (l *Log) indexSealed(seg *segmentFile, end int64, seed uint32, from int64) (place, error) {
	file, size, err := l.opts.FS.Open(seg.name, false)
	if err != nil {
		return place{}, fmt.Errorf("open %s: %w", seg.name, err)
	}
	defer file.Close()
	found, err := scanFile(file, seg.name, seg.header, size)
	if err != nil {
		return place{}, err
	}
	if err := found.sealedBy(end, seed); err != nil {
		return place{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seg.index, seg.indexed = found.index, found.indexed
	at, _ := seg.find(from)
	return at, nil
}

// readSegment reads on from a place in a file that was scanned before. The bodies share memory of their own.
func (l *Log) readSegment(seg *segmentFile, at place, from, end int64, limit bound) ([]Entry, error) {
	file, size, err := l.opts.FS.Open(seg.name, false)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", seg.name, err)
	}
	defer file.Close()
	s := newScanner(file, seg.header, at, size, readBytes, true)
	var es []Entry
	for {
		offset := seg.header.First + int64(s.at.index)
		if offset >= end {
			return es, nil
		}
		pos := s.at.pos
		f, body, err := s.next()
		if errors.Is(err, errNoRecord) {
			if len(es) > 0 {
				return es, nil // what is whole goes out first
			}
			return nil, &DamageError{File: seg.name, Pos: pos, Offset: offset, Reason: fmt.Sprintf("record %d is not what was written", offset)}
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", seg.name, err)
		}
		if offset < from {
			continue
		}
		if !limit.take(len(body)) {
			return es, nil
		}
		es = append(es, Entry{Offset: offset, At: f.at, CRC: f.crc, Body: body})
	}
}
