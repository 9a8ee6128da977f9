//go:build !unix

package engineio

import (
	"net"
	"syscall"
)

// rawConn gives what writes that do not wait need; nil where there are none.
func rawConn(net.Conn) syscall.RawConn { return nil }

// once is not called without a rawConn.
func (t *try) once(uintptr) bool {
	t.err = syscall.EAGAIN
	return true
}
