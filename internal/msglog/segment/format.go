package segment

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
)

// FormatVersion is the version of the files this program writes. It reads no higher one: there is no way back from a newer format.
const FormatVersion = 1

// MaxBody bounds the body of a record, bytes.
const MaxBody = 16 << 20

const (
	headerSize = 64 // of a segment
	frameSize  = 28 // of a record, before its body
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	magic      = [8]byte{'H', 'U', 'B', 'B', 'L', 'O', 'G', '\n'}
)

// ID names a log for ever.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Header is the first 64 bytes of a segment: which log, generation and partition it belongs to, the offset of its first record, and the
// CRC from which its chain goes on.
type Header struct {
	Log        ID
	Generation uint32
	Partition  uint32
	First      int64
	Seed       uint32 // CRC of the record before First
}

// chainStart is the seed of a partition's very first segment.
func chainStart(log ID, generation, partition uint32) uint32 {
	b := binary.LittleEndian.AppendUint32(log[:len(log):len(log)], generation)
	return crc32.Checksum(binary.LittleEndian.AppendUint32(b, partition), castagnoli)
}

// encode gives the header's bytes. They depend on nothing but h, so recovery can tell what a torn header should have been.
func (h Header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic[:])
	le := binary.LittleEndian
	le.PutUint32(b[8:], FormatVersion)
	le.PutUint32(b[12:], h.Generation)
	copy(b[16:], h.Log[:])
	le.PutUint32(b[32:], h.Partition)
	le.PutUint32(b[36:], h.Seed)
	le.PutUint64(b[40:], uint64(h.First))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// salt ties a record to its segment.
func (h Header) salt() uint32 { return binary.LittleEndian.Uint32(h.encode()[60:]) }

// ParseHeader reads a segment's header. A newer format is *FormatError, anything else that is wrong a plain error.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	le := binary.LittleEndian
	switch {
	case len(b) < headerSize:
		return h, fmt.Errorf("segment header cut short at %d bytes", len(b))
	case [8]byte(b) != magic:
		return h, fmt.Errorf("not a segment: wrong magic")
	case le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return h, fmt.Errorf("segment header does not match its checksum")
	case le.Uint32(b[8:]) > FormatVersion:
		return h, &FormatError{Found: int(le.Uint32(b[8:]))}
	}
	h.Generation, h.Partition, h.Seed = le.Uint32(b[12:]), le.Uint32(b[32:]), le.Uint32(b[36:])
	copy(h.Log[:], b[16:])
	h.First = int64(le.Uint64(b[40:]))
	if h.First < 0 {
		return h, fmt.Errorf("segment header with first offset %d", h.First)
	}
	return h, nil
}

// frame is a record's head: all of it but the body.
type frame struct {
	size  uint32 // of the body, never 0: zeros are no record
	index uint32 // in the segment, from 0
	batch uint32 // index of the first record that was synced together with this one
	prev  uint32 // CRC of the record before
	at    int64  // append time, ms since 1970
	crc   uint32
}

// appendRecord appends a record's bytes to dst and gives its CRC.
func appendRecord(dst []byte, salt uint32, f frame, body []byte) ([]byte, uint32) {
	start, le := len(dst), binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(len(body)))
	dst = le.AppendUint32(dst, f.index)
	dst = le.AppendUint32(dst, f.batch)
	dst = le.AppendUint32(dst, f.prev)
	dst = le.AppendUint64(dst, uint64(f.at))
	crc := recordCRC(salt, dst[start:], body)
	dst = le.AppendUint32(dst, crc)
	return append(dst, body...), crc
}

// recordCRC covers the segment (salt), the head up to the CRC itself, and the body.
func recordCRC(salt uint32, head, body []byte) uint32 {
	return crc32.Update(crc32.Update(salt, castagnoli, head), castagnoli, body)
}

// parseFrame reads a record's head; b has at least frameSize bytes.
func parseFrame(b []byte) frame {
	le := binary.LittleEndian
	return frame{size: le.Uint32(b), index: le.Uint32(b[4:]), batch: le.Uint32(b[8:]), prev: le.Uint32(b[12:]),
		at: int64(le.Uint64(b[16:])), crc: le.Uint32(b[24:])}
}

// parseRecord reads the record at the start of b. ok is false where there is none, or none that its own CRC confirms; whether it follows
// the record before is for the caller to judge. The body shares memory with b.
func parseRecord(b []byte, salt uint32) (f frame, body []byte, ok bool) {
	if len(b) < frameSize {
		return f, nil, false
	}
	f = parseFrame(b)
	if f.size == 0 || f.size > MaxBody || int(f.size) > len(b)-frameSize || f.batch > f.index || f.at < 0 {
		return f, nil, false
	}
	body = b[frameSize : frameSize+int(f.size) : frameSize+int(f.size)]
	return f, body, recordCRC(salt, b[:frameSize-4], body) == f.crc
}
