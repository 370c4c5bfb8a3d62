package pgwire

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrWouldBlock is returned by the Try methods instead of parking.
var ErrWouldBlock error = &pauseError{"pgwire: would block"}

// ErrWoken is returned by the Read that a [Conn.Wake] interrupted. Nothing was
// read, the connection stays usable.
var ErrWoken error = &pauseError{"pgwire: woken"}

// pauseError is temporary, so that crypto/tls does not take it for the end of
// its connection: a tls.Conn keeps what it has of a record and goes on later.
type pauseError struct{ text string }

func (e *pauseError) Error() string   { return e.text }
func (e *pauseError) Timeout() bool   { return true }
func (e *pauseError) Temporary() bool { return true }

// Conn is one connection of the PostgreSQL protocol. TCP and unix sockets are
// read and written by raw, non-blocking system calls under the runtime's poller;
// any other net.Conn is used as it is.
//
// One goroutine reads and one writes (usually the same); Exchange does both.
// Wake, Hungup, SetDeadline, Close and RemoteAddr may be called from anywhere.
type Conn struct {
	nc  net.Conn
	raw *rawIO   // nil where there is no descriptor
	tls *secured // written by the owner under wake's lock, for Close; read by the owner without

	// woken repeats wake.pending, so that the reader sees it without the lock.
	woken atomic.Bool
	wake  struct {
		sync.Mutex
		pending  bool
		deadline time.Time // what the read deadline is when nobody woke the reader
	}
}

// NewConn takes nc over; nobody else may read, write or set deadlines on it.
func NewConn(nc net.Conn) *Conn {
	return &Conn{nc: nc, raw: newRawIO(nc)}
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr is our own address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Close ends the connection and every call parked in it. A TLS peer is told
// so only if that needs no waiting.
func (c *Conn) Close() error {
	c.wake.Lock()
	s := c.tls
	c.wake.Unlock()
	if s != nil {
		return s.close()
	}
	return c.nc.Close()
}

// Read parks until something is readable and reads it once. It returns
// [ErrWoken], os.ErrDeadlineExceeded, io.EOF, or what the socket says.
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.tls != nil {
		return c.tls.Read(b)
	}
	return c.readPlain(b)
}

func (c *Conn) readPlain(b []byte) (int, error) {
	if c.woken.Load() && c.takeWake() {
		return 0, ErrWoken
	}
	var n int
	var err error
	if c.raw != nil {
		n, err = c.raw.read(b)
	} else {
		n, err = c.nc.Read(b)
	}
	if err != nil {
		err = c.interrupted(err)
	}
	return n, err
}

// TryRead reads what is there and never parks: with nothing there it returns
// [ErrWouldBlock]. It does not consume a Wake. On a connection without a
// descriptor (net.Pipe, a tls.Conn made elsewhere) "there" is what comes
// within a millisecond, as Go has no other way to ask.
func (c *Conn) TryRead(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.tls != nil {
		return c.tls.tryRead(b)
	}
	return c.tryReadPlain(b)
}

func (c *Conn) tryReadPlain(b []byte) (int, error) {
	if c.raw != nil {
		return c.raw.tryRead(b)
	}
	return c.readBriefly(b)
}

// Write writes all of b; it parks while the peer is slow.
func (c *Conn) Write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if c.tls != nil {
		_, err := c.tls.Write(b)
		return err
	}
	return c.writePlain(b)
}

func (c *Conn) writePlain(b []byte) error {
	if c.raw != nil {
		return c.raw.write(b)
	}
	_, err := c.nc.Write(b)
	return err
}

// TryWrite writes what the socket takes without parking and says how much of
// b it took. [ErrWouldBlock] means: come back when the peer has read, with the
// rest of b, or with nil if all of b was taken; TLS may still hold the end of
// a record then. A connection without a descriptor parks instead.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if c.tls != nil {
		return c.tls.tryWrite(b)
	}
	return c.tryWritePlain(b)
}

func (c *Conn) tryWritePlain(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if c.raw != nil {
		return c.raw.tryWrite(b)
	}
	return c.nc.Write(b)
}

// Exchange writes req and reads what comes next into b, which saves the system
// call that finds nothing there yet. It is for a peer that answers req and
// speaks only when spoken to: a server. A client may have sent more before our
// write, and that would not be noticed; use Write and Read there.
//
// Unless the error is one of writing, req is written whole, even if the result
// is [ErrWoken].
func (c *Conn) Exchange(req, b []byte) (int, error) {
	if c.raw == nil || c.tls != nil || len(req) == 0 || len(b) == 0 {
		if err := c.Write(req); err != nil {
			return 0, err
		}
		return c.Read(b)
	}
	return c.exchange(req, b, nil)
}

// exchange reads into b, or where that is nil into a buffer that r takes only
// when there is something to read.
func (c *Conn) exchange(req, b []byte, r *Reader) (int, error) {
	n, left, err := c.raw.exchange(req, b, r)
	if len(left) == 0 {
		if err != nil {
			err = c.interrupted(err)
		}
		return n, err
	}
	// A slow peer, or an interrupt from before the request went out.
	if err != nil && !isDeadline(err) {
		return 0, err
	}
	if err := c.raw.write(left); err != nil {
		return 0, err
	}
	if r != nil {
		return c.readFor(r)
	}
	return c.readPlain(b)
}

// readFor is Read into r's buffer, which r holds only while bytes are there.
func (c *Conn) readFor(r *Reader) (int, error) {
	if c.tls != nil {
		return c.tls.readFor(r)
	}
	if c.raw == nil {
		return c.readPlain(r.window())
	}
	if c.woken.Load() && c.takeWake() {
		return 0, ErrWoken
	}
	n, err := c.raw.readFor(r)
	if err != nil {
		err = c.interrupted(err)
	}
	return n, err
}

func opError(op string, nc net.Conn, err error) error {
	return &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(), Err: err}
}

var errTLSTwice = errors.New("pgwire: the connection is encrypted already")

// Hungup asks, without reading, whether the peer has closed its side or the line
// is broken. It is false where there is no descriptor to ask. A peer that only
// finished sending (shutdown of one direction) counts as gone.
func (c *Conn) Hungup() bool {
	return c.raw != nil && c.raw.hungup()
}
