//go:build !linux

package engineio

import "syscall"

// holdLittle is for Linux only.
func holdLittle(syscall.RawConn) {}
