package segment

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync: it leaves out the file's times, so writing into preallocated space needs no journal of the inode.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// resize reserves real blocks where the file system can, so that a later write can not run out of space.
func resize(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size <= info.Size() {
		return f.Truncate(size)
	}
	for {
		err = unix.Fallocate(int(f.Fd()), 0, info.Size(), size-info.Size())
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return f.Truncate(size)
		}
		return err
	}
}
