//go:build unix

package engineio

import (
	"errors"
	"net"
	"syscall"
)

// rawConn gives what writes that do not wait need; nil where there are none.
func rawConn(conn net.Conn) syscall.RawConn {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}

// once is for syscall.RawConn: it never asks to be called again.
func (t *try) once(fd uintptr) bool {
	for {
		t.n, t.err = syscall.Write(int(fd), t.piece)
		if !errors.Is(t.err, syscall.EINTR) {
			return true
		}
	}
}
