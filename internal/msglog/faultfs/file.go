package faultfs

import (
	"io"
	"slices"
)

// sector is what a disk writes in one piece, bytes.
const sector = 512

// inode is a file's content: as programs see it, and as it was synced.
type inode struct {
	data   []byte
	stable []byte
	dirty  []stretch // of data, written since it was last synced
}

type stretch struct{ lo, hi int }

// sync makes durable what is dirty.
func (n *inode) sync() {
	n.stable = resized(n.stable, len(n.data))
	for _, s := range n.dirty {
		if hi := min(s.hi, len(n.data)); s.lo < hi {
			copy(n.stable[s.lo:hi], n.data[s.lo:hi])
		}
	}
	n.dirty = nil
}

// reboot gives the file as a power cut leaves it.
func (n *inode) reboot(keep func() bool) *inode {
	out := slices.Clone(n.stable)
	if len(n.data) != len(n.stable) && keep() {
		out = resized(out, len(n.data))
	}
	for _, s := range n.dirty {
		for lo := s.lo; lo < s.hi; {
			hi := min(lo/sector*sector+sector, s.hi)
			if keep() && lo < len(out) && lo < len(n.data) {
				copy(out[lo:], n.data[lo:min(hi, len(n.data))])
			}
			lo = hi
		}
	}
	return &inode{data: slices.Clone(out), stable: out}
}

// resized cuts b, or lengthens it by zeros.
func resized(b []byte, n int) []byte {
	if n <= len(b) {
		clear(b[n:])
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

// file is an open file; it outlives the removal of its name.
type file struct {
	d    *Disk
	name string
	node *inode
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.dead {
		return 0, ErrPowerCut
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	fault, err := f.d.do(Write, f.name, func() error {
		f.put(p, int(off))
		return nil
	})
	switch {
	case fault != nil && !fault.Lie:
		f.put(p[:fault.Wrote], int(off))
		return fault.Wrote, err
	case err != nil:
		return 0, err
	}
	return len(p), nil
}

func (f *file) put(p []byte, off int) {
	if need := off + len(p); need > len(f.node.data) {
		f.node.data = resized(f.node.data, need)
	}
	copy(f.node.data[off:], p)
	if len(p) > 0 {
		f.node.dirty = append(f.node.dirty, stretch{off, off + len(p)})
	}
}

func (f *file) Resize(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	_, err := f.d.do(Resize, f.name, func() error {
		f.node.data = resized(f.node.data, int(size))
		return nil
	})
	return err
}

func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	fault, err := f.d.do(Sync, f.name, func() error {
		f.node.sync()
		return nil
	})
	if fault != nil && !fault.Lie {
		f.node.dirty = nil
	}
	return err
}

// Close frees nothing: the disk is memory.
func (f *file) Close() error { return nil }
