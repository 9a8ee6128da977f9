package segment

import "errors"

// FS is a directory of files as the log uses it. Names have no slashes. Nothing of Open, Rename and Remove is durable before SyncDir has
// returned. Safe for concurrent use.
type FS interface {
	// Open opens a file for reading and writing and gives its size in bytes; create makes it, and it must not exist then (fs.ErrExist).
	Open(name string, create bool) (File, int64, error)
	// Rename replaces newName by oldName.
	Rename(oldName, newName string) error
	Remove(name string) error
	// List gives the names, in any order.
	List() ([]string, error)
	SyncDir() error
}

// File is an open file. Nothing is durable before Sync has returned nil; after an error of Sync nothing that was not durable before may be
// counted on. Reads and writes may run at once.
type File interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	// Resize cuts the file, or reserves space up to size, reading as zeros. ErrNoSpace: nothing has changed.
	Resize(size int64) error
	Sync() error
	Close() error
}

// Volume is what lies around the directory.
type Volume interface {
	// Lock takes the directory for this process, or gives *LockedError.
	Lock() (unlock func() error, err error)
	// Free gives the bytes that may still be written.
	Free() (int64, error)
}

// ErrNoSpace is wrapped by what an FS answers when the disk is full.
var ErrNoSpace = errors.New("no space left")
