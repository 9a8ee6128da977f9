package node

import (
	"runtime"
	"testing"
)

func TestTrimmer(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name      string
		last, now heap
		want      bool
	}{
		{"a storm is over", heap{allocated: 500 * mib}, heap{allocated: 501 * mib, objects: 100 * mib, live: 50 * mib}, true},
		{"the storm goes on", heap{allocated: 500 * mib}, heap{allocated: 600 * mib, objects: 100 * mib, live: 50 * mib}, false},
		{"collected but not given back", heap{allocated: 500 * mib}, heap{allocated: 501 * mib, objects: 52 * mib, live: 50 * mib, free: 20 * mib}, true},
		{"too little to be had", heap{allocated: 500 * mib}, heap{allocated: 501 * mib, objects: 57 * mib, live: 50 * mib}, false},
		{"little beside what is alive", heap{allocated: 500 * mib}, heap{allocated: 501 * mib, objects: 1200 * mib, live: 1000 * mib}, false},
	} {
		tr := trimmer{last: c.last}
		if got := tr.due(c.now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if tr.last != c.now {
			t.Errorf("%s: the look is not kept", c.name)
		}
	}
}

func TestReadHeap(t *testing.T) {
	before := readHeap()
	kept := make([]byte, 32<<20)
	runtime.GC()
	after := readHeap()
	if after.allocated < before.allocated+uint64(len(kept)) || after.live < uint64(len(kept)) || after.objects < uint64(len(kept)) {
		t.Errorf("%+v, then 32 MiB, then %+v", before, after)
	}
	runtime.KeepAlive(kept)
}
