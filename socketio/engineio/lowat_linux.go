package engineio

import "syscall"

// maxUnsent is the most bytes that the kernel keeps for a client beyond what is on its way to it. Its own bound is megabytes: so much
// more than Options.MaxQueue would wait for a client that does not read, before anybody noticed.
const maxUnsent = 128 << 10

// tcpNotSentLowat is TCP_NOTSENT_LOWAT, see tcp(7).
const tcpNotSentLowat = 25

// holdLittle bounds what the kernel keeps. A kernel that does not know how keeps more.
func holdLittle(raw syscall.RawConn) {
	if raw != nil {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent) })
	}
}
