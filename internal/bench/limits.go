package bench

import "fmt"

// socketBytes is what a socket costs the generator and the kernel here, generously; spareFiles is what the process needs beside.
const (
	socketBytes = 24 << 10
	spareFiles  = 100
)

// admit refuses what this machine can not carry, before anything is opened.
func admit(sockets int) error {
	if files := openFiles(); files > 0 && uint64(sockets)+spareFiles > files {
		return fmt.Errorf("%d sockets do not fit: this process may have %d open files (ulimit -n), of which it needs %d for itself", sockets, files, spareFiles)
	}
	if free := available(); free > 0 && int64(sockets)*socketBytes > free {
		return fmt.Errorf("%d sockets do not fit: they may need %d MiB, and %d MiB are free", sockets, int64(sockets)*socketBytes>>20, free>>20)
	}
	return nil
}
