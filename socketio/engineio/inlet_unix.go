//go:build unix

package engineio

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// inlet reads a TCP connection into buffers that are lent once there is
// something to read.
type inlet struct {
	raw  syscall.RawConn
	pool *bufferPool
	try  func(fd uintptr) bool

	buf *[readBuffer]byte
	n   int
	err error
}

func newInlet(raw syscall.RawConn, pool *bufferPool) *inlet {
	if raw == nil {
		return nil
	}
	in := &inlet{raw: raw, pool: pool}
	in.try = in.once
	return in
}

// read waits for data and gives it in a buffer that is the caller's from then on.
func (in *inlet) read() (buf *[readBuffer]byte, n int, err error) {
	if err := in.raw.Read(in.try); err != nil {
		return nil, 0, err
	}
	buf, in.buf = in.buf, nil
	switch {
	case in.err != nil:
		return buf, 0, os.NewSyscallError("read", in.err)
	case in.n == 0:
		return buf, 0, io.EOF
	}
	return buf, in.n, nil
}

// once is for syscall.RawConn: false makes it wait until there is something.
func (in *inlet) once(fd uintptr) bool {
	in.buf = in.pool.getRead()
	for {
		in.n, in.err = syscall.Read(int(fd), in.buf[:])
		switch {
		case errors.Is(in.err, syscall.EINTR):
			continue
		case errors.Is(in.err, syscall.EAGAIN):
			in.pool.putRead(in.buf)
			in.buf = nil
			return false
		}
		return true
	}
}
