package cluster

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// link is one control connection. As long as it lives, the postmaster behind it has not been restarted, so positions
// learnt over it cannot have gone back.
type link struct {
	conn *pgx.Conn       // for the node's goroutine only
	raw  syscall.RawConn // nil if the socket cannot be looked at
}

func newLink(conn *pgx.Conn) *link {
	l := &link{conn: conn}
	c := conn.PgConn().Conn()
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			l.raw = raw
		}
	}
	return l
}

// alive looks whether the server has closed its end, without reading. Safe to call while the connection is in use or being
// closed.
func (l *link) alive() bool {
	if l.raw == nil {
		return true
	}
	hungUp := false
	err := l.raw.Control(func(fd uintptr) {
		fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		for {
			_, err := unix.Poll(fds[:], 0)
			if err == unix.EINTR {
				continue
			}
			hungUp = err != nil || fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
			return
		}
	})
	return err == nil && !hungUp
}

// close says goodbye even when the caller's context is over.
func (l *link) close(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	_ = l.conn.Close(ctx) // the connection is given up either way
}
