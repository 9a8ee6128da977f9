package segment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

var testHeader = Header{Log: ID{1, 2, 3}, Generation: 1, Partition: 2, First: 77, Seed: 0xabcdef01}

// TestFormatIsFixed pins the bytes: what is on disk today must be readable for ever.
func TestFormatIsFixed(t *testing.T) {
	h := testHeader.encode()
	if got := hex.EncodeToString(h); got != "48554242"+"4c4f470a"+"01000000"+"01000000"+"01020300000000000000000000000000"+"02000000"+"01efcdab"+
		"4d00000000000000"+"000000000000000000000000"+hex.EncodeToString(h[60:]) {
		t.Fatalf("header %s", got)
	}
	b, crc := appendRecord(nil, testHeader.salt(), frame{index: 3, batch: 2, prev: 0x11223344, at: 0x0102030405}, []byte("body"))
	if got := hex.EncodeToString(b[:24]); got != "04000000"+"03000000"+"02000000"+"44332211"+"0504030201000000" || string(b[28:]) != "body" {
		t.Fatalf("record %s", hex.EncodeToString(b))
	}
	if hex.EncodeToString(h[60:]) != "0cea9ec1" || crc != 0x26115dfd {
		t.Fatalf("checksums %s and %#x", hex.EncodeToString(h[60:]), crc)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(testHeader.encode())
	f.Add(testHeader.encode()[:40])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err == nil && !bytes.Equal(h.encode()[:48], b[:48]) {
			t.Fatalf("%x was read as %+v, which is %x", b, h, h.encode())
		}
	})
}

func FuzzRecord(f *testing.F) {
	salt := testHeader.salt()
	good, _ := appendRecord(nil, salt, frame{index: 1, batch: 1, prev: 5, at: 9}, []byte("body"))
	f.Add(good)
	f.Add(append(good, 1, 2, 3))
	f.Add(good[:len(good)-1])
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, body, ok := parseRecord(b, salt)
		if !ok {
			return
		}
		again, _ := appendRecord(nil, salt, fr, body)
		if !bytes.Equal(again, b[:len(again)]) {
			t.Fatalf("%x was read as %+v", b, fr)
		}
	})
}

// FuzzScan reads arbitrary bytes as a segment: records, then a verdict, without a panic and without inventing anything.
func FuzzScan(f *testing.F) {
	salt := testHeader.salt()
	var good []byte
	crc := testHeader.Seed
	for i := range uint32(4) {
		good, crc = appendRecord(good, salt, frame{index: i, batch: i / 2 * 2, prev: crc, at: int64(i)}, []byte("some body"))
	}
	f.Add(good)
	f.Add(append(bytes.Clone(good), make([]byte, 64)...))
	for _, cut := range []int{1, 30, 40, 80} {
		f.Add(good[:len(good)-cut])
		spoilt := bytes.Clone(good)
		spoilt[cut] ^= 1
		f.Add(spoilt)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file := append(testHeader.encode(), b...)
		s := newScanner(bytes.NewReader(file), testHeader, testHeader.start(), int64(len(file)), 32, true)
		n := 0
		for {
			_, body, err := s.next()
			if errors.Is(err, errNoRecord) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n += frameSize + len(body); len(body) == 0 {
				t.Fatal("an empty body")
			}
		}
		if s.at.pos != int64(headerSize+n) || n > len(b) {
			t.Fatalf("%d bytes of records, but it stands at %d", n, s.at.pos)
		}
		v, err := s.judge()
		if err != nil {
			t.Fatal(err)
		}
		if zeros := len(bytes.Trim(b[n:], "\x00")) == 0; zeros != (v == cleanEnd) {
			t.Fatalf("zeros: %v, verdict %d", zeros, v)
		}
	})
}
