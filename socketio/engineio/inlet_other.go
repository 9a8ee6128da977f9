//go:build !unix

package engineio

import (
	"io"
	"syscall"
)

// inlet is for systems that tell when to read; here there is none.
type inlet struct{}

func newInlet(syscall.RawConn, *bufferPool) *inlet { return nil }

func (*inlet) read() (*[readBuffer]byte, int, error) { return nil, 0, io.EOF }
