package pgwire

import "golang.org/x/sys/unix"

// Readable asks, without reading, whether a Read of the socket would find something: bytes, or the end. It is false where
// there is no descriptor to ask.
func (c *Conn) Readable() bool {
	if c.raw == nil {
		return false
	}
	ready := false
	err := c.raw.rc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		ready = err == nil && n > 0
	})
	return ready && err == nil
}
