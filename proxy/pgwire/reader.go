package pgwire

import (
	"crypto/tls"
	"errors"
)

// ErrTooLarge says that what should be buffered at once is more than the Reader's limit.
var ErrTooLarge = errors.New("pgwire: message exceeds the buffer limit")

// Reader buffers what comes from a Conn. Its buffer is a shared one, held only
// while bytes are in it. A Reader belongs to the goroutine that reads the Conn.
//
// A relay scans headers over Buffered, forwards sub-slices of it and Discards;
// who wants frames one by one uses Next. The two may be mixed at frame boundaries.
type Reader struct {
	c          *Conn
	buf        *buffer // nil while nothing is buffered
	start, end int     // of the unread bytes in buf
	limit      int     // most bytes buffered at once
	rest       int     // body bytes of a partial frame still to be streamed
}

// NewReader returns a Reader that buffers up to limit bytes at once, and
// [WindowSize] at least: larger frames come in parts.
func NewReader(c *Conn, limit int) *Reader {
	return &Reader{c: c, limit: max(limit, WindowSize)}
}

// SetLimit changes how much is buffered at once, from the next Fill on.
func (r *Reader) SetLimit(limit int) { r.limit = max(limit, WindowSize) }

// Conn is the connection that is read.
func (r *Reader) Conn() *Conn { return r.c }

// Buffered returns the unread bytes. They are valid until the next Fill, TryFill,
// Exchange, Next, Stream or Release; Discard leaves them as they are.
func (r *Reader) Buffered() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf.b[r.start:r.end]
}

// Discard drops the first n unread bytes; there must be as many.
func (r *Reader) Discard(n int) {
	if n > r.end-r.start {
		panic("pgwire: Discard of more than is buffered")
	}
	r.start += n
}

// Fill parks until at least one more byte is buffered. Its errors are those of
// [Conn.Read], and [ErrTooLarge] when the limit is reached.
func (r *Reader) Fill() error {
	if err := r.makeRoom(); err != nil {
		return err
	}
	n, err := r.c.readFor(r)
	return r.filled(n, err)
}

// TryFill buffers what is there without parking; false means nothing was.
func (r *Reader) TryFill() (bool, error) {
	if err := r.makeRoom(); err != nil {
		return false, err
	}
	n, err := r.c.TryRead(r.window())
	if err = r.filled(n, err); err == ErrWouldBlock {
		return false, nil
	}
	return err == nil, err
}

// Exchange writes req and then fills as Fill does, in one go: see [Conn.Exchange]
// for whom. The caller's bytes are written even where Fill would say ErrTooLarge.
func (r *Reader) Exchange(req []byte) error {
	err := r.makeRoom()
	if err != nil || r.c.raw == nil || r.c.tls != nil || len(req) == 0 {
		if werr := r.c.Write(req); werr != nil {
			r.release()
			return werr
		}
		if err != nil {
			return err
		}
		return r.filled(r.c.readFor(r))
	}
	return r.filled(r.c.exchange(req, nil, r))
}

func (r *Reader) filled(n int, err error) error {
	r.end += n
	if n > 0 {
		return nil
	}
	r.release()
	return err
}

// Release gives an empty buffer back early, for one who will not read for a while.
func (r *Reader) Release() { r.release() }

// StartTLS encrypts the connection. Bytes that came ahead of the handshake were
// not encrypted, so somebody else may have sent them: they are an error
// (CVE-2021-23214).
func (r *Reader) StartTLS(cfg *tls.Config, server bool) error {
	if r.end > r.start {
		return errors.New("received unencrypted data after SSL request")
	}
	r.release()
	return r.c.StartTLS(cfg, server)
}

// window is the free part of the buffer, which it takes if there is none.
func (r *Reader) window() []byte {
	if r.buf == nil {
		r.buf = takeBuffer(WindowSize)
	}
	return r.buf.b[r.end:]
}

// release gives the buffer back if it is empty.
func (r *Reader) release() {
	if r.buf == nil || r.start < r.end {
		return
	}
	r.buf.giveBack()
	r.buf, r.start, r.end = nil, 0, 0
}

// makeRoom leaves free space behind the unread bytes: by giving back, moving to
// the front, or moving to a larger buffer.
func (r *Reader) makeRoom() error {
	r.release()
	if r.buf == nil {
		return nil
	}
	unread := r.end - r.start
	if unread >= r.limit {
		return ErrTooLarge
	}
	size := len(r.buf.b)
	if r.end < size && (r.start == 0 || size-r.end >= size/2) {
		return nil
	}
	if r.start > 0 {
		copy(r.buf.b, r.buf.b[r.start:r.end])
		r.start, r.end = 0, unread
		return nil
	}
	return r.grow(2 * size)
}

// grow moves the unread bytes to a buffer of at least size bytes.
func (r *Reader) grow(size int) error {
	size = min(size, r.limit)
	next := takeBuffer(size)
	unread := copy(next.b, r.Buffered())
	r.buf.giveBack()
	r.buf, r.start, r.end = next, 0, unread
	return nil
}
