package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// place is where a reader stands in a segment: before the record of that index, behind the one with that CRC.
type place struct {
	index uint32
	pos   int64
	crc   uint32
}

// start is the place of a segment's first record.
func (h Header) start() place { return place{pos: headerSize, crc: h.Seed} }

// errNoRecord ends a scan: here is no record that follows the one before.
var errNoRecord = errors.New("no record here")

// scanner walks a segment's records, checking each against its CRC and the chain.
type scanner struct {
	f    io.ReaderAt
	salt uint32
	at   place
	end  int64 // of the file, or of what may be read
	keep bool  // bodies outlive the next call
	read int   // bytes to read at a time
	buf  []byte
	from int64 // where buf lies in the file
}

func newScanner(f io.ReaderAt, h Header, at place, end int64, read int, keep bool) *scanner {
	return &scanner{f: f, salt: h.salt(), at: at, end: end, read: read, keep: keep}
}

// next gives the record at s.at and moves behind it; errNoRecord where there is none.
func (s *scanner) next() (frame, []byte, error) {
	b, err := s.window(frameSize)
	if err != nil {
		return frame{}, nil, err
	}
	if len(b) < frameSize {
		return frame{}, nil, errNoRecord
	}
	size := parseFrame(b).size
	if size == 0 || size > MaxBody {
		return frame{}, nil, errNoRecord
	}
	if b, err = s.window(frameSize + int(size)); err != nil {
		return frame{}, nil, err
	}
	f, body, ok := parseRecord(b, s.salt)
	if !ok || f.index != s.at.index || f.prev != s.at.crc {
		return frame{}, nil, errNoRecord
	}
	s.at = place{index: f.index + 1, pos: s.at.pos + frameSize + int64(size), crc: f.crc}
	return f, body, nil
}

// window gives the bytes from s.at on, n at least unless the end is nearer.
func (s *scanner) window(n int) ([]byte, error) {
	skip := s.at.pos - s.from
	if skip >= 0 && skip+int64(n) <= int64(len(s.buf)) {
		return s.buf[skip:], nil
	}
	want := min(int64(max(n, s.read)), s.end-s.at.pos)
	if want <= 0 {
		return nil, nil
	}
	if s.keep || int64(cap(s.buf)) < want {
		s.buf = make([]byte, want)
	}
	s.buf, s.from = s.buf[:want], s.at.pos
	got, err := s.f.ReadAt(s.buf, s.from)
	if err != nil && !errors.Is(err, io.EOF) {
		s.buf = nil
		return nil, fmt.Errorf("read at byte %d: %w", s.from, err)
	}
	s.buf = s.buf[:got]
	return s.buf, nil
}

// verdict says what lies behind the place where a scan ended.
type verdict int

const (
	cleanEnd verdict = iota // zeros or nothing
	tornTail                // leavings of a batch that was never synced
	damaged                 // records of a later batch: what should be here had been synced
)

// judge looks at everything behind s.at. A record that its own CRC confirms and that came in a batch begun behind s.at proves damage, since a
// batch is written only when the one before has been synced.
func (s *scanner) judge() (verdict, error) { return s.judgeFrom(s.at.index + 1) }

// judgeFrom is judge where it is a record of a batch begun at or behind that index which proves damage. It looks byte by byte.
func (s *scanner) judgeFrom(batch uint32) (verdict, error) {
	rest := make([]byte, max(0, s.end-s.at.pos))
	n, err := s.f.ReadAt(rest, s.at.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return damaged, fmt.Errorf("read at byte %d: %w", s.at.pos, err)
	}
	v := cleanEnd
	for rest = rest[:n]; len(rest) > 0; {
		if rest[0] != 0 {
			v = tornTail
		}
		step := 1
		if len(rest) >= 8 && binary.LittleEndian.Uint64(rest) == 0 {
			rest = rest[5:] // a record does not begin with four zeros
			continue
		}
		if len(rest) >= frameSize && s.plausible(parseFrame(rest), n-len(rest)) {
			if f, body, ok := parseRecord(rest, s.salt); ok {
				if f.batch >= batch {
					return damaged, nil
				}
				step, v = frameSize+len(body), tornTail
			}
		}
		rest = rest[step:]
	}
	return v, nil
}

// plausible tells cheaply whether a record's head, found skip bytes behind s.at, can be one: its number must fit the room between.
func (s *scanner) plausible(f frame, skip int) bool {
	return f.size > 0 && f.size <= MaxBody && f.index >= s.at.index && int64(f.index-s.at.index) <= int64(skip)/(frameSize+1)+1
}
