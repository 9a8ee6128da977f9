//go:build unix && !linux

package segment

import "os"

// syncData uses the one sync that Go promises everywhere (on macOS it is F_FULLFSYNC).
func syncData(f *os.File) error { return f.Sync() }

func resize(f *os.File, size int64) error { return f.Truncate(size) }
