package pgwire

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawIO reads and writes a non-blocking descriptor by raw system calls, which
// spares the scheduler's bookkeeping around each (PERFORMANCE.md: a third of a
// relay's CPU). That is right because they never block.
//
// The closures are made once and their arguments and results pass through in
// and out, so that nothing is allocated per call.
type rawIO struct {
	nc net.Conn
	rc syscall.RawConn

	in struct {
		b      []byte
		lender *Reader // where b is nil: who gives a buffer once there is something to read
		n      int
		errno  syscall.Errno
		full   bool // the last read filled its buffer: there may be more
	}
	out struct {
		b     []byte
		errno syscall.Errno
		begun bool
	}
	onRead, onWrite, onExchange func(fd uintptr) bool
	onTryRead, onTryWrite       func(fd uintptr)
}

// newRawIO returns nil where nc is not a plain socket.
func newRawIO(nc net.Conn) *rawIO {
	var sc syscall.Conn
	switch s := nc.(type) {
	case *net.TCPConn:
		sc = s
	case *net.UnixConn:
		sc = s
	default: // tls.Conn, net.Pipe: no descriptor of their own
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	x := &rawIO{nc: nc, rc: rc}
	x.onRead, x.onWrite, x.onExchange = x.readable, x.writable, x.exchangeable
	x.onTryRead, x.onTryWrite = x.readNow, x.writeNow
	return x
}

func (x *rawIO) read(b []byte) (int, error) {
	x.in.b, x.in.lender = b, nil
	err := x.rc.Read(x.onRead)
	return x.readResult(err)
}

func (x *rawIO) readFor(r *Reader) (int, error) {
	x.in.b, x.in.lender = nil, r
	err := x.rc.Read(x.onRead)
	return x.readResult(err)
}

func (x *rawIO) tryRead(b []byte) (int, error) {
	x.in.b, x.in.lender = b, nil
	// Control, unlike Read, neither looks at the deadline nor forgets that the
	// poller has called.
	err := x.rc.Control(x.onTryRead)
	return x.readResult(err)
}

func (x *rawIO) readResult(err error) (int, error) {
	n, errno := x.in.n, x.in.errno
	x.in.b, x.in.lender, x.in.n, x.in.errno = nil, nil, 0, 0
	switch {
	case err != nil:
		return 0, err
	case errno == syscall.EAGAIN:
		return 0, ErrWouldBlock
	case errno != 0:
		return 0, opError("read", x.nc, os.NewSyscallError("read", errno))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// readable tries before it parks. It must: RawConn.Read begins by forgetting an
// edge that the poller has seen since the last read, so parking first would miss
// what a pipelining client sent in between, for good.
func (x *rawIO) readable(fd uintptr) bool {
	x.readNow(fd)
	if x.in.errno != syscall.EAGAIN {
		return true
	}
	x.in.errno = 0
	if x.in.lender != nil {
		x.in.b = nil
		x.in.lender.release()
	}
	return false
}

func (x *rawIO) readNow(fd uintptr) {
	if x.in.b == nil {
		x.in.b = x.in.lender.window()
	}
	x.in.n, x.in.errno = rawCall(syscall.SYS_READ, fd, x.in.b)
	x.in.full = x.in.n == len(x.in.b)
}

func (x *rawIO) write(b []byte) error {
	x.out.b = b
	err := x.rc.Write(x.onWrite)
	_, err = x.writeResult(err)
	return err
}

func (x *rawIO) tryWrite(b []byte) (int, error) {
	x.out.b = b
	err := x.rc.Control(x.onTryWrite)
	left, err := x.writeResult(err)
	return len(b) - len(left), err
}

func (x *rawIO) writeResult(err error) (left []byte, _ error) {
	left, errno := x.out.b, x.out.errno
	x.out.b, x.out.errno = nil, 0
	switch {
	case err != nil:
		return left, err
	case errno == syscall.EAGAIN:
		return left, ErrWouldBlock
	case errno != 0:
		return left, opError("write", x.nc, os.NewSyscallError("write", errno))
	}
	return left, nil
}

func (x *rawIO) writable(fd uintptr) bool {
	x.writeNow(fd)
	if x.out.errno == syscall.EAGAIN {
		x.out.errno = 0
		return false
	}
	return true
}

func (x *rawIO) writeNow(fd uintptr) {
	for len(x.out.b) > 0 {
		n, errno := rawCall(syscall.SYS_WRITE, fd, x.out.b)
		x.out.b = x.out.b[n:]
		if errno != 0 {
			x.out.errno = errno
			return
		}
	}
}

// exchange returns what it could not write of req; then it has not read.
func (x *rawIO) exchange(req, b []byte, r *Reader) (n int, left []byte, err error) {
	x.in.b, x.in.lender = b, r
	x.out.b, x.out.begun = req, false
	err = x.rc.Read(x.onExchange)
	left, errno := x.out.b, x.out.errno
	x.out.b, x.out.errno = nil, 0
	n, err = x.readResult(err)
	switch {
	case errno == syscall.EAGAIN:
		return 0, left, nil
	case errno != 0:
		return 0, left, opError("write", x.nc, os.NewSyscallError("write", errno))
	}
	return n, left, err
}

// exchangeable writes on its first call and then waits to be called again: the
// answer's edge comes after the write, so none can be missed.
func (x *rawIO) exchangeable(fd uintptr) bool {
	if x.out.begun {
		return x.readable(fd)
	}
	x.out.begun = true
	x.writeNow(fd)
	if x.out.errno != 0 {
		return true
	}
	if x.in.full { // earlier bytes are still there, and nobody will call for them
		return x.readable(fd)
	}
	return false
}

// hungup asks without reading whether the peer has closed or the line is broken.
func (x *rawIO) hungup() bool {
	gone := true
	err := x.rc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		gone = err == nil && n > 0
	})
	return gone || err != nil
}

// rawCall reads into or writes from b once, and again when a signal came between.
func rawCall(trap, fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default: // an open set: every other error ends the attempt
			return 0, errno
		}
	}
}
