// Package faultfs is a disk of memory that fails on purpose: the double under the tests of msglog. It keeps apart what a program wrote and
// what a disk would still have after a power cut: bytes that were not synced and names whose directory was not synced are forgotten, wholly
// or by sector at random. It can stop at any operation, lie about a sync, fail, write short, or be full.
package faultfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"

	"github.com/hubbub-chat/hubbub/internal/msglog/segment"
)

// ErrPowerCut is what every operation answers once the power is gone.
var ErrPowerCut = errors.New("the power is gone")

// Kind of an operation that changes something.
type Kind string

// The kinds.
const (
	Create  Kind = "create"
	Rename  Kind = "rename"
	Remove  Kind = "remove"
	SyncDir Kind = "syncdir"
	Write   Kind = "write"
	Resize  Kind = "resize"
	Sync    Kind = "sync"
)

// Op is one operation: the N-th since the disk was made, from 0.
type Op struct {
	N    int
	Kind Kind
	Name string
}

// Fault is what happens instead of the operation.
type Fault struct {
	Err   error // what is answered; of a failed Sync nothing is written, and the kernel takes the bytes for clean
	Wrote int   // Write: so many bytes are written first
	Lie   bool  // nothing is done, and success is answered
}

// Disk is one directory. It implements segment.FS and segment.Volume. Safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	live   map[string]*inode // as programs see it
	stable map[string]*inode // as it was at the last SyncDir
	ops    int
	cutAt  int // -1: never
	dead   bool
	hook   func(Op) *Fault
	locked bool
	free   int64
}

// New makes an empty disk with much room.
func New() *Disk {
	return &Disk{live: map[string]*inode{}, stable: map[string]*inode{}, cutAt: -1, free: 1 << 50}
}

// CutAt cuts the power in the middle of operation n: it is done, but not durable, and is never answered with success.
func (d *Disk) CutAt(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutAt = n
}

// SetHook asks f before each operation; nil: let it happen. f must not call the Disk.
func (d *Disk) SetHook(f func(Op) *Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = f
}

// SetFree sets what Free answers, bytes.
func (d *Disk) SetFree(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = n
}

// Ops tells how many operations there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// Forgotten gives what would be left if the power went now and nothing that was not durable had reached the disk. The Disk lives on.
func (d *Disk) Forgotten() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reboot(func() bool { return false })
}

// Reboot gives the disk as it is found after the power came back. keep tells for each thing that was not durable (a sector of 512 bytes, a
// file's size, a name) whether it had reached the disk by luck. The old Disk is dead.
func (d *Disk) Reboot(keep func() bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	return d.reboot(keep)
}

func (d *Disk) reboot(keep func() bool) *Disk {
	after := New()
	after.free = d.free
	copies := map[*inode]*inode{}
	for _, name := range d.names() {
		node := d.stable[name]
		if now := d.live[name]; now != node && keep() {
			node = now
		}
		if node == nil {
			continue
		}
		if copies[node] == nil {
			copies[node] = node.reboot(keep)
		}
		after.live[name], after.stable[name] = copies[node], copies[node]
	}
	return after
}

// Luck is a keep for Reboot: a coin with the given chance of true.
func Luck(seed uint64, chance float64) func() bool {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() bool { return r.Float64() < chance }
}

// names gives all names, durable or not, in order. Needs mu.
func (d *Disk) names() []string {
	var names []string
	for n := range d.live {
		names = append(names, n)
	}
	for n := range d.stable {
		if d.live[n] == nil {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names
}

// do runs an operation, or what stands in its place. Needs mu.
func (d *Disk) do(kind Kind, name string, apply func() error) (fault *Fault, err error) {
	if d.dead {
		return nil, ErrPowerCut
	}
	op := Op{N: d.ops, Kind: kind, Name: name}
	d.ops++
	if op.N == d.cutAt {
		d.dead = true
		if kind != Sync && kind != SyncDir {
			_ = apply() // in the kernel's memory only
		}
		return nil, ErrPowerCut
	}
	if d.hook != nil {
		fault = d.hook(op)
	}
	switch {
	case fault == nil:
		return nil, apply()
	case fault.Lie:
		return fault, nil
	}
	return fault, fault.Err
}

// Open implements segment.FS.
func (d *Disk) Open(name string, create bool) (segment.File, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !create {
		node := d.live[name]
		if d.dead {
			return nil, 0, ErrPowerCut
		}
		if node == nil {
			return nil, 0, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
		}
		return &file{d: d, name: name, node: node}, int64(len(node.data)), nil
	}
	_, err := d.do(Create, name, func() error {
		if d.live[name] != nil {
			return fmt.Errorf("create %s: %w", name, fs.ErrExist)
		}
		d.live[name] = &inode{}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return &file{d: d, name: name, node: d.live[name]}, 0, nil
}

// Rename implements segment.FS.
func (d *Disk) Rename(oldName, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.do(Rename, newName, func() error {
		if d.live[oldName] == nil {
			return fmt.Errorf("rename %s: %w", oldName, fs.ErrNotExist)
		}
		d.live[newName] = d.live[oldName]
		delete(d.live, oldName)
		return nil
	})
	return err
}

// Remove implements segment.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live[name] == nil && !d.dead {
		return fmt.Errorf("remove %s: %w", name, fs.ErrNotExist)
	}
	_, err := d.do(Remove, name, func() error {
		delete(d.live, name)
		return nil
	})
	return err
}

// List implements segment.FS.
func (d *Disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return nil, ErrPowerCut
	}
	var names []string
	for n := range d.live {
		names = append(names, n)
	}
	return names, nil
}

// SyncDir implements segment.FS.
func (d *Disk) SyncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.do(SyncDir, "", func() error {
		clear(d.stable)
		for n, node := range d.live {
			d.stable[n] = node
		}
		return nil
	})
	return err
}

// Lock implements segment.Volume.
func (d *Disk) Lock() (func() error, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, &segment.LockedError{Dir: "of memory"}
	}
	d.locked = true
	return func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.locked = false
		return nil
	}, nil
}

// Free implements segment.Volume.
func (d *Disk) Free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return 0, ErrPowerCut
	}
	return d.free, nil
}

// Edit changes a file behind everybody's back, durably; f may change b in place, and gives what the file then holds.
func (d *Disk) Edit(name string, f func(b []byte) []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := d.live[name]
	if node == nil {
		return fmt.Errorf("edit %s: %w", name, fs.ErrNotExist)
	}
	node.data = f(node.data)
	node.stable, node.dirty = slices.Clone(node.data), nil
	return nil
}

// Put makes a file, durably.
func (d *Disk) Put(name string, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	node := &inode{data: slices.Clone(b), stable: slices.Clone(b)}
	d.live[name], d.stable[name] = node, node
}

// Clone gives a copy of the disk as programs see it, all of it durable.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New()
	c.free = d.free
	for name, node := range d.live {
		n := &inode{data: slices.Clone(node.data), stable: slices.Clone(node.data)}
		c.live[name], c.stable[name] = n, n
	}
	return c
}
