//go:build linux || darwin

package flowclient

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// closedMeanwhile reports whether the other side has closed an idle connection. net/http
// finds that out by reading, a moment later than the kernel: after a freeze, a request could
// be written within that moment, and its outcome be unknown.
//
// It looks at what the kernel has, and takes nothing of it. On an idle connection of
// HTTP/1.1 any data means an end (TLS says goodbye before TCP does). HTTP/2 may have data
// at any time.
func closedMeanwhile(conn net.Conn) bool {
	http2 := false
	if secure, ok := conn.(*tls.Conn); ok {
		http2 = secure.ConnectionState().NegotiatedProtocol == "h2"
		conn = secure.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	closed := false
	err = raw.Control(func(fd uintptr) { // Read would wait for net/http's own
		n, _, failure := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case failure == nil:
			closed = n == 0 || !http2
		case !errors.Is(failure, syscall.EAGAIN) && !errors.Is(failure, syscall.EINTR):
			closed = true
		}
	})
	return closed || err != nil
}
