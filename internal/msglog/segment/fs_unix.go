//go:build unix

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is FS and Volume on a real directory (0700, its files 0600).
type Dir struct{ path string }

// OpenDir makes the directory if need be, durably.
func OpenDir(path string) (*Dir, error) {
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := MakeDir(path); err != nil {
			return nil, fmt.Errorf("make the log directory: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open the log directory: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("open the log directory: %s is not a directory", path)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("close the log directory to others: %w", err)
	}
	return &Dir{path: path}, nil
}

// MakeDir makes a directory and those above it that are missing, for their owner alone, and the names of all of them durable: a file that is
// synced in a directory whose own name is not may be gone after a power cut.
func MakeDir(path string) error {
	var within []string // where names are new
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		within = append(within, filepath.Dir(p))
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, dir := range within {
		if err := syncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) { // who may write there need not be allowed to read
			return err
		}
	}
	return nil
}

// Open implements FS.
func (d *Dir) Open(name string, create bool) (File, int64, error) {
	flag := os.O_RDWR
	if create {
		flag |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(filepath.Join(d.path, name), flag, 0o600)
	if err != nil {
		return nil, 0, spaceError(err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return osFile{f}, info.Size(), nil
}

// Rename implements FS.
func (d *Dir) Rename(oldName, newName string) error {
	return spaceError(os.Rename(filepath.Join(d.path, oldName), filepath.Join(d.path, newName)))
}

// Remove implements FS.
func (d *Dir) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

// List implements FS.
func (d *Dir) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// SyncDir implements FS.
func (d *Dir) SyncDir() error { return syncDir(d.path) }

// Free implements Volume: what an ordinary user may still write.
func (d *Dir) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.path, &st); err != nil {
		return 0, fmt.Errorf("ask for free disk space: %w", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// Lock implements Volume, by flock on the file "lock". The kernel gives it back when the process ends, however it ends.
func (d *Dir) Lock() (func() error, error) {
	f, err := os.OpenFile(filepath.Join(d.path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the log directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = &LockedError{Dir: d.path}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// spaceError marks the errors of a full disk.
func spaceError(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

type osFile struct{ f *os.File }

func (o osFile) ReadAt(p []byte, off int64) (int, error) { return o.f.ReadAt(p, off) }
func (o osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := o.f.WriteAt(p, off)
	return n, spaceError(err)
}
func (o osFile) Close() error            { return o.f.Close() }
func (o osFile) Sync() error             { return syncData(o.f) }
func (o osFile) Resize(size int64) error { return spaceError(resize(o.f, size)) }
