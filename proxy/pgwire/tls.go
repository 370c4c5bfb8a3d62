package pgwire

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxRecord is the plaintext of one TLS record; TryWrite holds back at most one.
const maxRecord = 16 << 10

// secured is TLS over a Conn's plain side. crypto/tls sees it as a net.Conn.
type secured struct {
	*tls.Conn
	under *underTLS
}

// StartTLS encrypts the connection in place, as the server or client of the
// handshake. What was read before must have been consumed: see [Reader.StartTLS].
func (c *Conn) StartTLS(cfg *tls.Config, server bool) error {
	if c.tls != nil {
		return errTLSTwice
	}
	u := &underTLS{c: c}
	s := &secured{under: u}
	if server {
		s.Conn = tls.Server(u, cfg)
	} else {
		s.Conn = tls.Client(u, cfg)
	}
	// Here and not with the first read: an interrupted handshake cannot go on.
	if err := s.Handshake(); err != nil {
		return err
	}
	c.wake.Lock()
	c.tls = s
	c.wake.Unlock()
	return nil
}

// TLS returns the state of the encryption, or nil without any.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	st := c.tls.ConnectionState()
	return &st
}

// Read flushes first: the peer may be waiting for the record that TryWrite held.
func (s *secured) Read(b []byte) (int, error) {
	if err := s.under.flush(); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
}

// tryRead relies on crypto/tls keeping the part of a record that has come when
// the connection under it returns a temporary error.
func (s *secured) tryRead(b []byte) (int, error) {
	s.under.readNow = true
	defer func() { s.under.readNow = false }()
	return s.Conn.Read(b)
}

func (s *secured) readFor(r *Reader) (int, error) {
	n, err := s.tryRead(r.window())
	if err != ErrWouldBlock {
		return n, err
	}
	return s.Read(r.window())
}

// tryWrite: a record that was begun must be finished, so what the socket does
// not take of one is held back and nothing more accepted until it is gone.
func (s *secured) tryWrite(b []byte) (int, error) {
	u := s.under
	if err := u.tryFlush(); err != nil {
		return 0, err
	}
	u.hold.Store(true)
	defer u.hold.Store(false)
	total := 0
	for len(b) > 0 {
		n, err := s.Conn.Write(b[:min(len(b), maxRecord)])
		total += n
		if err != nil {
			return total, err
		}
		if u.holding() {
			return total, ErrWouldBlock
		}
		b = b[n:]
	}
	return total, nil
}

// close sends the alert that tells a close from a cut, if the socket takes it
// at once. crypto/tls sends none while another call is in a write.
func (s *secured) close() error {
	s.under.closing.Store(true)
	return s.Conn.Close()
}

// underTLS is the plain side of a Conn in the shape that crypto/tls wants.
type underTLS struct {
	c       *Conn
	readNow bool        // reads do not park; the reader's own
	hold    atomic.Bool // writes do not park, the rest goes to held
	closing atomic.Bool // writes do not park, the rest is dropped

	mu struct { // the socket's writing side
		sync.Mutex
		held []byte
	}
}

func (u *underTLS) Read(b []byte) (int, error) {
	if u.readNow {
		return u.c.tryReadPlain(b)
	}
	return u.c.readPlain(b)
}

func (u *underTLS) Write(b []byte) (int, error) {
	if u.closing.Load() {
		return u.writeLast(b)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hold.Load() {
		return u.writeHoldingLocked(b)
	}
	if err := u.flushLocked(); err != nil {
		return 0, err
	}
	if err := u.c.writePlain(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (u *underTLS) writeHoldingLocked(b []byte) (int, error) {
	n, err := 0, ErrWouldBlock
	if len(u.mu.held) == 0 {
		n, err = u.c.tryWritePlain(b)
	}
	if err == ErrWouldBlock {
		u.mu.held = append(u.mu.held, b[n:]...)
		return len(b), nil
	}
	return n, err
}

func (u *underTLS) writeLast(b []byte) (int, error) {
	if !u.mu.TryLock() {
		return 0, net.ErrClosed
	}
	defer u.mu.Unlock()
	if len(u.mu.held) > 0 {
		return 0, net.ErrClosed
	}
	return u.c.tryWritePlain(b)
}

func (u *underTLS) flush() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.flushLocked()
}

func (u *underTLS) flushLocked() error {
	if len(u.mu.held) == 0 {
		return nil
	}
	err := u.c.writePlain(u.mu.held)
	u.mu.held = nil
	return err
}

func (u *underTLS) tryFlush() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.mu.held) == 0 {
		return nil
	}
	n, err := u.c.tryWritePlain(u.mu.held)
	if u.mu.held = u.mu.held[n:]; len(u.mu.held) == 0 {
		u.mu.held = nil
	}
	return err
}

func (u *underTLS) holding() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.mu.held) > 0
}

func (u *underTLS) Close() error                       { return u.c.nc.Close() }
func (u *underTLS) LocalAddr() net.Addr                { return u.c.nc.LocalAddr() }
func (u *underTLS) RemoteAddr() net.Addr               { return u.c.nc.RemoteAddr() }
func (u *underTLS) SetDeadline(t time.Time) error      { return u.c.nc.SetDeadline(t) }
func (u *underTLS) SetReadDeadline(t time.Time) error  { return u.c.nc.SetReadDeadline(t) }
func (u *underTLS) SetWriteDeadline(t time.Time) error { return u.c.nc.SetWriteDeadline(t) }
